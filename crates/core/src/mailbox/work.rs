//! A mailbox while it decides: the loaded rows, and what is to be written.

use std::sync::Arc;

use crate::command::Reply;
use crate::dispatch::{Claim, Dispatch, DispatchState, DispatchStatus};
use crate::error::Refusal;
use crate::event::{Event, EventBody, SharedEvent};
use crate::id::{DispatchId, MessageId, RunId};
use crate::message::{LogMessage, Message, NewMessage};
use crate::pending::Pending;
use crate::ports::Ids;
use crate::run::{Run, SeqRange};
use crate::sabotage::{Fault, committed};
use crate::thread::Thread;
use crate::time::Timestamp;

use super::Mailbox;
use super::changes::{Changes, Decision, DepthDelta, PendingWrite, Write};
use super::tracked::Tracked;

/// A mailbox at work. Verbs change it, and [`Work::finish`] says what is to be written. A verb that
/// refuses simply returns: the work is dropped, and nothing was written.
pub(super) struct Work<'a> {
    /// The command's name, for refusals.
    pub(super) command: &'static str,
    pub(super) now: Timestamp,
    pub(super) ids: Ids<'a>,
    /// The thread; one that is not there is written only if `create_thread` says so.
    pub(super) thread: Thread,
    thread_before: Option<Arc<Thread>>,
    pub(super) dispatches: Tracked<Dispatch>,
    pub(super) runs: Tracked<Run>,
    pub(super) pending: Vec<Pending>,
    /// Inputs that were loaded, and what this command appends.
    log: Vec<LogMessage>,
    pub(super) known: Vec<(MessageId, RunId)>,
    pub(super) key_holder: Option<DispatchId>,
    pub(super) submission: Option<crate::command::Submitted>,
    messages: Vec<LogMessage>,
    pending_writes: Vec<PendingWrite>,
    events: Vec<SharedEvent>,
    depth: DepthDelta,
    pub(super) keep_submission: Option<(crate::id::IdempotencyKey, crate::command::Submitted)>,
    pub(super) create_thread: bool,
    pub(super) delete_thread: bool,
    pub(super) collected_runs: Vec<RunId>,
}

/// How many events most commands have at most.
const FEW: usize = 4;

impl<'a> Work<'a> {
    pub(super) fn new(
        mailbox: Mailbox,
        command: &'static str,
        now: Timestamp,
        ids: Ids<'a>,
    ) -> Self {
        let thread = mailbox.thread.as_deref().cloned().unwrap_or_else(|| Thread {
            tenant: mailbox.caller.unwrap_or_default(),
            ..Thread::new(mailbox.thread_id, now)
        });
        let mut work = Self {
            command,
            now,
            ids,
            thread,
            thread_before: mailbox.thread,
            dispatches: mailbox.dispatches,
            runs: mailbox.runs,
            pending: mailbox.pending,
            log: mailbox.log,
            known: mailbox.known,
            key_holder: mailbox.key_holder,
            submission: mailbox.submission,
            messages: Vec::new(),
            pending_writes: Vec::new(),
            events: Vec::with_capacity(FEW),
            depth: DepthDelta::default(),
            keep_submission: None,
            create_thread: false,
            delete_thread: false,
            collected_runs: Vec::new(),
        };
        work.promote_due();
        work
    }

    pub(super) fn thread_is_new(&self) -> bool {
        self.thread_before.is_none()
    }

    pub(super) fn known_thread(&self) -> Result<(), Refusal> {
        if self.thread_is_new() {
            return Err(Refusal::UnknownThread { thread_id: self.thread.id.clone() });
        }
        Ok(())
    }

    /// The refusal of a run of another thread. Of another tenant's nobody hears that it is there.
    pub(super) fn run_elsewhere(&self, run: &Run) -> Refusal {
        let run_id = run.id.clone();
        if run.tenant == self.thread.tenant {
            Refusal::RunElsewhere { run_id }
        } else {
            Refusal::UnknownRun { run_id }
        }
    }

    /// The claimed dispatch, if `claim` is the thread's current one.
    pub(super) fn fence(&self, claim: &Claim) -> Result<Arc<Dispatch>, Refusal> {
        self.thread
            .claimed_dispatch_id
            .and_then(|id| self.dispatches.get(&id))
            .filter(|dispatch| dispatch.claim() == Some(claim) || committed(Fault::NoFence))
            .cloned()
            .ok_or_else(|| Refusal::StaleClaim { claim: claim.clone(), command: self.command })
    }

