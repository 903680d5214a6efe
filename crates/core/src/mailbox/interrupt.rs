//! Interrupting: a new epoch, and all that is queued is superseded.

use std::sync::Arc;

use crate::command::{Interrupted, Reply, RunResult};
use crate::dispatch::{Claim, Dispatch, DispatchState, DispatchStatus};
use crate::error::Refusal;
use crate::event::EventBody;
use crate::sabotage::{Fault, committed};

use super::work::Work;

impl Work<'_> {
    pub(super) fn interrupt(&mut self) -> Result<Reply, Refusal> {
        self.known_thread()?;
        let superseded = self.new_epoch()?;
        if let Some(first) = superseded.first() {
            // Steering that waited for the next attempt of a superseded run is not lost with it.
            self.follow_up(&first.agent_id, None)?;
        }
        Ok(Reply::Interrupted(Interrupted {
            epoch: self.thread.epoch,
            superseded,
            active: self.claimed().cloned(),
        }))
    }

    /// Begins a new epoch. Every queued dispatch is of an older one, so the whole queue must be
    /// loaded here. It is a change per row, not one statement that the store would have to
    /// understand: each row was paid for when it was queued, and each run's end is an event.
    pub(super) fn new_epoch(&mut self) -> Result<Vec<Arc<Dispatch>>, Refusal> {
        self.thread.epoch = self.thread.epoch.next();
        let mut queued: Vec<_> = self
            .dispatches
            .iter()
            .filter(|dispatch| {
                dispatch.state() == DispatchState::Queued && dispatch.thread_id == self.thread.id
            })
            .map(|dispatch| (dispatch.queue_key(), dispatch.id, dispatch.run_id.clone()))
            .collect();
        queued.sort();
        if committed(Fault::InterruptKeepsQueue) {
            queued.clear();
        }
        self.event(
            None,
            EventBody::RunInterrupted { epoch: self.thread.epoch, superseded: queued.len() as u64 },
        );
        let mut superseded = Vec::with_capacity(queued.len());
        for (_, id, run_id) in queued {
            self.move_dispatch(id, DispatchStatus::Superseded)?;
            self.finish_run(&run_id, &RunResult::cancelled())?;
            superseded.push(self.dispatch(id)?.clone());
        }
        Ok(superseded)
    }

    pub(super) fn supersede_claimed(&mut self, claim: &Claim) -> Result<Reply, Refusal> {
        let dispatch = self.fence(claim)?;
        self.supersede(&dispatch)?;
        self.follow_up(&dispatch.agent_id, Some(&dispatch))?;
        Ok(Reply::Superseded(self.dispatch(dispatch.id)?.clone()))
    }
}
