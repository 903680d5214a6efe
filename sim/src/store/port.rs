//! The port, call by call. Writes are looked at by [`crate::check`].

use std::time::Duration;

use postroom_conformance::front::at_once;
use postroom_core::command::{ClaimRequest, Envelope};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::StoreError;
use postroom_core::id::{NodeId, TenantId};
use postroom_core::node::Heartbeat;
use postroom_core::ports::{
    Applied, ClaimedReady, PurgedEvents, ReclaimScope, Reclaimed, StoreCapabilities,
};
use postroom_core::time::Timestamp;

use super::{Kind, StoreLine};
use crate::check;

postroom_conformance::store_in_front! {
    impl MailboxStore for StoreLine {
        async fn apply(&self, commands: Vec<Envelope>) -> Vec<Result<Applied, StoreError>> {
            let count = commands.len();
            let carry_out = move |world: &crate::World, who: &str| {
                commands.into_iter().map(|envelope| check::apply(world, who, envelope)).collect()
            };
            self.call(Kind::Write, carry_out, move |error| vec![Err(error); count]).await
        }

        async fn claim_ready(
            &self,
            request: ClaimRequest,
            limit: usize,
        ) -> Result<ClaimedReady, StoreError> {
            let carry_out =
                move |world: &crate::World, who: &str| check::claim_ready(world, who, request, limit);
            self.call(Kind::Write, carry_out, Err).await
        }

        async fn reclaim(
            &self,
            scope: ReclaimScope,
            retry_in: Duration,
            limit: usize,
        ) -> Result<Reclaimed, StoreError> {
            let carry_out = move |world: &crate::World, who: &str| {
                check::reclaim(world, who, scope, retry_in, limit)
            };
            self.call(Kind::Write, carry_out, Err).await
        }

        async fn purge_terminal(
            &self,
            tenant: Option<&TenantId>,
            state: Option<DispatchState>,
            older_than: Timestamp,
            limit: usize,
        ) -> Result<u64, StoreError> {
            let tenant = tenant.cloned();
            let carry_out = move |world: &crate::World, _: &str| {
                // What is to go is looked at once more.
                check::look_at_all(world);
                at_once(world.store.purge_terminal(tenant.as_ref(), state, older_than, limit))
            };
            self.call(Kind::Write, carry_out, Err).await
        }

        async fn purge_events(
            &self,
            older_than: Timestamp,
            cursor: Option<&str>,
            limit: usize,
        ) -> Result<PurgedEvents, StoreError> {
            let cursor = cursor.map(str::to_owned);
            let carry_out = move |world: &crate::World, _: &str| {
                at_once(world.store.purge_events(older_than, cursor.as_deref(), limit))
            };
            self.call(Kind::Write, carry_out, Err).await
        }

        async fn heartbeat(&self, beat: Heartbeat) -> Result<(), StoreError> {
            let carry_out =
                move |world: &crate::World, _: &str| at_once(world.store.heartbeat(beat));
            self.call(Kind::Write, carry_out, Err).await
        }

        async fn forget_node(&self, id: &NodeId) -> Result<(), StoreError> {
            let id = id.clone();
            let carry_out =
                move |world: &crate::World, _: &str| at_once(world.store.forget_node(&id));
            self.call(Kind::Write, carry_out, Err).await
        }

        async fn forget_nodes(&self, unseen_since: Timestamp) -> Result<u64, StoreError> {
            let carry_out = move |world: &crate::World, _: &str| {
                at_once(world.store.forget_nodes(unseen_since))
            };
            self.call(Kind::Write, carry_out, Err).await
        }

        fn capabilities(&self) -> StoreCapabilities {
            StoreCapabilities { name: "simulated", exclusive: self.world.shape.single }
        }
    }
}
