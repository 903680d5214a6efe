//! Submitting: messages become a run, or join one.

use std::sync::Arc;

use crate::command::{
    ClaimRequest, Delivered, Mode, Reply, RunResult, Submit, Submitted, SubmittedStatus,
};
use crate::error::Refusal;
use crate::id::{DispatchId, MessageId, RunId};
use crate::message::{Message, NewMessage};
use crate::pending::{Boundary, Delivery};
use crate::run::{RunState, Termination, WaitReason};

use super::queue::NewDispatch;
use super::work::Work;

impl Work<'_> {
    pub(super) fn submit(&mut self, mut submit: Submit) -> Result<Reply, Refusal> {
        if let Some(first) = self.submission.take() {
            return Ok(Reply::Submitted(Submitted { replayed: true, ..first }));
        }
        if submit.messages.is_empty() && submit.decisions.is_empty() {
            return Err(Refusal::Invalid {
                reason: "a submission has neither messages nor decisions: give at least one message",
            });
        }
        let event_seq_before = self.thread.event_seq;
        let (message_ids, fresh) = self.named(std::mem::take(&mut submit.messages));
        if fresh.is_empty() && submit.decisions.is_empty() {
            return self.replay(message_ids, event_seq_before);
        }
        self.check_key()?;
        self.check_expected(submit.expected_run_id.as_ref())?;
        self.create_thread = true;
        if self.thread_is_new() {
            self.thread.parent = submit.parent_thread_id.take();
        }
        match submit.mode {
            Mode::Reject if self.is_busy() || self.thread.queued > 0 => {
                return Err(Refusal::ThreadBusy {
                    queued: self.thread.queued,
                    executing: self.is_busy(),
                });
            }
            Mode::Interrupt | Mode::Rollback => self.clear_the_way(&submit)?,
            _ => {}
        }

        let run_id = self.place(&submit, fresh)?;
        let claimed = self.claim_at_once(&run_id, submit.claim.as_ref())?;
        let mut submitted = self.standing(&run_id, message_ids, event_seq_before)?;
        submitted.replayed = false;
        if claimed.is_some() {
            submitted.status = SubmittedStatus::Running;
        }
        if let Some(key) = submit.idempotency_key {
            self.keep_submission = Some((key, submitted.clone()));
        }
        submitted.claimed = claimed;
        Ok(Reply::Submitted(submitted))
    }

    /// The messages' ids, and those messages that the thread has not seen yet.
    pub(super) fn named(&self, messages: Vec<NewMessage>) -> (Vec<MessageId>, Vec<Arc<Message>>) {
        let mut ids = Vec::with_capacity(messages.len());
        let fresh = self.fresh(messages.into_iter().map(|mut message| {
            let id = message.id.get_or_insert_with(|| self.new_message_id());
            ids.push(id.clone());
            message
        }));
        (ids, fresh)
    }

    /// The thread has all of these messages: the answer is what the first submission came to.
    fn replay(&self, message_ids: Vec<MessageId>, event_seq_before: u64) -> Result<Reply, Refusal> {
        let first = self.known.iter().find(|(id, _)| message_ids.contains(id));
        let Some((_, run_id)) = first else {
            return Err(Refusal::Invalid {
                reason: "the same message id is given twice: give each message its own id",
            });
        };
        if self.runs.get(run_id).is_none() {
            // Only runs that have ended are collected.
            return Ok(Reply::Submitted(Submitted {
                thread_id: self.thread.id.clone(),
                run_id: run_id.clone(),
                dispatch_id: None,
                status: SubmittedStatus::Done,
                message_ids,
                replayed: true,
                event_seq_before,
                claimed: None,
            }));
        }
        let submitted = self.standing(run_id, message_ids, event_seq_before)?;
        Ok(Reply::Submitted(submitted))
    }

    fn check_expected(&self, expected: Option<&RunId>) -> Result<(), Refusal> {
        let Some(expected) = expected else { return Ok(()) };
        let thread = &self.thread;
        let current = [&thread.active_run_id, &thread.open_run_id, &thread.latest_run_id];
        if current.iter().any(|run_id| run_id.as_ref() == Some(expected)) {
            return Ok(());
        }
        let actual = current.iter().find_map(|run_id| (*run_id).clone());
        Err(Refusal::UnexpectedRun { expected: expected.clone(), actual })
    }

    /// An interrupting submission: refused while a run executes (then nothing was destroyed); else
    /// all that is queued or waiting ends, and a new epoch begins.
    fn clear_the_way(&mut self, submit: &Submit) -> Result<(), Refusal> {
        if let Some(dispatch) = self.claimed() {
            return Err(Refusal::ActiveRun {
                run_id: dispatch.run_id.clone(),
                dispatch_id: dispatch.id,
            });
        }
        if self.thread_is_new() {
            return Ok(());
        }
        let mut ended: Vec<RunId> =
            self.new_epoch()?.iter().map(|dispatch| dispatch.run_id.clone()).collect();
        if let Some(open) = self.thread.open_run_id.clone() {
            self.finish_run(&open, &RunResult::cancelled())?;
            ended.push(open);
        }
        if submit.mode == Mode::Rollback {
            let stopped = submit.stopped_run_id.as_ref().filter(|run_id| {
                let run = self.run(run_id);
                run.is_ok_and(|run| run.termination() == Some(&Termination::Cancelled))
            });
            ended.extend(stopped.cloned());
            for run_id in ended {
                self.run_mut(&run_id)?.hidden = true;
            }
        }
        Ok(())
    }

    /// Gives the messages and decisions to the run they are for, and says which.
    fn place(&mut self, submit: &Submit, messages: Vec<Arc<Message>>) -> Result<RunId, Refusal> {
        if let Some(run_id) = self.joined(submit) {
            if !submit.decisions.is_empty() {
                self.apply_decisions(&run_id, submit.decisions.clone())?;
            }
            self.keep_for(&run_id, messages, submit.delivery, submit.limits.max_pending)?;
            return Ok(run_id);
        }
        match self.continued(submit)? {
            Some(run_id) => {
                self.go_on(&run_id, submit, messages)?;
                Ok(run_id)
            }
            None if messages.is_empty() => Err(Refusal::Invalid {
                reason: "no run of the thread waits for a decision: give its run_id, or a message",
            }),
            None => self.start_new(submit, messages),
        }
    }

    /// The executing run that the submission joins, without a delivery of its own.
    fn joined(&self, submit: &Submit) -> Option<RunId> {
        let executing = self.claimed()?;
        if submit.run_id.as_ref().is_some_and(|run_id| *run_id != executing.run_id) {
            return None;
        }
        let run = self.runs.get(&executing.run_id)?;
        let wants_decisions = run.wait_reason() == Some(WaitReason::ToolPermission);
        let joins = match submit.delivery.boundary {
            Some(Boundary::NewRun) => false,
            Some(_) => true,
            None => submit.mode == Mode::Steer || wants_decisions,
        };
        (joins && matches!(submit.mode, Mode::Enqueue | Mode::Steer)).then(|| run.id.clone())
    }

    /// The run that the submission continues: the named one, else the open one if it waits.
    fn continued(&self, submit: &Submit) -> Result<Option<RunId>, Refusal> {
        if let Some(run_id) = &submit.run_id {
            let Some(run) = self.runs.get(run_id) else { return Ok(None) };
            if run.thread_id != self.thread.id {
                return Err(self.run_elsewhere(run));
            }
            let resumable = matches!(run.run_state(), RunState::Created | RunState::Waiting);
            if !resumable {
                return Err(Refusal::IllegalRun {
                    run_id: run_id.clone(),
                    state: run.run_state(),
                    command: self.command,
                });
            }
            return Ok(Some(run_id.clone()));
        }
        let open = self.thread.open_run_id.as_ref().and_then(|run_id| self.runs.get(run_id));
        let waits = open.filter(|run| run.run_state() == RunState::Waiting);
        let wanted =
            submit.delivery.boundary != Some(Boundary::NewRun) || !submit.decisions.is_empty();
        Ok(waits.filter(|_| wanted).map(|run| run.id.clone()))
    }

    /// The run goes on with the messages; while it waits for tool permission they are kept.
    fn go_on(
        &mut self,
        run_id: &RunId,
        submit: &Submit,
        messages: Vec<Arc<Message>>,
    ) -> Result<(), Refusal> {
        let waits_for = self.run(run_id)?.wait_reason();
        if !submit.decisions.is_empty() {
            self.apply_decisions(run_id, submit.decisions.clone())?;
        }
        if waits_for == Some(WaitReason::ToolPermission) {
            return self.keep_for(run_id, messages, submit.delivery, submit.limits.max_pending);
        }
        if !messages.is_empty() {
            self.check_queue(submit)?;
            self.take_for_input(run_id, submit, messages)?;
            let available_at = submit.start.at(self.now);
            self.queue_again(run_id, available_at, submit.priority, submit.max_attempts)?;
        }
        Ok(())
    }

    fn start_new(
        &mut self,
        submit: &Submit,
        messages: Vec<Arc<Message>>,
    ) -> Result<RunId, Refusal> {
        self.check_queue(submit)?;
        let run_id = submit.run_id.clone().unwrap_or_else(|| self.ids.new_uuid().into());
        let agent_id = self.agent_for(submit.agent_id.clone());
        let run = self.create_run(&run_id, agent_id, submit.origin);
        run.parent_run_id.clone_from(&submit.parent_run_id);
        run.spec = submit.spec.clone();
        run.report = submit.spec.report();
        self.take_for_input(&run_id, submit, messages)?;
        self.queue(NewDispatch {
            id: None,
            run_id: run_id.clone(),
            priority: submit.priority,
            ordinal: None,
            dedupe_key: submit.dedupe_key.clone(),
            available_at: submit.start.at(self.now),
            max_attempts: submit.max_attempts,
        })?;
        Ok(run_id)
    }

    /// Puts the messages into the log as the run's input; behind messages that are still pending
    /// they wait too, so that the log keeps the order in which they were sent.
    fn take_for_input(
        &mut self,
        run_id: &RunId,
        submit: &Submit,
        messages: Vec<Arc<Message>>,
    ) -> Result<(), Refusal> {
        if self.thread.pending == 0 {
            return self.append_input(run_id, messages);
        }
        let max_pending = submit.limits.max_pending;
        if self.run(run_id)?.run_state() != RunState::Created {
            return self.answer(run_id, messages, submit.delivery, max_pending);
        }
        let delivery = Delivery { boundary: Some(Boundary::NewRun), ..submit.delivery };
        self.keep_pending_for(run_id, messages, delivery, max_pending)
    }

    fn check_queue(&self, submit: &Submit) -> Result<(), Refusal> {
        let (queued, limit) = (self.thread.queued, submit.limits.max_queued);
        if queued >= limit {
            return Err(Refusal::QueueFull { queued, limit });
        }
        Ok(())
    }

    fn claim_at_once(
        &mut self,
        run_id: &RunId,
        request: Option<&ClaimRequest>,
    ) -> Result<Option<Box<Delivered>>, Refusal> {
        match (request, self.unfinished_dispatch(run_id).map(|dispatch| dispatch.id)) {
            (Some(request), Some(id)) => self.claim_if_next(id, request),
            _ => Ok(None),
        }
    }

    /// Claims the dispatch if it is the one that would start next.
    pub(super) fn claim_if_next(
        &mut self,
        id: DispatchId,
        request: &ClaimRequest,
    ) -> Result<Option<Box<Delivered>>, Refusal> {
        if self.head().is_some_and(|head| head.id == id) {
            return self.claim_next(request);
        }
        Ok(None)
    }
}
