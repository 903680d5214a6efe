//! The lease of a claim: renewed, or handed back.

use std::time::Duration;

use crate::command::{Extended, Reply};
use crate::dispatch::{Claim, DispatchStatus};
use crate::error::Refusal;

use super::work::Work;

impl Work<'_> {
    pub(super) fn extend_lease(
        &mut self,
        claim: &Claim,
        lease: Duration,
    ) -> Result<Reply, Refusal> {
        let Ok(dispatch) = self.fence(claim) else {
            return Ok(Reply::Extended(Extended { held: false, stop_requested: false }));
        };
        let until = self.now + lease;
        if let DispatchStatus::Claimed { lease_until, .. } =
            &mut self.dispatch_mut(dispatch.id)?.status
        {
            *lease_until = until;
        }
        let stop_requested = self.run(&dispatch.run_id)?.stop_requested;
        Ok(Reply::Extended(Extended { held: true, stop_requested }))
    }

    pub(super) fn release(&mut self, claim: &Claim) -> Result<Reply, Refusal> {
        let dispatch = self.fence(claim)?;
        if !self.leave_waiting(&dispatch)? {
            let run = self.run(&dispatch.run_id)?;
            if dispatch.epoch < self.thread.epoch || run.stop_requested {
                self.supersede(&dispatch)?;
            } else {
                self.reset_attempt(&dispatch);
                self.put_back(dispatch.id, self.now)?;
            }
        }
        self.hand_over(&dispatch)?;
        Ok(Reply::Done)
    }
}
