//! The queue: what waits in it, what is first, and when the thread could start it.

use std::sync::Arc;

use crate::command::{Enqueue, Reply};
use crate::dispatch::{Dispatch, DispatchState, DispatchStatus, Priority};
use crate::error::Refusal;
use crate::event::EventBody;
use crate::id::{DedupeKey, DispatchId, RunId};
use crate::report::Report;
use crate::run::{Origin, RunState, RunStatus};
use crate::thread::Readiness;
use crate::time::Timestamp;

use super::work::Work;

/// A dispatch to be queued.
pub(super) struct NewDispatch {
    pub(super) id: Option<DispatchId>,
    pub(super) run_id: RunId,
    pub(super) priority: Priority,
    /// The place in the queue; left out, the end.
    pub(super) ordinal: Option<u64>,
    pub(super) dedupe_key: Option<DedupeKey>,
    pub(super) available_at: Timestamp,
    pub(super) max_attempts: u32,
}

impl Work<'_> {
    /// Lets what was delayed and is due take part in the order of the queue.
    pub(super) fn promote_due(&mut self) {
        let now = self.now;
        let due: Vec<DispatchId> = self
            .dispatches
            .iter()
            .filter(|dispatch| {
                dispatch.status == DispatchStatus::Queued { due: false }
                    && dispatch.available_at <= now
                    && dispatch.thread_id == self.thread.id
            })
            .map(|dispatch| dispatch.id)
            .collect();
        for id in due {
            if let Some(dispatch) = self.dispatches.edit(&id) {
                dispatch.status = DispatchStatus::Queued { due: true };
            }
        }
    }

    fn queued(&self) -> impl Iterator<Item = &Arc<Dispatch>> {
        let thread_id = &self.thread.id;
        self.dispatches.iter().filter(move |dispatch| {
            dispatch.state() == DispatchState::Queued && dispatch.thread_id == *thread_id
        })
    }

    /// The dispatch that starts next.
    pub(super) fn head(&self) -> Option<&Arc<Dispatch>> {
        self.queued()
            .filter(|dispatch| dispatch.status == DispatchStatus::Queued { due: true })
            .min_by_key(|dispatch| (dispatch.queue_key(), dispatch.id))
    }

    /// Whether the front of the queue is known, so that readiness can be said.
    pub(super) fn queue_is_loaded(&self) -> bool {
        self.is_busy() || self.thread.queued == 0 || self.queued().next().is_some()
    }

    /// Whether, and since when, a node could claim here.
    pub(super) fn readiness(&self) -> Readiness {
        if self.is_busy() {
            return Readiness::Busy;
        }
        if let Some(head) = self.head() {
            let since = match self.thread.readiness {
                Readiness::Ready { since, .. } => since,
                _ => self.now,
            };
            let agent_id = head.agent_id.clone();
            return Readiness::Ready { priority: head.priority, since, agent_id };
        }
        self.queued()
            .map(|dispatch| dispatch.available_at)
            .min()
            .map_or(Readiness::Idle, |until| Readiness::Delayed { until })
    }

    /// Queues a delivery of a run.
    pub(super) fn queue(&mut self, new: NewDispatch) -> Result<DispatchId, Refusal> {
        let id = new.id.unwrap_or_else(|| self.ids.new_uuid().into());
        let ordinal = new.ordinal.unwrap_or(self.thread.dispatch_ordinal + 1);
        self.thread.dispatch_ordinal = self.thread.dispatch_ordinal.max(ordinal);
        let run = self.run_mut(&new.run_id)?;
        run.dispatch_id = Some(id);
        let agent_id = run.agent_id.clone();
        let dispatch = Dispatch {
            id,
            thread_id: self.thread.id.clone(),
            tenant: self.thread.tenant.clone(),
            run_id: new.run_id.clone(),
            agent_id: agent_id.clone(),
            priority: new.priority,
            ordinal,
            dedupe_key: new.dedupe_key,
            epoch: self.thread.epoch,
            status: DispatchStatus::Queued { due: new.available_at <= self.now },
            available_at: new.available_at,
            attempt_count: 0,
            max_attempts: new.max_attempts.max(1),
            last_error: None,
            attempt: None,
            created_at: self.now,
            updated_at: self.now,
        };
        self.insert_dispatch(dispatch);
        self.event(
            Some(&new.run_id),
            EventBody::RunQueued {
                dispatch_id: id,
                agent_id,
                epoch: self.thread.epoch,
                available_at: new.available_at,
            },
        );
        Ok(id)
    }

    /// The run's dispatch that is queued or claimed, if one is.
    pub(super) fn unfinished_dispatch(&self, run_id: &RunId) -> Option<&Dispatch> {
        let id = self.runs.get(run_id)?.dispatch_id?;
        let dispatch = self.dispatches.get(&id)?;
        (!dispatch.state().is_terminal()).then_some(dispatch)
    }

    /// Queues a run that goes on: its queued dispatch is brought forward, or a new one is made.
    pub(super) fn queue_again(
        &mut self,
        run_id: &RunId,
        available_at: Timestamp,
        priority: Priority,
        max_attempts: u32,
    ) -> Result<DispatchId, Refusal> {
        if let Some(id) = self.unfinished_dispatch(run_id).map(|dispatch| dispatch.id) {
            let now = self.now;
            let dispatch = self.dispatch_mut(id)?;
            if dispatch.state() == DispatchState::Queued && available_at < dispatch.available_at {
                dispatch.available_at = available_at;
                dispatch.status = DispatchStatus::Queued { due: available_at <= now };
            }
            return Ok(id);
        }
        self.queue(NewDispatch {
            id: None,
            run_id: run_id.clone(),
            priority,
            ordinal: None,
            dedupe_key: None,
            available_at,
            max_attempts,
        })
    }

    pub(super) fn check_key(&self) -> Result<(), Refusal> {
        self.key_holder.map_or(Ok(()), |existing| Err(Refusal::DuplicateKey { existing }))
    }

    pub(super) fn enqueue(&mut self, enqueue: Enqueue) -> Result<Reply, Refusal> {
        self.check_key()?;
        if let Some(id) = enqueue.dispatch_id
            && let Some(existing) = self.dispatches.get(&id)
        {
            if existing.tenant != self.thread.tenant {
                return Err(Refusal::UnknownDispatch { dispatch_id: id });
            }
            return Err(Refusal::DuplicateDispatch { existing: id });
        }
        self.create_thread = true;
        match self.runs.get(&enqueue.run_id) {
            None => {
                let agent_id = self.agent_for(enqueue.agent_id);
                self.create_run(&enqueue.run_id, agent_id, Origin::User);
            }
            Some(run) if run.thread_id != self.thread.id => return Err(self.run_elsewhere(run)),
            Some(run) if !matches!(run.run_state(), RunState::Created | RunState::Waiting) => {
                return Err(Refusal::IllegalRun {
                    run_id: enqueue.run_id,
                    state: run.run_state(),
                    command: self.command,
                });
            }
            Some(_) => {
                if let Some(dispatch) = self.unfinished_dispatch(&enqueue.run_id) {
                    return Err(Refusal::DuplicateDispatch { existing: dispatch.id });
                }
            }
        }
        let id = self.queue(NewDispatch {
            id: enqueue.dispatch_id,
            run_id: enqueue.run_id,
            priority: enqueue.priority,
            ordinal: None,
            dedupe_key: enqueue.dedupe_key,
            available_at: enqueue.start.at(self.now),
            max_attempts: enqueue.max_attempts,
        })?;
        Ok(Reply::Enqueued(self.dispatch(id)?.clone()))
    }

    pub(super) fn requeue(
        &mut self,
        dispatch_id: DispatchId,
        max_attempts: Option<u32>,
    ) -> Result<Reply, Refusal> {
        self.known_thread()?;
        let dead = self.dispatch(dispatch_id)?.clone();
        match dead.status {
            DispatchStatus::DeadLetter { requeued_as: None } => {}
            DispatchStatus::DeadLetter { requeued_as: Some(requeued_as) } => {
                return Err(Refusal::AlreadyRequeued { dispatch_id, requeued_as });
            }
            _ => {
                return Err(Refusal::IllegalDispatch {
                    dispatch_id,
                    state: dead.state(),
                    command: self.command,
                });
            }
        }
        let run = self.run_mut(&dead.run_id)?;
        run.status = if run.started_at.is_some() { RunStatus::Running } else { RunStatus::Created };
        run.stop_requested = false;
        // What the first end still owes, the next one will.
        run.report = if run.report == Report::Owed { Report::Wanted } else { run.spec.report() };
        run.output = None;
        run.error = None;
        let id = self.queue(NewDispatch {
            id: None,
            run_id: dead.run_id.clone(),
            priority: dead.priority,
            ordinal: None,
            dedupe_key: None,
            available_at: self.now,
            max_attempts: max_attempts.unwrap_or(dead.max_attempts),
        })?;
        // Not `move_dispatch`: the state stays what it is.
        self.dispatch_mut(dispatch_id)?.status =
            DispatchStatus::DeadLetter { requeued_as: Some(id) };
        Ok(Reply::Enqueued(self.dispatch(id)?.clone()))
    }
}
