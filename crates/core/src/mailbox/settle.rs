//! Settling: a delivery is over, and what comes next is decided in the same transaction.

use std::time::Duration;

use crate::command::{Outcome, Reply, RunResult, Settle, Settled, Wait};
use crate::dispatch::{Attempt, AttemptStatus, Dispatch, DispatchStatus};
use crate::error::Refusal;
use crate::event::EventBody;
use crate::id::DispatchId;
use crate::run::{RunStatus, Termination, WaitReason};
use crate::sabotage::{Fault, committed};

use super::pending::Occasion;
use super::queue::NewDispatch;
use super::work::Work;

impl Work<'_> {
    pub(super) fn settle(&mut self, settle: Settle) -> Result<Reply, Refusal> {
        let dispatch = self.fence(&settle.claim)?;
        self.write_step(&dispatch, settle.step)?;
        let resumed = match settle.outcome {
            Outcome::Ack(result) => self.ack(&dispatch, &result)?,
            Outcome::Wait(wait) => self.wait(&dispatch, wait)?,
            Outcome::Nack { retry_in, error } => {
                self.nack(&dispatch, retry_in, &error)?;
                None
            }
            Outcome::DeadLetter { code, error } => {
                self.record_failure(&dispatch, &error)?;
                self.dispatch_mut(dispatch.id)?.attempt_count += 1;
                self.bury(&dispatch, code, error)?;
                None
            }
        };
        let freed = self.hand_over(&dispatch)?;
        let next = match &settle.next {
            Some(request) => self.claim_next(request)?,
            None => None,
        };
        Ok(Reply::Settled(Box::new(Settled {
            dispatch: self.dispatch(dispatch.id)?.clone(),
            run: self.run(&dispatch.run_id)?.clone(),
            follow_up: resumed.or(freed),
            next,
            more_due: !self.is_busy() && self.head().is_some(),
        })))
    }

    fn ack(
        &mut self,
        dispatch: &Dispatch,
        result: &RunResult,
    ) -> Result<Option<DispatchId>, Refusal> {
        self.record(dispatch, result)?;
        self.move_dispatch(dispatch.id, DispatchStatus::Acked)?;
        self.finish_run(&dispatch.run_id, result)?;
        Ok(None)
    }

    /// The run waits. If what it waits for has happened meanwhile, or somebody has said something
    /// that it may take for an answer, it goes on at once.
    fn wait(&mut self, dispatch: &Dispatch, wait: Wait) -> Result<Option<DispatchId>, Refusal> {
        self.begun(dispatch)?;
        if self.run(&dispatch.run_id)?.stop_requested {
            return self.ack(dispatch, &RunResult::cancelled());
        }
        let asks = !wait.tickets.is_empty();
        self.raise_tickets(&dispatch.run_id, wait.tickets)?;
        let run = self.run_mut(&dispatch.run_id)?;
        // A run that waits for something else first will want to know it then.
        let ended = match wait.reason {
            WaitReason::BackgroundTasks => std::mem::take(&mut run.ended_tasks),
            _ => Vec::new(),
        };
        let tasks: Vec<_> = wait.tasks.into_iter().filter(|task| !ended.contains(task)).collect();
        let open: Vec<_> = run
            .tickets
            .iter()
            .filter(|ticket| ticket.is_open())
            .map(|ticket| ticket.tool_call_id.clone())
            .collect();
        let over = match wait.reason {
            WaitReason::ToolPermission => open.is_empty(),
            WaitReason::BackgroundTasks => tasks.is_empty(),
            // What it asks may have been decided while it was still executing.
            WaitReason::UserInput | WaitReason::ExternalEvent => asks && open.is_empty(),
            WaitReason::RateLimit | WaitReason::ManualPause => false,
        };
        run.status = RunStatus::Waiting { reason: wait.reason, tasks };
        if let Some(attempt) = &mut self.dispatch_mut(dispatch.id)?.attempt {
            attempt.run_status = AttemptStatus::Waiting;
        }
        self.move_dispatch(dispatch.id, DispatchStatus::Acked)?;
        self.thread.open_run_id = Some(dispatch.run_id.clone());
        self.event(
            Some(&dispatch.run_id),
            EventBody::RunWaiting { reason: wait.reason, tickets: open, live: false },
        );

        let answers = if wait.reason == WaitReason::ToolPermission {
            Vec::new()
        } else {
            self.take(Occasion::Answer(&dispatch.run_id))
        };
        let answered = !answers.is_empty();
        self.append_input(&dispatch.run_id, answers)?;
        let resume_at = if over || answered {
            Some(self.now)
        } else {
            wait.resume_in.map(|delay| self.now + delay)
        };
        if !over && !answered {
            self.owe_wait(&dispatch.run_id, wait.reason)?;
        }
        let Some(available_at) = resume_at else { return Ok(None) };
        self.queue(NewDispatch {
            id: None,
            run_id: dispatch.run_id.clone(),
            priority: dispatch.priority,
            ordinal: Some(dispatch.ordinal),
            dedupe_key: None,
            available_at,
            max_attempts: dispatch.max_attempts,
        })
        .map(Some)
    }

    /// The attempt failed: the dispatch is tried again later, unless its epoch is over, somebody
    /// asked it to stop, or its attempts are spent.
    fn nack(
        &mut self,
        dispatch: &Dispatch,
        retry_in: Duration,
        error: &str,
    ) -> Result<(), Refusal> {
        self.record_failure(dispatch, error)?;
        self.fail_attempt(dispatch, retry_in, error)
    }

    /// Counts a failed attempt of a claimed dispatch and decides what becomes of it.
    pub(super) fn fail_attempt(
        &mut self,
        dispatch: &Dispatch,
        retry_in: Duration,
        error: &str,
    ) -> Result<(), Refusal> {
        let begun = dispatch.attempt.is_some()
            && self.thread.active_run_id.as_ref() == Some(&dispatch.run_id);
        let row = self.dispatch_mut(dispatch.id)?;
        if !committed(Fault::AttemptsNotCounted) {
            row.attempt_count += 1;
        }
        row.last_error = Some(error.to_owned());
        let attempt_count = row.attempt_count;
        if begun {
            self.event(
                Some(&dispatch.run_id),
                EventBody::AttemptReset { dispatch_id: dispatch.id, attempt: attempt_count },
            );
        }
        let run = self.run(&dispatch.run_id)?;
        let epoch_is_over = dispatch.epoch < self.thread.epoch && !committed(Fault::OldEpochStarts);
        if epoch_is_over || run.stop_requested {
            return self.supersede(dispatch);
        }
        if attempt_count >= dispatch.max_attempts {
            let error = format!("given up after {attempt_count} attempts: {error}");
            return self.bury(dispatch, "attempts_exhausted".to_owned(), error);
        }
        let available_at = self.now + retry_in;
        self.put_back(dispatch.id, available_at)?;
        self.event(
            Some(&dispatch.run_id),
            EventBody::DispatchRetried {
                dispatch_id: dispatch.id,
                attempt_count,
                available_at,
                error: Some(error.to_owned()),
            },
        );
        Ok(())
    }

    /// Puts a claimed dispatch back into the queue.
    pub(super) fn put_back(
        &mut self,
        id: DispatchId,
        available_at: crate::time::Timestamp,
    ) -> Result<(), Refusal> {
        let due = available_at <= self.now;
        self.move_dispatch(id, DispatchStatus::Queued { due })?.available_at = available_at;
        Ok(())
    }

    pub(super) fn record(
        &mut self,
        dispatch: &Dispatch,
        result: &RunResult,
    ) -> Result<(), Refusal> {
        let now = self.now;
        if let Some(attempt) = &mut self.dispatch_mut(dispatch.id)?.attempt {
            *attempt = Attempt {
                instance_id: attempt.instance_id,
                run_status: AttemptStatus::Done,
                termination: Some(result.termination.clone()),
                run_response: result.output.clone(),
                run_error: result.error.clone(),
                completed_at: Some(now),
            };
        }
        Ok(())
    }

    fn record_failure(&mut self, dispatch: &Dispatch, error: &str) -> Result<(), Refusal> {
        let now = self.now;
        if let Some(attempt) = &mut self.dispatch_mut(dispatch.id)?.attempt {
            *attempt = Attempt {
                instance_id: attempt.instance_id,
                run_status: AttemptStatus::Failed,
                termination: None::<Termination>,
                run_response: None,
                run_error: Some(error.into()),
                completed_at: Some(now),
            };
        }
        Ok(())
    }
}
