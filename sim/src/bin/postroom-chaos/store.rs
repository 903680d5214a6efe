//! The store, opened by the checker once the nodes are gone.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use postroom_core::ports::{MailboxStore, Spawner};
use postroom_stores::postgres::{self, PostgresStore};
use postroom_stores::sqlite::{self, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};

/// Starts tasks on the command's runtime.
struct OnTokio;

impl Spawner for OnTokio {
    #[expect(clippy::disallowed_methods, reason = "this is the command's spawner")]
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(task);
    }
}

/// The one in PostgreSQL.
pub async fn postgres(url: &str) -> anyhow::Result<Arc<dyn MailboxStore>> {
    let ids = Arc::new(SystemIds::new());
    let options = postgres::Options::new(url, ids, Arc::new(OnTokio));
    Ok(Arc::new(PostgresStore::open(options).await?))
}

/// The one in a file.
pub fn sqlite(path: &Path) -> anyhow::Result<Arc<dyn MailboxStore>> {
    let ids = Arc::new(SystemIds::new());
    let options = sqlite::Options::new(path, Arc::new(SystemClock), ids);
    Ok(Arc::new(SqliteStore::open(options)?))
}
