//! SQLite passes the suite.
#![cfg(feature = "sqlite")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use postroom_conformance::{Backend, ManualClock, SeededIds};
use postroom_core::ports::{AccessStore, MailboxStore};
use postroom_stores::sqlite::{Options, SqliteStore};

/// A directory of a case's own, gone when the case is over, and how many databases were opened in
/// it.
struct Sqlite(PathBuf, AtomicU64);

impl Sqlite {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("postroom-conformance-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path, AtomicU64::new(0))
    }

    fn store(&self, clock: Arc<ManualClock>, ids: Arc<SeededIds>) -> Arc<SqliteStore> {
        let name = format!("{}.db", self.1.load(Ordering::Relaxed));
        let options = Options::new(self.0.join(name), clock, ids);
        Arc::new(SqliteStore::open(options).unwrap())
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[async_trait]
impl Backend for Sqlite {
    async fn open(&self, clock: Arc<ManualClock>, ids: Arc<SeededIds>) -> Arc<dyn MailboxStore> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.store(clock, ids)
    }

    async fn reopen(
        &self,
        store: Arc<dyn MailboxStore>,
        clock: Arc<ManualClock>,
        ids: Arc<SeededIds>,
    ) -> Option<Arc<dyn MailboxStore>> {
        drop(store);
        Some(self.store(clock, ids))
    }
}

postroom_conformance::suite!(Sqlite::new());

postroom_conformance::access_suite! {{
    // The directory goes at once: the files are there for as long as the store has them open.
    let (clock, ids) = (Arc::new(ManualClock::new()), Arc::new(SeededIds::new(1)));
    Sqlite::new().store(clock, ids) as Arc<dyn AccessStore>
}}

/// What was made before the process ended is there after it.
#[tokio::test]
async fn keys_outlive_the_process() {
    use postroom_core::access::{ApiKey, Scope, SecretHash};
    use postroom_core::id::{KeyId, TenantId};
    use postroom_core::time::Timestamp;

    let sqlite = Sqlite::new();
    let open = || sqlite.store(Arc::new(ManualClock::new()), Arc::new(SeededIds::new(1)));
    let key = ApiKey {
        id: KeyId::parse("k").unwrap(),
        tenant: TenantId::parse("red").unwrap(),
        scope: Scope::Read,
        label: String::new(),
        secret: SecretHash([7; 32]),
        created_at: Timestamp(1),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    };
    let store = open();
    store.add_key(key.clone()).await.unwrap();
    let secret = store.secret("s", [1; 32]).await.unwrap();
    drop(store);
    let store = open();
    assert_eq!(store.key(&key.id).await.unwrap(), Some(key));
    assert_eq!(store.secret("s", [2; 32]).await.unwrap(), secret);
}

/// Random commands are answered as the memory store answers them, and leave the same state.
#[cfg(feature = "memory")]
#[test]
fn random_commands_do_what_they_do_in_memory() {
    struct Memory;

    #[async_trait]
    impl Backend for Memory {
        async fn open(
            &self,
            clock: Arc<ManualClock>,
            ids: Arc<SeededIds>,
        ) -> Arc<dyn MailboxStore> {
            Arc::new(postroom_stores::memory::MemoryStore::new(clock, ids))
        }
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 0..8 {
        let sqlite = Sqlite::new();
        runtime.block_on(postroom_conformance::model::check(&sqlite, &Memory, seed, 300));
    }
}