    pub(super) fn claimed(&self) -> Option<&Arc<Dispatch>> {
        self.thread.claimed_dispatch_id.and_then(|id| self.dispatches.get(&id))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.thread.claimed_dispatch_id.is_some()
    }

    /// A run of this thread.
    pub(super) fn run(&self, id: &RunId) -> Result<&Arc<Run>, Refusal> {
        self.runs
            .get(id)
            .filter(|run| run.thread_id == self.thread.id)
            .ok_or_else(|| Refusal::UnknownRun { run_id: id.clone() })
    }

    pub(super) fn run_mut(&mut self, id: &RunId) -> Result<&mut Run, Refusal> {
        let thread_id = &self.thread.id;
        self.runs
            .edit(id)
            .filter(|run| run.thread_id == *thread_id)
            .ok_or_else(|| Refusal::UnknownRun { run_id: id.clone() })
    }

    /// A dispatch of this thread.
    pub(super) fn dispatch(&self, id: DispatchId) -> Result<&Arc<Dispatch>, Refusal> {
        self.dispatches
            .get(&id)
            .filter(|dispatch| dispatch.thread_id == self.thread.id)
            .ok_or(Refusal::UnknownDispatch { dispatch_id: id })
    }

    pub(super) fn dispatch_mut(&mut self, id: DispatchId) -> Result<&mut Dispatch, Refusal> {
        edit(&mut self.dispatches, id, &self.thread, self.now)
    }

    /// Moves a dispatch to another status, and keeps the thread's pointers and counters with it.
    pub(super) fn move_dispatch(
        &mut self,
        id: DispatchId,
        status: DispatchStatus,
    ) -> Result<&mut Dispatch, Refusal> {
        let dispatch = edit(&mut self.dispatches, id, &self.thread, self.now)?;
        let from = dispatch.state();
        dispatch.status = status;
        let to = dispatch.state();
        self.depth.moved(Some(from), to);
        match from {
            DispatchState::Queued => self.thread.queued -= 1,
            DispatchState::Claimed => {
                self.thread.claimed_dispatch_id = None;
                self.thread.active_run_id = None;
            }
            _ => {}
        }
        match to {
            DispatchState::Queued => self.thread.queued += 1,
            DispatchState::Claimed => self.thread.claimed_dispatch_id = Some(id),
            _ => {}
        }
        Ok(dispatch)
    }

    pub(super) fn insert_dispatch(&mut self, dispatch: Dispatch) {
        self.depth.moved(None, dispatch.state());
        self.thread.queued += 1;
        self.dispatches.insert(dispatch);
    }

    pub(super) fn event(&mut self, run_id: Option<&RunId>, body: EventBody) {
        self.thread.event_seq += 1;
        if committed(Fault::EventGap) && self.thread.event_seq == 9 {
            self.thread.event_seq += 1;
        }
        self.events.push(Arc::new(Event {
            seq: self.thread.event_seq,
            thread_id: self.thread.id.clone(),
            run_id: run_id.cloned(),
            at: self.now,
            body,
        }));
    }

    pub(super) fn new_message_id(&self) -> MessageId {
        self.ids.new_uuid().into()
    }

    /// Gives each message its id and leaves out those that the thread has already, or that were
    /// given twice.
    pub(super) fn fresh(
        &self,
        messages: impl ExactSizeIterator<Item = NewMessage>,
    ) -> Vec<Arc<Message>> {
        let mut fresh: Vec<Arc<Message>> = Vec::with_capacity(messages.len());
        for message in messages {
            let given = message.id.is_some();
            let message = message.named(|| self.new_message_id());
            let known = given
                && (self.known.iter().any(|(id, _)| *id == message.id)
                    || self.pending.iter().any(|pending| pending.message.id == message.id)
                    || fresh.iter().any(|earlier| earlier.id == message.id));
            if !known || committed(Fault::MessagesTwice) {
                fresh.push(Arc::new(message));
            }
        }
        fresh
    }

    /// Appends messages to the log as the run's, and gives the rows.
    pub(super) fn append(&mut self, run_id: &RunId, messages: Vec<Arc<Message>>) -> &[LogMessage] {
        let before = self.messages.len();
        for message in messages {
            self.thread.message_seq += 1;
            let seq = self.thread.message_seq;
            self.event(
                Some(run_id),
                EventBody::MessageCommitted {
                    message_seq: seq,
                    message_id: message.id.clone(),
                    role: message.role,
                },
            );
            let row = LogMessage { seq, run_id: run_id.clone(), created_at: self.now, message };
            self.messages.push(row);
        }
        &self.messages[before..]
    }

