//! What only the inside shows.

mod before;
mod optimistic;
mod plans;
mod retention;
mod schema;

use std::pin::Pin;
use std::sync::Arc;

use postroom_core::ports::Spawner;
use postroom_testbed::Postgres;
use tokio_postgres::{Client, NoTls};

use super::{Options, PostgresStore};
use crate::system::SystemIds;

struct OnTokio;

impl Spawner for OnTokio {
    #[expect(clippy::disallowed_methods, reason = "this is the test's spawner")]
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(task);
    }
}

/// A store in a schema of its own.
async fn store(schema: &str) -> PostgresStore {
    let server = Postgres::shared();
    let mut options = Options::new(server.url(), Arc::new(SystemIds::new()), Arc::new(OnTokio));
    schema.clone_into(&mut options.schema);
    options.connections = 4;
    PostgresStore::open(options).await.unwrap()
}

/// A connection beside it, set up as the store's are.
async fn connection() -> Client {
    let mut config: tokio_postgres::Config = Postgres::shared().url().parse().unwrap();
    config.options(super::server_settings(std::time::Duration::from_mins(1)));
    let (client, connection) = config.connect(NoTls).await.unwrap();
    OnTokio.spawn(Box::pin(async move {
        // It ends with the client.
        let _ = connection.await;
    }));
    client
}
