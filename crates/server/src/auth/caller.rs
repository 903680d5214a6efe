//! Whoever calls.

use postroom_core::access::{ApiKey, Scope};
use postroom_core::id::{KeyId, TenantId};

/// Whoever calls, and what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Whose threads they see.
    pub(crate) tenant: TenantId,
    /// What they may do.
    pub(crate) scope: Scope,
    /// The key they presented, or began their session with; `None` where none is needed.
    pub(crate) key: Option<KeyId>,
}

impl Caller {
    /// Who calls where no key is needed: whoever is on this machine may do everything.
    pub(crate) fn operator() -> Self {
        Self { tenant: TenantId::default(), scope: Scope::Admin, key: None }
    }

    /// The holder of a key.
    pub(crate) fn holder(key: &ApiKey) -> Self {
        Self { tenant: key.tenant.clone(), scope: key.scope, key: Some(key.id.clone()) }
    }

    /// Whether it is one of those who run the installation: they see what is of no tenant.
    pub(crate) fn is_operator(&self) -> bool {
        self.tenant.is_default() && self.scope == Scope::Admin
    }
}
