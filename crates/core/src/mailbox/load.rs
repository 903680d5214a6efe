//! Which rows a command touches: said here once, for every store.

use std::sync::Arc;

use crate::command::{CancelTarget, Command, Envelope, Mode, Outcome, Submit, Take};
use crate::dispatch::{Dispatch, DispatchState, DispatchStatus};
use crate::id::{DispatchId, MessageId, RunId};
use crate::message::NewMessage;
use crate::run::{Run, RunState};
use crate::time::Timestamp;

use super::Mailbox;
use super::rows::Rows;
use super::tracked::Tracked;

/// How much of the queue's front is loaded for a command that takes nothing out of it: readiness must
/// be known afterwards.
const HEAD: usize = 1;
/// The same for a command that may take a dispatch out of the queue. It takes one at most (it cancels
/// it, or claims it and finds its run over), and the next is then the first.
const FRONT: usize = 2;

impl Mailbox {
    /// Loads what a command touches of a thread's mailbox: of another tenant's, nothing.
    ///
    /// # Errors
    /// What a look-up failed with.
    pub fn load<R: Rows>(
        rows: &mut R,
        Envelope { thread_id, command, caller }: &Envelope,
        now: Timestamp,
    ) -> Result<Self, R::Error> {
        let thread = rows.thread(thread_id)?;
        let mut loader = Loader {
            now,
            mailbox: Self {
                thread_id: thread_id.clone(),
                caller: caller.clone(),
                thread,
                dispatches: Tracked::new(),
                runs: Tracked::new(),
                pending: Vec::new(),
                log: Vec::new(),
                known: Vec::new(),
                key_holder: None,
                submission: None,
            },
            rows,
        };
        if !loader.mailbox.is_anothers() {
            loader.command(command)?;
        }
        Ok(loader.mailbox)
    }
}

struct Loader<'r, R> {
    rows: &'r mut R,
    mailbox: Mailbox,
    now: Timestamp,
}

