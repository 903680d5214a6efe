//! Where it is kept who may call.

use async_trait::async_trait;

use crate::access::ApiKey;
use crate::error::StoreError;
use crate::id::{KeyId, TenantId};
use crate::time::Timestamp;

/// Keys, and the secret that sessions are signed with. What a store says here must be on the disk.
#[async_trait]
pub trait AccessStore: Send + Sync + 'static {
    /// Adds a key; one of the same id is refused.
    async fn add_key(&self, key: ApiKey) -> Result<(), StoreError>;

    /// A key, good or not.
    async fn key(&self, id: &KeyId) -> Result<Option<ApiKey>, StoreError>;

    /// The keys of a tenant, or of all, the oldest first. They are few: there are no pages.
    async fn keys(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>, StoreError>;

    /// Revokes a key from `at` on; one that is revoked keeps its time. Says whether it is there.
    async fn revoke_key(&self, id: &KeyId, at: Timestamp) -> Result<bool, StoreError>;

    /// Notes when keys were last used; an earlier time than the one that is noted changes nothing.
    async fn keys_used(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), StoreError>;

    /// The installation's secret of that name: `proposed` where there is none yet, and it is kept then.
    async fn secret(&self, name: &str, proposed: [u8; 32]) -> Result<[u8; 32], StoreError>;
}
