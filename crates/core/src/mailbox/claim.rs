//! Claiming: one dispatch of the thread becomes one node's.

use crate::command::{ClaimRequest, Delivered, Reply};
use crate::dispatch::{Claim, DispatchState, DispatchStatus};
use crate::error::Refusal;
use crate::id::DispatchId;
use crate::sabotage::{Fault, committed};
use crate::time::Timestamp;

use super::work::Work;

impl Work<'_> {
    pub(super) fn claim_head(&mut self, request: &ClaimRequest) -> Result<Reply, Refusal> {
        Ok(Reply::Claimed(self.claim_next(request)?))
    }

    /// Claims the head of the queue, unless the thread is busy, nothing is due, or the node has no
    /// room for the head's agent or the thread's tenant.
    pub(super) fn claim_next(
        &mut self,
        request: &ClaimRequest,
    ) -> Result<Option<Box<Delivered>>, Refusal> {
        if self.is_busy() && !committed(Fault::ClaimWhileBusy) {
            return Ok(None);
        }
        let Some(head) = self.head() else { return Ok(None) };
        let is_full = request.tenants.of(&self.thread.tenant) == 0;
        if is_full || request.except_agents.contains(&head.agent_id) {
            return Ok(None);
        }
        self.claim_for(head.id, request).map(Some)
    }

    pub(super) fn claim_dispatch(
        &mut self,
        id: DispatchId,
        request: &ClaimRequest,
    ) -> Result<Reply, Refusal> {
        let dispatch = self.dispatch(id)?;
        if dispatch.state() != DispatchState::Queued || self.is_busy() {
            return Ok(Reply::Claimed(None));
        }
        Ok(Reply::Claimed(Some(self.claim_for(id, request)?)))
    }

    /// Claims a queued dispatch of an idle thread and, if wanted, begins its run.
    pub(super) fn claim_for(
        &mut self,
        id: DispatchId,
        request: &ClaimRequest,
    ) -> Result<Box<Delivered>, Refusal> {
        self.thread.claim_number = next_claim_number(self.thread.claim_number, self.now);
        let claim = Claim { number: self.thread.claim_number, node: request.node.clone() };
        let lease_until = self.now + request.lease;
        self.move_dispatch(id, DispatchStatus::Claimed { claim, lease_until })?;
        let begun = if request.begin { Some(self.start(id, None)?) } else { None };
        let dispatch = self.dispatch(id)?.clone();
        Ok(Box::new(Delivered { dispatch, begun }))
    }
}

/// The number of the next claim. A claim may be lost with the machine (it does not wait for the
/// disk), and its number must not be given again while its owner may still be about: so the number
/// is also never less than the time, in microseconds.
fn next_claim_number(last: u64, now: Timestamp) -> u64 {
    let micros = u64::try_from(now.0).unwrap_or(0).saturating_mul(1000);
    (last + 1).max(micros)
}
