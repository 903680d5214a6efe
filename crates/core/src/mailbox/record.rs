//! Recording an attempt's start and result on its dispatch alone.

use crate::command::{Reply, RunResult};
use crate::dispatch::{Attempt, Claim};
use crate::error::Refusal;
use crate::id::InstanceId;

use super::work::Work;

impl Work<'_> {
    pub(super) fn record_start(
        &mut self,
        claim: &Claim,
        instance_id: InstanceId,
    ) -> Result<Reply, Refusal> {
        let dispatch = self.fence(claim)?;
        self.dispatch_mut(dispatch.id)?.attempt = Some(Attempt::started(instance_id));
        Ok(Reply::Done)
    }

    pub(super) fn record_result(
        &mut self,
        claim: &Claim,
        result: &RunResult,
    ) -> Result<Reply, Refusal> {
        let dispatch = self.fence(claim)?;
        if dispatch.attempt.is_none() {
            return Err(Refusal::Invalid {
                reason: "the attempt has not started: record its start before its result",
            });
        }
        self.record(&dispatch, result)?;
        Ok(Reply::Done)
    }
}
