//! Several nodes on one store: each command and each question goes to another one, so that nobody
//! may believe to be the only one who writes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::command::{ClaimRequest, Envelope};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::StoreError;
use postroom_core::id::{NodeId, TenantId};
use postroom_core::node::Heartbeat;
use postroom_core::ports::{
    Applied, ClaimedReady, MailboxStore, PurgedEvents, ReclaimScope, Reclaimed, StoreCapabilities,
};
use postroom_core::time::Timestamp;

use crate::ids::Random;

/// Handles of one store.
pub struct Cluster {
    nodes: Vec<Arc<dyn MailboxStore>>,
    random: Random,
}

impl Cluster {
    /// Of these nodes; who is asked, `seed` says.
    ///
    /// # Panics
    /// Where there are none.
    pub fn of(nodes: Vec<Arc<dyn MailboxStore>>, seed: u64) -> Self {
        assert!(!nodes.is_empty(), "a cluster has nodes");
        Self { nodes, random: Random::new(seed) }
    }

    fn any(&self) -> &dyn MailboxStore {
        &*self.nodes[self.random.below(self.nodes.len())]
    }
}

/// The implementation of a [`Cluster`]'s reads.
macro_rules! cluster_reads {
    (
        [$cluster:ty { $($writes:tt)* }]
        $($name:ident($($argument:ident: $type:ty $(= $kind:ident)?),*) -> $answer:ty;)*
    ) => {
        #[async_trait]
        impl MailboxStore for $cluster {
            $($writes)*

            $(async fn $name(&self $(, $argument: $type)*) -> Result<$answer, StoreError> {
                self.any().$name($($argument),*).await
            })*
        }
    };
}
pub(crate) use cluster_reads;

crate::every_read! { cluster_reads [Cluster {
    async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>> {
        self.any().apply(commands).await
    }

    async fn claim_ready(
        &self,
        request: ClaimRequest,
        limit: usize,
    ) -> Result<ClaimedReady, StoreError> {
        self.any().claim_ready(request, limit).await
    }

    async fn reclaim(
        &self,
        scope: ReclaimScope,
        retry_in: Duration,
        limit: usize,
    ) -> Result<Reclaimed, StoreError> {
        self.any().reclaim(scope, retry_in, limit).await
    }

    async fn purge_terminal(
        &self,
        tenant: Option<&TenantId>,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, StoreError> {
        self.any().purge_terminal(tenant, state, older_than, limit).await
    }

    async fn purge_events(
        &self,
        older_than: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<PurgedEvents, StoreError> {
        self.any().purge_events(older_than, cursor, limit).await
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<(), StoreError> {
        self.any().heartbeat(beat).await
    }

    async fn forget_node(&self, id: &NodeId) -> Result<(), StoreError> {
        self.any().forget_node(id).await
    }

    async fn forget_nodes(&self, unseen_since: Timestamp) -> Result<u64, StoreError> {
        self.any().forget_nodes(unseen_since).await
    }

    fn capabilities(&self) -> StoreCapabilities {
        self.nodes[0].capabilities()
    }
}] }
