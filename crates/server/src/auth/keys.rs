//! The keys that callers present, remembered for a few seconds: a request costs no round trip to the
//! store, and a key that is revoked, wherever that is, is refused on every node soon after.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::access::ApiKey;
use postroom_core::error::StoreError;
use postroom_core::id::KeyId;
use postroom_core::ports::{AccessStore, Clock};
use postroom_core::time::Timestamp;
use tokio::time::Instant;

use super::secret::Presented;

/// How long what the store said of a key is good: so long a key that another node has revoked may
/// still be answered here.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(5);
/// How many keys are remembered, known or not: who tries ids takes no more room than this.
const REMEMBERED_MAX: usize = 4_096;
/// A use that is not older than the last one that was noted by more than this is not noted.
const USE_NOTED_AFTER_MS: i64 = 60_000;

pub(crate) struct Keys {
    store: Arc<dyn AccessStore>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<HashMap<KeyId, Remembered>>,
    /// When keys were last used, where that is still to be written.
    used: Mutex<BTreeMap<KeyId, Timestamp>>,
}

struct Remembered {
    /// `None`: the store knows no such key.
    key: Option<Arc<ApiKey>>,
    since: Instant,
}

impl Keys {
    pub(super) fn new(store: Arc<dyn AccessStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, remembered: Mutex::default(), used: Mutex::default() }
    }

    /// The key that `text` presents, if it is good. Whether its id, its secret or its time is wrong,
    /// nobody hears.
    pub(crate) async fn presented(&self, text: &str) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let Some(presented) = Presented::parse(text) else { return Ok(None) };
        let key = self.valid(&presented.id).await?;
        Ok(key.filter(|key| presented.is_of(key)).inspect(|key| self.note_use(key)))
    }

    /// The key of this id, if it is good: a session that it began goes on.
    pub(crate) async fn valid(&self, id: &KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        let now = self.clock.now();
        Ok(self.look_up(id).await?.filter(|key| key.is_valid(now)))
    }

    /// A key, good or not, as the store has it now.
    pub(crate) async fn stored(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        self.store.key(id).await
    }

    /// Revokes a key: here at once, elsewhere after [`REMEMBERED_FOR`]. Says whether it is there.
    pub(crate) async fn revoke(&self, id: &KeyId) -> Result<bool, StoreError> {
        let found = self.store.revoke_key(id, self.clock.now()).await;
        // Whatever was answered: it may be revoked.
        self.remembered.lock().remove(id);
        found
    }

    async fn look_up(&self, id: &KeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        if let Some(known) = self.remembered.lock().get(id)
            && known.since.elapsed() < REMEMBERED_FOR
        {
            return Ok(known.key.clone());
        }
        // From before the store is asked: what it says is no younger.
        let since = Instant::now();
        let key = self.store.key(id).await?.map(Arc::new);
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(id.clone(), Remembered { key: key.clone(), since });
        Ok(key)
    }

    fn note_use(&self, key: &ApiKey) {
        let now = self.clock.now();
        let is_noted = |last: Timestamp| now.0 - last.0 < USE_NOTED_AFTER_MS;
        if !key.last_used_at.is_some_and(is_noted) {
            self.used.lock().insert(key.id.clone(), now);
        }
    }

    /// Writes when keys were last used.
    pub(super) async fn write_uses(&self) {
        let used = std::mem::take(&mut *self.used.lock());
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.store.keys_used(used.into_iter().collect()).await {
            tracing::warn!(%error, "it was not written when keys were last used");
        }
    }
}

#[cfg(test)]
mod tests {
    use postroom_core::access::Scope;
    use postroom_core::id::TenantId;
    use postroom_stores::memory::MemoryStore;
    use postroom_stores::system::{SystemClock, SystemIds};

    use super::super::secret::{KeyOrder, MadeKey, make_key};
    use super::*;

    /// A store with one key, and what the server remembers of it: nothing yet.
    async fn with_a_key() -> (Arc<MemoryStore>, Keys, MadeKey) {
        let clock = Arc::new(SystemClock);
        let store = Arc::new(MemoryStore::new(clock.clone(), Arc::new(SystemIds::new())));
        let order = KeyOrder {
            tenant: TenantId::default(),
            scope: Scope::Read,
            label: String::new(),
            expires_at: None,
        };
        let made = make_key(order, clock.now()).unwrap();
        store.add_key(made.key.clone()).await.unwrap();
        let keys = Keys::new(store.clone(), clock);
        (store, keys, made)
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_was_revoked_elsewhere_is_refused_soon() {
        let (store, keys, made) = with_a_key().await;
        let is_good = async || keys.presented(made.text.expose()).await.unwrap().is_some();
        assert!(is_good().await);
        store.revoke_key(&made.key.id, SystemClock.now()).await.unwrap();
        tokio::time::advance(REMEMBERED_FOR / 2).await;
        assert!(is_good().await, "the store is not asked for each request");
        tokio::time::advance(REMEMBERED_FOR / 2).await;
        assert!(!is_good().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_use_is_noted_once_a_minute_and_written_beside() {
        let (store, keys, made) = with_a_key().await;
        assert!(keys.presented(made.text.expose()).await.unwrap().is_some());
        let last_used = async || {
            let key = store.key(&made.key.id).await.unwrap().unwrap();
            key.last_used_at
        };
        assert_eq!(last_used().await, None, "no request waits for it");
        keys.write_uses().await;
        let first = last_used().await;
        assert!(first.is_some());
        tokio::time::advance(REMEMBERED_FOR).await;
        assert!(keys.presented(made.text.expose()).await.unwrap().is_some());
        assert!(keys.used.lock().is_empty(), "it was noted less than a minute ago");
    }
}
