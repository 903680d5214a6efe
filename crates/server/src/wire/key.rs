//! API keys.

use postroom_core::access::{ApiKey, Scope};
use postroom_core::id::{KeyId, TenantId};
use schemars::JsonSchema;
use serde::Serialize;

use super::time::{Moment, moment};
use crate::auth::MadeKey;

/// A key without its secret.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct KeyView {
    key_id: KeyId,
    tenant: TenantId,
    /// What it allows, with all that this includes.
    scopes: Vec<Scope>,
    label: String,
    created_at: Moment,
    expires_at: Option<Moment>,
    revoked_at: Option<Moment>,
    /// A minute or two behind.
    last_used_at: Option<Moment>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            key_id: key.id,
            tenant: key.tenant,
            scopes: key.scope.included().collect(),
            label: key.label,
            created_at: moment(key.created_at),
            expires_at: key.expires_at.map(moment),
            revoked_at: key.revoked_at.map(moment),
            last_used_at: key.last_used_at.map(moment),
        }
    }
}

/// A key that was just made, with the only sight of its secret.
#[derive(Serialize, JsonSchema)]
pub struct MadeKeyView {
    #[serde(flatten)]
    view: KeyView,
    /// What its holder presents.
    key: String,
}

impl From<MadeKey> for MadeKeyView {
    fn from(made: MadeKey) -> Self {
        Self { key: made.text.expose().to_owned(), view: made.key.into() }
    }
}