impl<R: Rows> Loader<'_, R> {
    #[expect(clippy::too_many_lines, reason = "a table: one arm a command")]
    fn command(&mut self, command: &Command) -> Result<(), R::Error> {
        match command {
            Command::CreateThread(_) | Command::PatchThread { .. } => {}
            Command::DeleteThread => {
                self.claimed()?;
                self.pointed_run(|thread| thread.open_run_id.clone())?;
                self.pointed_run(|thread| thread.latest_run_id.clone())?;
                self.pointed_run(|thread| thread.ended_run_id.clone())?;
            }
            Command::Submit(submit) => self.submit(submit)?,
            Command::Enqueue(enqueue) => {
                self.claimed()?;
                self.front()?;
                self.run(&enqueue.run_id)?;
                self.dispatch_of_run(&enqueue.run_id)?;
                self.pointed_run(|thread| thread.latest_run_id.clone())?;
                if let Some(id) = enqueue.dispatch_id {
                    self.dispatch(id)?;
                }
                if let Some(key) = &enqueue.dedupe_key {
                    self.mailbox.key_holder = self.rows.key_holder(&self.mailbox.thread_id, key)?;
                }
            }
            Command::Claim(request) => {
                self.claimed()?;
                if !self.is_claimed() {
                    self.front()?;
                    self.beginning(request.begin)?;
                }
            }
            Command::ClaimDispatch { dispatch_id, request } => {
                self.claimed()?;
                self.front()?;
                self.dispatch(*dispatch_id)?;
                if let Some(dispatch) = self.find(*dispatch_id) {
                    let run_id = dispatch.run_id.clone();
                    self.run(&run_id)?;
                    if request.begin && !self.is_claimed() {
                        self.start_of(&run_id)?;
                    }
                }
            }
            Command::Begin { .. } => {
                self.claimed()?;
                self.front()?;
                if let Some(run_id) = self.claimed_run()? {
                    self.start_of(&run_id)?;
                }
            }
            Command::Commit { step, .. } => {
                self.claimed()?;
                self.claimed_run()?;
                self.known(&step.messages)?;
                if step.take != Take::Nothing {
                    self.pending()?;
                }
            }
            Command::Settle(settle) => {
                self.claimed()?;
                self.claimed_run()?;
                self.known(&settle.step.messages)?;
                self.handed_over()?;
                if let Some(next) = &settle.next {
                    self.front()?;
                    self.beginning(next.begin)?;
                    if next.begin {
                        self.going_on(&settle.outcome)?;
                    }
                } else {
                    self.first_queued(HEAD)?;
                }
            }
            Command::RecordStart { .. } | Command::RecordResult { .. } => {
                self.claimed()?;
            }
            Command::ExtendLease { .. } => {
                self.claimed()?;
                self.claimed_run()?;
            }
            Command::Release { .. }
            | Command::SupersedeClaimed { .. }
            | Command::Reclaim { .. } => {
                self.claimed()?;
                self.claimed_run()?;
                self.front()?;
                self.handed_over()?;
            }
            Command::Cancel { target, .. } => self.cancel(target)?,
            Command::Interrupt => {
                self.claimed()?;
                self.claimed_run()?;
                self.whole_queue()?;
                self.handed_over()?;
            }
            Command::Requeue { dispatch_id, .. } => {
                self.claimed()?;
                self.front()?;
                self.dispatch(*dispatch_id)?;
                if let Some(dispatch) = self.find(*dispatch_id) {
                    let run_id = dispatch.run_id.clone();
                    self.run(&run_id)?;
                }
            }
            Command::Deliver { run_id, messages, .. } => {
                self.claimed()?;
                self.claimed_run()?;
                self.front()?;
                self.run(run_id)?;
                self.dispatch_of_run(run_id)?;
                self.answered(run_id)?;
                self.known(messages)?;
            }
            Command::EditPending { message_id, .. } => {
                self.pending()?;
                self.known_id(message_id)?;
            }
            Command::RetractPending { message_id } => {
                self.claimed()?;
                self.first_queued(HEAD)?;
                self.handed_over()?;
                self.known_id(message_id)?;
            }
            Command::ReorderPending { message_ids } => {
                self.pending()?;
                for id in message_ids {
                    self.known_id(id)?;
                }
            }
            Command::Decide { run_id, claim, .. } => {
                self.claimed()?;
                self.claimed_run()?;
                self.front()?;
                self.run(run_id)?;
                self.dispatch_of_run(run_id)?;
                if claim.as_ref().is_some_and(|request| request.begin) && !self.is_claimed() {
                    self.start_of(run_id)?;
                }
            }
            Command::Reported { run_id, .. } => self.run(run_id)?,
            Command::CollectRun { run_id, .. } | Command::FinishTask { run_id, .. } => {
                self.claimed()?;
                self.front()?;
                self.run(run_id)?;
                self.dispatch_of_run(run_id)?;
            }
        }
        Ok(())
    }

    fn submit(&mut self, submit: &Submit) -> Result<(), R::Error> {
        let thread_id = self.mailbox.thread_id.clone();
        if let Some(key) = &submit.idempotency_key {
            self.mailbox.submission = self.rows.submission(&thread_id, key)?;
            if self.mailbox.submission.is_some() {
                return Ok(());
            }
        }
        if let Some(run_id) = &submit.run_id {
            self.run(run_id)?;
            self.dispatch_of_run(run_id)?;
        }
        if self.mailbox.thread.is_none() {
            return Ok(());
        }
        if let Some(key) = &submit.dedupe_key {
            self.mailbox.key_holder = self.rows.key_holder(&thread_id, key)?;
        }
        self.known(&submit.messages)?;
        for (_, run_id) in self.mailbox.known.clone() {
            self.run(&run_id)?;
        }
        self.claimed()?;
        self.claimed_run()?;
        let interrupts = matches!(submit.mode, Mode::Interrupt | Mode::Rollback);
        if interrupts && !self.is_claimed() {
            self.whole_queue()?;
        } else if submit.claim.is_some() {
            self.front()?;
        } else {
            self.first_queued(HEAD)?;
        }
        let open = self.pointed_run(|thread| thread.open_run_id.clone())?;
        if let Some(run_id) = &open {
            self.dispatch_of_run(run_id)?;
        }
        if let Some(run_id) = submit.run_id.clone().or(open) {
            self.answered(&run_id)?;
        }
        if submit.agent_id.is_none() {
            self.pointed_run(|thread| thread.latest_run_id.clone())?;
        }
        if let Some(run_id) = &submit.stopped_run_id {
            self.run(run_id)?;
        }
        let begins = submit.claim.as_ref().is_some_and(|request| request.begin);
        if !self.is_claimed() && (interrupts || begins) {
            self.handed_over()?;
        }
        if !self.is_claimed() && begins {
            self.pointed_run(|thread| thread.ended_run_id.clone())?;
            let continued =
                submit.run_id.clone().or_else(|| self.mailbox.thread.as_ref()?.open_run_id.clone());
            if let Some(run_id) = continued {
                self.input(&run_id)?;
            }
        }
        Ok(())
    }

    fn cancel(&mut self, target: &CancelTarget) -> Result<(), R::Error> {
        self.claimed()?;
        self.claimed_run()?;
        self.front()?;
        self.handed_over()?;
        match target {
            CancelTarget::Dispatch(id) => {
                self.dispatch(*id)?;
                if let Some(dispatch) = self.find(*id) {
                    let run_id = dispatch.run_id.clone();
                    self.run(&run_id)?;
                }
            }
            CancelTarget::Run(run_id) => {
                self.run(run_id)?;
                self.dispatch_of_run(run_id)?;
            }
            CancelTarget::Thread => {
                let open = self.pointed_run(|thread| thread.open_run_id.clone())?;
                if let Some(run_id) = open {
                    self.dispatch_of_run(&run_id)?;
                }
                if let Some(head) = self.head() {
                    self.run(&head.run_id)?;
                }
            }
        }
        Ok(())
    }

    /// What claiming the head and, if wanted, beginning its run touches.
    fn beginning(&mut self, begin: bool) -> Result<(), R::Error> {
        self.pending()?;
        if let Some(head) = self.head() {
            self.run(&head.run_id)?;
            if begin {
                self.start_of(&head.run_id)?;
            }
        }
        Ok(())
    }

    /// What a settle that begins a run touches if it is none of those that were in the queue: the
    /// settled run itself, one that waits and gets its answer, or a new one made of steering.
    fn going_on(&mut self, outcome: &Outcome) -> Result<(), R::Error> {
        let mut run_ids = Vec::new();
        if matches!(outcome, Outcome::Wait(_) | Outcome::Nack { .. }) {
            run_ids.extend(self.claimed_run()?);
        }
        for target in self.targets() {
            let waits = self.find_run(&target).is_some_and(|run| run.wait_reason().is_some());
            if waits && !run_ids.contains(&target) {
                run_ids.push(target);
            }
        }
        run_ids.iter().try_for_each(|run_id| self.start_of(run_id))?;
        if !self.mailbox.pending.is_empty() {
            self.pointed_run(|thread| thread.ended_run_id.clone())?;
        }
        Ok(())
    }

    /// What the start of a run touches: its input, what is pending for it, and the run whose state
    /// it inherits.
    fn start_of(&mut self, run_id: &RunId) -> Result<(), R::Error> {
        self.handed_over()?;
        self.input(run_id)?;
        let inherits = self
            .find_run(run_id)
            .is_some_and(|run| run.run_state() == RunState::Created && run.state.is_none());
        if inherits {
            self.pointed_run(|thread| thread.ended_run_id.clone())?;
        }
        Ok(())
    }

    /// What a message for a run touches if it is the answer that the run waits for: what else is
    /// pending for it.
    fn answered(&mut self, run_id: &RunId) -> Result<(), R::Error> {
        let waits = self.find_run(run_id).is_some_and(|run| run.run_state() == RunState::Waiting);
        if waits { self.pending() } else { Ok(()) }
    }

    /// The dispatch that will be the head once the delayed ones that are due take part.
    fn head(&self) -> Option<Arc<Dispatch>> {
        let due = |dispatch: &&Arc<Dispatch>| match dispatch.status {
            DispatchStatus::Queued { due } => due || dispatch.available_at <= self.now,
            _ => false,
        };
        self.mailbox.dispatches.iter().filter(due).min_by_key(|d| d.queue_key()).cloned()
    }

    fn is_claimed(&self) -> bool {
        self.mailbox.thread.as_ref().is_some_and(|thread| thread.claimed_dispatch_id.is_some())
    }

    fn claimed(&mut self) -> Result<(), R::Error> {
        let claimed = self.mailbox.thread.as_ref().and_then(|thread| thread.claimed_dispatch_id);
        claimed.map_or(Ok(()), |id| self.dispatch(id))
    }

    fn claimed_run(&mut self) -> Result<Option<RunId>, R::Error> {
        let claimed = self.mailbox.dispatches.iter().find(|d| d.state() == DispatchState::Claimed);
        let run_id = claimed.map(|dispatch| dispatch.run_id.clone());
        if let Some(run_id) = &run_id {
            self.run(run_id)?;
        }
        Ok(run_id)
    }

    fn front(&mut self) -> Result<(), R::Error> {
        self.first_queued(FRONT)
    }

    fn first_queued(&mut self, limit: usize) -> Result<(), R::Error> {
        if self.mailbox.thread.as_ref().is_some_and(|thread| thread.queued > 0) {
            let due = self.rows.due(&self.mailbox.thread_id, limit)?;
            due.into_iter().for_each(|dispatch| self.mailbox.dispatches.load(dispatch));
            let delayed = self.rows.delayed(&self.mailbox.thread_id, self.now, limit)?;
            delayed.into_iter().for_each(|dispatch| self.mailbox.dispatches.load(dispatch));
        }
        Ok(())
    }

    fn whole_queue(&mut self) -> Result<(), R::Error> {
        if self.mailbox.thread.as_ref().is_some_and(|thread| thread.queued > 0) {
            for dispatch in self.rows.queued(&self.mailbox.thread_id)? {
                self.run(&dispatch.run_id)?;
                self.mailbox.dispatches.load(dispatch);
            }
        }
        Ok(())
    }

    fn pending(&mut self) -> Result<(), R::Error> {
        let some = self.mailbox.thread.as_ref().is_some_and(|thread| thread.pending > 0);
        if some && self.mailbox.pending.is_empty() {
            self.mailbox.pending = self.rows.pending(&self.mailbox.thread_id)?;
        }
        Ok(())
    }

    /// What is pending, and the runs that it is for: one that waits may get it when another's
    /// delivery is over.
    fn handed_over(&mut self) -> Result<(), R::Error> {
        self.pending()?;
        for run_id in self.targets() {
            self.run(&run_id)?;
            self.dispatch_of_run(&run_id)?;
        }
        Ok(())
    }

    /// The runs that pending messages are for.
    fn targets(&self) -> Vec<RunId> {
        let targets =
            self.mailbox.pending.iter().filter_map(|pending| pending.target_run_id.as_ref());
        let mut targets: Vec<RunId> = targets.cloned().collect();
        targets.sort();
        targets.dedup();
        targets
    }

    fn known(&mut self, messages: &[NewMessage]) -> Result<(), R::Error> {
        messages
            .iter()
            .filter_map(|message| message.id.as_ref())
            .try_for_each(|id| self.known_id(id))
    }

    fn known_id(&mut self, id: &MessageId) -> Result<(), R::Error> {
        let Some(thread) = &self.mailbox.thread else { return Ok(()) };
        if let Some(run_id) = self.rows.message_run(&thread.id, id)? {
            self.mailbox.known.push((id.clone(), run_id));
        } else if thread.pending > 0
            && !self.mailbox.pending.iter().any(|pending| pending.message.id == *id)
            && let Some(pending) = self.rows.pending_message(&thread.id, id)?
        {
            // Of a pending message only its being there matters, and whose it is.
            let run_id = pending.target_run_id.or_else(|| thread.active_run_id.clone());
            if let Some(run_id) = run_id.or_else(|| thread.latest_run_id.clone()) {
                self.mailbox.known.push((id.clone(), run_id));
            }
        }
        Ok(())
    }

    fn input(&mut self, run_id: &RunId) -> Result<(), R::Error> {
        let Some(run) = self.mailbox.runs.get(run_id) else { return Ok(()) };
        for range in &run.input {
            let messages = self.rows.messages(&self.mailbox.thread_id, *range)?;
            self.mailbox.log.extend(messages);
        }
        Ok(())
    }

    fn pointed_run(
        &mut self,
        pointer: impl FnOnce(&crate::thread::Thread) -> Option<RunId>,
    ) -> Result<Option<RunId>, R::Error> {
        let run_id = self.mailbox.thread.as_deref().and_then(pointer);
        if let Some(run_id) = &run_id {
            self.run(run_id)?;
        }
        Ok(run_id)
    }

    fn run(&mut self, id: &RunId) -> Result<(), R::Error> {
        if self.find_run(id).is_none()
            && let Some(run) = self.rows.run(id)?
        {
            self.mailbox.runs.load(run);
        }
        Ok(())
    }

    fn dispatch_of_run(&mut self, id: &RunId) -> Result<(), R::Error> {
        let dispatch_id = self.find_run(id).and_then(|run| run.dispatch_id);
        dispatch_id.map_or(Ok(()), |id| self.dispatch(id))
    }

    fn dispatch(&mut self, id: DispatchId) -> Result<(), R::Error> {
        if self.find(id).is_none()
            && let Some(dispatch) = self.rows.dispatch(id)?
        {
            self.mailbox.dispatches.load(dispatch);
        }
        Ok(())
    }

    fn find(&self, id: DispatchId) -> Option<&Dispatch> {
        self.mailbox.dispatches.get(&id).map(Arc::as_ref)
    }

    fn find_run(&self, id: &RunId) -> Option<&Run> {
        self.mailbox.runs.get(id).map(Arc::as_ref)
    }
}
