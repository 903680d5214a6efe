//! Who may call: keys, and the secrets that nodes share.

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use postroom_core::access::ApiKey;
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{KeyId, TenantId};
use postroom_core::ports::AccessStore;
use postroom_core::time::Timestamp;

use super::MemoryStore;

/// What the store holds of it.
#[derive(Default)]
pub(super) struct Access(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// The oldest first.
    keys: Vec<ApiKey>,
    secrets: BTreeMap<String, [u8; 32]>,
}

impl Held {
    fn key(&mut self, id: &KeyId) -> Option<&mut ApiKey> {
        self.keys.iter_mut().find(|key| key.id == *id)
    }
}

#[async_trait]
impl AccessStore for MemoryStore {
    async fn add_key(&self, key: ApiKey) -> Result<(), StoreError> {
        let mut held = self.access.0.lock();
        if held.key(&key.id).is_some() {
            return Err(Refusal::Invalid { reason: "there is a key of this id already" }.into());
        }
        held.keys.push(key);
        Ok(())
    }

    async fn key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.access.0.lock().key(id).cloned())
    }

    async fn keys(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>, StoreError> {
        let held = self.access.0.lock();
        let wanted = |key: &&ApiKey| tenant.is_none_or(|tenant| key.tenant == *tenant);
        Ok(held.keys.iter().filter(wanted).cloned().collect())
    }

    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<bool, StoreError> {
        let mut held = self.access.0.lock();
        let Some(key) = held.key(id) else { return Ok(false) };
        key.revoked_at.get_or_insert(at);
        Ok(true)
    }

    async fn keys_used(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), StoreError> {
        let mut held = self.access.0.lock();
        for (id, at) in used {
            if let Some(key) = held.key(&id) {
                key.last_used_at = key.last_used_at.max(Some(at));
            }
        }
        Ok(())
    }

    async fn secret(&self, name: &str, proposed: [u8; 32]) -> Result<[u8; 32], StoreError> {
        let mut held = self.access.0.lock();
        Ok(*held.secrets.entry(name.to_owned()).or_insert(proposed))
    }
}
