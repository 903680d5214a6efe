//! Pending messages: delivered, edited, retracted, reordered, and taken in.

use std::sync::Arc;

use crate::command::{Reply, Submitted, SubmittedStatus};
use crate::dispatch::DispatchStatus;
use crate::error::Refusal;
use crate::event::EventBody;
use crate::id::{DispatchId, MessageId, RunId};
use crate::message::{Content, Message, NewMessage};
use crate::pending::{Boundary, Delivery, Granularity, Pending};
use crate::run::{RunState, WaitReason};

use super::work::Work;

/// When pending messages are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Occasion<'a> {
    /// A run begins with them.
    Start,
    /// The run is between two steps.
    NextStep(&'a RunId),
    /// The run would end.
    NaturalEnd(&'a RunId),
    /// The run waits, and they may be the answer.
    Answer(&'a RunId),
}

impl Occasion<'_> {
    fn admits(self, pending: &Pending) -> bool {
        let (run_id, boundary_admits) = match self {
            Self::Start => return pending.target_run_id.is_none(),
            Self::NextStep(run_id) => (run_id, pending.boundary == Boundary::NextStep),
            Self::NaturalEnd(run_id) | Self::Answer(run_id) => {
                (run_id, pending.boundary != Boundary::NewRun)
            }
        };
        boundary_admits && pending.target_run_id.as_ref().is_none_or(|target| target == run_id)
    }
}

impl Work<'_> {
    /// Takes what the occasion admits, in order: one message that wants to be alone, or all others
    /// up to the next such. Nothing overtakes a barrier that must stay.
    pub(super) fn take(&mut self, occasion: Occasion<'_>) -> Vec<Arc<Message>> {
        self.pending.sort_by_key(|pending| pending.position);
        let mut chosen: Vec<MessageId> = Vec::new();
        for pending in &self.pending {
            if !occasion.admits(pending) {
                if pending.barrier {
                    break;
                }
                continue;
            }
            let alone = pending.granularity == Granularity::One;
            if alone && !chosen.is_empty() {
                break;
            }
            chosen.push(pending.message.id.clone());
            if alone {
                break;
            }
        }
        chosen
            .iter()
            .filter_map(|id| self.remove_pending(id))
            .map(|pending| pending.message)
            .collect()
    }

    /// Takes all that only this run may take.
    pub(super) fn take_targeted(&mut self, run_id: &RunId) -> Vec<Arc<Message>> {
        self.pending.sort_by_key(|pending| pending.position);
        let ids: Vec<MessageId> = self
            .pending
            .iter()
            .filter(|pending| pending.target_run_id.as_ref() == Some(run_id))
            .map(|pending| pending.message.id.clone())
            .collect();
        ids.iter().filter_map(|id| self.remove_pending(id)).map(|pending| pending.message).collect()
    }

    /// The run that alone could take them has ended: any may now.
    pub(super) fn free_targeted(&mut self, run_id: &RunId) {
        let freed: Vec<Pending> = self
            .pending
            .iter()
            .filter(|pending| pending.target_run_id.as_ref() == Some(run_id))
            .map(|pending| Pending { target_run_id: None, ..pending.clone() })
            .collect();
        freed.into_iter().for_each(|pending| self.keep_pending(pending));
    }

    pub(super) fn deliver(
        &mut self,
        run_id: &RunId,
        messages: Vec<NewMessage>,
        delivery: Delivery,
        max_pending: u64,
    ) -> Result<Reply, Refusal> {
        self.known_thread()?;
        if messages.is_empty() {
            return Err(Refusal::Invalid { reason: "no message is given: give at least one" });
        }
        let event_seq_before = self.thread.event_seq;
        let (message_ids, fresh) = self.named(messages);
        let run = self.run(run_id)?;
        if fresh.is_empty() {
            return Ok(Reply::Submitted(self.standing(run_id, message_ids, event_seq_before)?));
        }
        let executes = self.claimed().is_some_and(|dispatch| dispatch.run_id == *run_id);
        let state = run.run_state();
        match state {
            _ if executes => self.keep_for(run_id, fresh, delivery, max_pending)?,
            RunState::Waiting if run.wait_reason() == Some(WaitReason::ToolPermission) => {
                self.keep_for(run_id, fresh, delivery, max_pending)?;
            }
            RunState::Waiting => {
                self.answer(run_id, fresh, delivery, max_pending)?;
                let (priority, max_attempts) = self.budget_of(run_id);
                self.queue_again(run_id, self.now, priority, max_attempts)?;
            }
            // Between two attempts: the next one takes it in.
            RunState::Running => self.keep_for(run_id, fresh, delivery, max_pending)?,
            RunState::Created | RunState::Done => {
                return Err(Refusal::RunNotActive { run_id: run_id.clone() });
            }
        }
        let mut submitted = self.standing(run_id, message_ids, event_seq_before)?;
        submitted.replayed = false;
        Ok(Reply::Submitted(submitted))
    }

    /// Gives a run that waits more input. Behind messages of its own that it has not read yet the
    /// new ones wait too, so that it reads them in the order in which they were sent.
    pub(super) fn answer(
        &mut self,
        run_id: &RunId,
        messages: Vec<Arc<Message>>,
        delivery: Delivery,
        max_pending: u64,
    ) -> Result<(), Refusal> {
        let is_its = |pending: &Pending| pending.target_run_id.as_ref() == Some(run_id);
        if !self.pending.iter().any(is_its) {
            return self.append_input(run_id, messages);
        }
        self.keep_for(run_id, messages, delivery, max_pending)?;
        let answers = self.take(Occasion::Answer(run_id));
        self.append_input(run_id, answers)
    }

    /// Gives each run that waits what is pending for it and was kept back until now by a barrier
    /// that was not for it. Says which dispatch the first of them goes on with.
    pub(super) fn answer_waiting(&mut self) -> Result<Option<DispatchId>, Refusal> {
        let mut first = None;
        while !self.is_busy()
            && let Some(run_id) = self.answerable()
        {
            let answers = self.take(Occasion::Answer(&run_id));
            self.append_input(&run_id, answers)?;
            let (priority, max_attempts) = self.budget_of(&run_id);
            let id = self.queue_again(&run_id, self.now, priority, max_attempts)?;
            first.get_or_insert(id);
        }
        Ok(first)
    }

    /// The first run that waits for a message, has one pending that nothing keeps from it, and is
    /// not about to go on anyway.
    fn answerable(&mut self) -> Option<RunId> {
        self.pending.sort_by_key(|pending| pending.position);
        let targets = self.pending.iter().filter_map(|pending| pending.target_run_id.as_ref());
        targets
            .filter(|target| self.lacks_an_answer(target))
            .find(|target| self.reaches(target))
            .cloned()
    }

    fn lacks_an_answer(&self, run_id: &RunId) -> bool {
        let reason = self.runs.get(run_id).and_then(|run| run.wait_reason());
        let goes_on = self
            .unfinished_dispatch(run_id)
            .is_some_and(|dispatch| dispatch.status == DispatchStatus::Queued { due: true });
        reason.is_some_and(|reason| reason != WaitReason::ToolPermission) && !goes_on
    }

    /// Whether a message that is for this run alone may be its answer now.
    fn reaches(&self, run_id: &RunId) -> bool {
        let occasion = Occasion::Answer(run_id);
        let mut in_reach =
            self.pending.iter().take_while(|pending| occasion.admits(pending) || !pending.barrier);
        in_reach.any(|pending| {
            occasion.admits(pending) && pending.target_run_id.as_ref() == Some(run_id)
        })
    }

    /// Keeps messages for a run that executes or waits.
    pub(super) fn keep_for(
        &mut self,
        run_id: &RunId,
        messages: Vec<Arc<Message>>,
        delivery: Delivery,
        max_pending: u64,
    ) -> Result<(), Refusal> {
        let boundary = match delivery.boundary {
            Some(Boundary::OnNaturalEnd) => Boundary::OnNaturalEnd,
            _ => Boundary::NextStep,
        };
        self.keep_pending_for(
            run_id,
            messages,
            Delivery { boundary: Some(boundary), ..delivery },
            max_pending,
        )
    }

    pub(super) fn keep_pending_for(
        &mut self,
        run_id: &RunId,
        messages: Vec<Arc<Message>>,
        delivery: Delivery,
        max_pending: u64,
    ) -> Result<(), Refusal> {
        let pending = self.thread.pending;
        if pending + messages.len() as u64 > max_pending {
            return Err(Refusal::PendingFull { pending, limit: max_pending });
        }
        for message in messages {
            self.thread.pending_position += 1;
            self.put_pending(Pending {
                position: self.thread.pending_position,
                message,
                boundary: delivery.boundary.unwrap_or(Boundary::NextStep),
                granularity: delivery.granularity,
                barrier: delivery.barrier,
                target_run_id: Some(run_id.clone()),
                created_at: self.now,
            });
        }
        Ok(())
    }

    /// Where a run's submission stands.
    pub(super) fn standing(
        &self,
        run_id: &RunId,
        message_ids: Vec<MessageId>,
        event_seq_before: u64,
    ) -> Result<Submitted, Refusal> {
        let run = self.run(run_id)?;
        let queued = self.unfinished_dispatch(run_id).is_some_and(|d| d.claim().is_none());
        let status = match run.run_state() {
            RunState::Done => SubmittedStatus::Done,
            _ if queued => SubmittedStatus::Queued,
            RunState::Waiting => SubmittedStatus::Waiting,
            RunState::Running => SubmittedStatus::Running,
            RunState::Created if self.claimed().is_some_and(|d| d.run_id == *run_id) => {
                SubmittedStatus::Running
            }
            RunState::Created => SubmittedStatus::Queued,
        };
        Ok(Submitted {
            thread_id: self.thread.id.clone(),
            run_id: run_id.clone(),
            dispatch_id: run.dispatch_id,
            status,
            message_ids,
            replayed: true,
            event_seq_before,
            claimed: None,
        })
    }

    fn pending_message(&self, id: &MessageId) -> Result<&Pending, Refusal> {
        self.pending.iter().find(|pending| pending.message.id == *id).ok_or_else(|| {
            if self.known.iter().any(|(known, _)| known == id) {
                Refusal::AlreadyConsumed { message_id: id.clone() }
            } else {
                Refusal::UnknownMessage { message_id: id.clone() }
            }
        })
    }

    pub(super) fn edit_pending(
        &mut self,
        id: &MessageId,
        content: Content,
    ) -> Result<Reply, Refusal> {
        self.known_thread()?;
        let mut pending = self.pending_message(id)?.clone();
        Arc::make_mut(&mut pending.message).content = content;
        self.put_pending(pending);
        Ok(Reply::Done)
    }

    pub(super) fn retract_pending(&mut self, id: &MessageId) -> Result<Reply, Refusal> {
        self.known_thread()?;
        let target = self.pending_message(id)?.target_run_id.clone();
        self.remove_pending(id);
        self.event(target.as_ref(), EventBody::MessageRetracted { message_id: id.clone() });
        self.answer_waiting()?;
        Ok(Reply::Done)
    }

    pub(super) fn reorder_pending(&mut self, ids: &[MessageId]) -> Result<Reply, Refusal> {
        self.known_thread()?;
        self.pending.sort_by_key(|pending| pending.position);
        for id in ids {
            self.pending_message(id)?;
        }
        let mut wanted: Vec<&MessageId> = ids.iter().collect();
        wanted.sort();
        wanted.dedup();
        if wanted.len() != ids.len() || ids.len() != self.pending.len() {
            return Err(Refusal::Invalid {
                reason: "the order must name every pending message exactly once",
            });
        }
        let place = |id: &MessageId| ids.iter().position(|wanted| wanted == id);
        for (before, pending) in self.pending.iter().enumerate() {
            let barrier = &pending.message.id;
            let overtaken = pending.barrier
                && self.pending[before + 1..]
                    .iter()
                    .any(|later| place(&later.message.id) < place(barrier));
            if overtaken {
                return Err(Refusal::BarrierOvertaken { barrier: barrier.clone() });
            }
        }
        let positions: Vec<u64> = self.pending.iter().map(|pending| pending.position).collect();
        for (id, position) in ids.iter().zip(positions) {
            let pending = self.pending_message(id)?;
            if pending.position != position {
                let moved = Pending { position, ..pending.clone() };
                self.put_pending(moved);
            }
        }
        Ok(Reply::Done)
    }
}
