//! Who may call.
//!
//! A caller presents a key, `Authorization: Bearer id.secret`, or the cookie of a [session](session)
//! that a key began. Where keys are not required and none is presented, the caller is the operator:
//! the default tenant with all scopes. A key that is presented is always checked.
//!
//! What a route needs is said in one place, [`needs`]; what is another tenant's is unknown to every
//! handler, because it is given nothing but its caller's handle of the service.

mod caller;
mod check;
mod keys;
mod limits;
mod needs;
mod secret;
pub(crate) mod session;

pub(crate) use caller::Caller;
pub(crate) use check::{check, session_over, wrong_key};
pub(crate) use limits::Gate;
pub use limits::{Limits, TenantLimits};
pub(crate) use needs::{Needs, needs};
pub(crate) use secret::random_name;
pub use secret::{KeyOrder, MadeKey, NoRandomness, Secret, make_key};

use std::sync::Arc;
use std::time::Duration;

use postroom_core::access::ApiKey;
use postroom_core::error::StoreError;
use postroom_core::id::TenantId;
use postroom_core::ports::{AccessStore, Clock};
use postroom_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use keys::Keys;
use session::Sessions;

/// How often it is written when keys were last used.
const USES_WRITTEN_EVERY: Duration = Duration::from_mins(1);

/// The server's part of who may call: clones share one.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    required: bool,
    keys: Keys,
    sessions: Sessions,
    gate: Gate,
    store: Arc<dyn AccessStore>,
    clock: Arc<dyn Clock>,
}

impl Access {
    /// Keys are kept in `store`; `required` says whether nobody is answered without one.
    pub fn new(
        store: Arc<dyn AccessStore>,
        clock: Arc<dyn Clock>,
        required: bool,
        limits: Limits,
    ) -> Self {
        Self(Arc::new(Inner {
            required,
            keys: Keys::new(store.clone(), clock.clone()),
            sessions: Sessions::default(),
            gate: Gate::new(limits),
            store,
            clock,
        }))
    }

    /// Writes from time to time when keys were last used, until `closing` is cancelled: no request
    /// waits for it.
    pub async fn note_uses(self, closing: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled() => break self.0.keys.write_uses().await,
                () = tokio::time::sleep(USES_WRITTEN_EVERY) => self.0.keys.write_uses().await,
            }
        }
    }

    /// Whether anybody could present a key that is good now.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn has_keys(&self) -> Result<bool, StoreError> {
        let now = self.0.clock.now();
        Ok(self.0.store.keys(None).await?.iter().any(|key| key.is_valid(now)))
    }

    /// Whether nobody is answered without a key.
    pub fn is_required(&self) -> bool {
        self.0.required
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The secret that sessions are signed with; the same on every node.
    pub(crate) async fn session_secret(&self) -> Result<&[u8; 32], StoreError> {
        self.0.sessions.secret(&*self.0.store).await
    }

    /// Makes a key and keeps it: the answer is the only place where its secret ever is.
    pub(crate) async fn add_key(&self, order: KeyOrder) -> Result<MadeKey, StoreError> {
        let made = make_key(order, self.now())
            .map_err(|error| StoreError::Unavailable { reason: error.to_string() })?;
        self.0.store.add_key(made.key.clone()).await?;
        Ok(made)
    }

    /// The keys of a tenant, or of all.
    pub(crate) async fn list_keys(
        &self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<ApiKey>, StoreError> {
        self.0.store.keys(tenant).await
    }
}
