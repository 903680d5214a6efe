//! Cancelling: queued and waiting work ends at once; executing work is asked to stop.

use crate::command::{CancelTarget, Cancelled, Reply, RunResult};
use crate::dispatch::{DispatchState, DispatchStatus};
use crate::error::Refusal;
use crate::id::{DispatchId, RunId};
use crate::run::RunState;

use super::work::Work;

impl Work<'_> {
    pub(super) fn cancel(
        &mut self,
        target: &CancelTarget,
        stop_executing: bool,
    ) -> Result<Reply, Refusal> {
        self.known_thread()?;
        match target {
            CancelTarget::Dispatch(id) => self.cancel_delivery(*id, stop_executing),
            CancelTarget::Run(run_id) => self.cancel_run(run_id, stop_executing),
            CancelTarget::Thread => {
                let open = self.thread.open_run_id.clone();
                let delivery = self.claimed().map(|d| d.id).or_else(|| Some(self.head()?.id));
                if let Some(id) = delivery {
                    self.cancel_delivery(id, stop_executing)
                } else if let Some(run_id) = open {
                    self.cancel_run(&run_id, stop_executing)
                } else if let Some(id) = self.first_delayed() {
                    self.cancel_delivery(id, stop_executing)
                } else {
                    Err(Refusal::NothingToCancel { thread_id: self.thread.id.clone() })
                }
            }
        }
    }

    fn first_delayed(&self) -> Option<DispatchId> {
        self.dispatches
            .iter()
            .filter(|dispatch| dispatch.status == DispatchStatus::Queued { due: false })
            .min_by_key(|dispatch| dispatch.available_at)
            .map(|dispatch| dispatch.id)
    }

    fn cancel_run(&mut self, run_id: &RunId, stop_executing: bool) -> Result<Reply, Refusal> {
        let state = self.run(run_id)?.run_state();
        if let Some(id) = self.unfinished_dispatch(run_id).map(|dispatch| dispatch.id) {
            return self.cancel_delivery(id, stop_executing);
        }
        if state != RunState::Waiting {
            return Err(Refusal::IllegalRun {
                run_id: run_id.clone(),
                state,
                command: self.command,
            });
        }
        self.finish_run(run_id, &RunResult::cancelled())?;
        let agent_id = self.run(run_id)?.agent_id.clone();
        self.follow_up(&agent_id, None)?;
        Ok(Reply::Cancelled(Cancelled::WaitingRun(run_id.clone())))
    }

    fn cancel_delivery(&mut self, id: DispatchId, stop_executing: bool) -> Result<Reply, Refusal> {
        let dispatch = self.dispatch(id)?.clone();
        match (dispatch.state(), dispatch.claim()) {
            (DispatchState::Queued, _) => {
                self.move_dispatch(id, DispatchStatus::Cancelled)?;
                self.finish_run(&dispatch.run_id, &RunResult::cancelled())?;
                self.follow_up(&dispatch.agent_id, Some(&dispatch))?;
                Ok(Reply::Cancelled(Cancelled::Dispatch(self.dispatch(id)?.clone())))
            }
            (DispatchState::Claimed, Some(claim)) => {
                if stop_executing {
                    self.run_mut(&dispatch.run_id)?.stop_requested = true;
                }
                Ok(Reply::Cancelled(Cancelled::Executing {
                    run_id: dispatch.run_id.clone(),
                    dispatch_id: id,
                    claim: claim.clone(),
                }))
            }
            (state, _) => {
                Err(Refusal::IllegalDispatch { dispatch_id: id, state, command: self.command })
            }
        }
    }
}