    /// What this command has appended to the log.
    pub(super) fn appended(&self) -> &[LogMessage] {
        &self.messages
    }

    /// Appends messages to the log as the run's input.
    pub(super) fn append_input(
        &mut self,
        run_id: &RunId,
        messages: Vec<Arc<Message>>,
    ) -> Result<(), Refusal> {
        let appended = self.append(run_id, messages);
        let (Some(first), Some(last)) = (appended.first(), appended.last()) else {
            return Ok(());
        };
        let range = SeqRange { first: first.seq, last: last.seq };
        let run = self.run_mut(run_id)?;
        match run.input.last_mut() {
            Some(before) if before.last + 1 == range.first => before.last = range.last,
            _ => {
                // Nearly every run has one range, and as long as the thread lives.
                run.input.reserve_exact(1);
                run.input.push(range);
            }
        }
        Ok(())
    }

    /// The run's input, loaded or appended by this command. A command begins one run at most, so
    /// what was loaded is handed over.
    pub(super) fn take_input(&mut self, run: &Run) -> Vec<LogMessage> {
        let mut input = std::mem::take(&mut self.log);
        input.extend_from_slice(&self.messages);
        input.retain(|row| {
            run.input.iter().any(|range| (range.first..=range.last).contains(&row.seq))
        });
        input.sort_by_key(|row| row.seq);
        input.dedup_by_key(|row| row.seq);
        input
    }

    pub(super) fn put_pending(&mut self, pending: Pending) {
        self.event(
            pending.target_run_id.clone().as_ref(),
            EventBody::MessagePending {
                message_id: pending.message.id.clone(),
                position: pending.position,
                boundary: pending.boundary,
            },
        );
        self.keep_pending(pending);
    }

    /// Writes a pending message without telling of it.
    pub(super) fn keep_pending(&mut self, pending: Pending) {
        let place = self.pending.iter().position(|other| other.message.id == pending.message.id);
        self.pending_writes.push(PendingWrite::Put(pending.clone()));
        match place {
            Some(place) => self.pending[place] = pending,
            None => {
                self.thread.pending += 1;
                self.pending.push(pending);
            }
        }
    }

    pub(super) fn remove_pending(&mut self, id: &MessageId) -> Option<Pending> {
        let place = self.pending.iter().position(|pending| pending.message.id == *id)?;
        self.thread.pending -= 1;
        self.pending_writes.push(PendingWrite::Remove(id.clone()));
        Some(self.pending.remove(place))
    }

    /// What is to be written, and the answer.
    pub(super) fn finish(mut self, reply: Reply) -> Decision {
        if self.delete_thread {
            let changes = Changes { delete_thread: true, depth: self.depth, ..Changes::default() };
            return Decision { changes, reply };
        }
        if self.queue_is_loaded() {
            self.thread.readiness = self.readiness();
        }
        let thread = match &self.thread_before {
            // What changes a thread mostly has an event: the rest need not be compared then.
            Some(before)
                if before.event_seq == self.thread.event_seq && **before == self.thread =>
            {
                None
            }
            Some(_) => {
                self.thread.updated_at = self.now;
                Some(Write::Update(Arc::new(self.thread)))
            }
            None => self.create_thread.then(|| Write::Insert(Arc::new(self.thread))),
        };
        let changes = Changes {
            thread,
            runs: self.runs.into_writes(),
            collected_runs: self.collected_runs,
            dispatches: self.dispatches.into_writes(),
            messages: self.messages,
            pending: self.pending_writes,
            events: self.events,
            submission: self.keep_submission,
            depth: self.depth,
            delete_thread: false,
        };
        Decision { changes, reply }
    }
}

/// A dispatch of the thread, to be changed.
fn edit<'d>(
    dispatches: &'d mut Tracked<Dispatch>,
    id: DispatchId,
    thread: &Thread,
    now: Timestamp,
) -> Result<&'d mut Dispatch, Refusal> {
    let dispatch = dispatches
        .edit(&id)
        .filter(|dispatch| dispatch.thread_id == thread.id)
        .ok_or(Refusal::UnknownDispatch { dispatch_id: id })?;
    // A clock that goes back makes nothing older than it is.
    dispatch.updated_at = now.max(dispatch.created_at);
    Ok(dispatch)
}
