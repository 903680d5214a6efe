//! Reclaiming: a claim is taken from a node that let its lease expire, or that is dead.

use std::time::Duration;

use crate::command::Reply;
use crate::dispatch::{Dispatch, DispatchStatus};
use crate::error::Refusal;
use crate::event::EventBody;
use crate::run::RunState;

use super::work::Work;

impl Work<'_> {
    pub(super) fn reclaim(&mut self, force: bool, retry_in: Duration) -> Result<Reply, Refusal> {
        self.known_thread()?;
        let now = self.now;
        let lost = self
            .claimed()
            .filter(|dispatch| force || dispatch.lease_until().is_some_and(|until| until < now))
            .cloned();
        let Some(dispatch) = lost else { return Ok(Reply::Reclaimed(None)) };
        if !self.leave_waiting(&dispatch)? {
            self.fail_attempt(&dispatch, retry_in, "the node that executed it was lost")?;
        }
        self.hand_over(&dispatch)?;
        Ok(Reply::Reclaimed(Some(self.dispatch(dispatch.id)?.clone())))
    }

    /// A run that was suspended in memory and still waits for a person goes on waiting, without an
    /// executor: its delivery is consumed, and no attempt has failed.
    pub(super) fn leave_waiting(&mut self, dispatch: &Dispatch) -> Result<bool, Refusal> {
        let run = self.run(&dispatch.run_id)?;
        let waits = run.run_state() == RunState::Waiting && run.has_open_ticket();
        if !waits || run.stop_requested || dispatch.epoch < self.thread.epoch {
            return Ok(false);
        }
        self.move_dispatch(dispatch.id, DispatchStatus::Acked)?;
        self.thread.open_run_id = Some(dispatch.run_id.clone());
        Ok(true)
    }

    /// Tells readers to drop what an attempt that has begun showed and did not commit.
    pub(super) fn reset_attempt(&mut self, dispatch: &Dispatch) {
        if self.thread.active_run_id.as_ref() == Some(&dispatch.run_id) {
            self.event(
                Some(&dispatch.run_id),
                EventBody::AttemptReset {
                    dispatch_id: dispatch.id,
                    attempt: dispatch.attempt_count + 1,
                },
            );
        }
    }
}
