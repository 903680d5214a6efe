//! A store that is nothing but tables: the machine's changes are put into maps.

pub mod invariants;
pub mod story;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use postroom_core::command::{Activation, Begun, Command, Envelope, Reply, Submitted};
use postroom_core::dispatch::{Dispatch, DispatchState, DispatchStatus};
use postroom_core::error::Refusal;
use postroom_core::event::SharedEvent;
use postroom_core::id::{DedupeKey, DispatchId, IdempotencyKey, MessageId, RunId, ThreadId};
use postroom_core::mailbox::{Changes, Mailbox, PendingWrite, Rows, Write};
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::ports::IdSource;
use postroom_core::run::{Run, SeqRange};
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;
use uuid::Uuid;

/// Ids in order: 1, 2, 3 …
#[derive(Default)]
pub struct Counter(std::sync::atomic::AtomicU64);

impl IdSource for Counter {
    fn new_uuid(&self) -> Uuid {
        let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(next))
    }

    fn random(&self) -> u64 {
        0
    }
}

/// The run that a command has begun.
pub fn begun(reply: &Reply) -> Option<&Activation> {
    let claimed = match reply {
        Reply::Begun(Begun::Started(activation)) => return Some(activation),
        Reply::Claimed(claimed) => claimed,
        Reply::Submitted(submitted) => &submitted.claimed,
        Reply::Settled(settled) => &settled.next,
        Reply::Decided(decided) => &decided.claimed,
        _ => return None,
    };
    match &claimed.as_ref()?.begun {
        Some(Begun::Started(activation)) => Some(activation),
        _ => None,
    }
}

#[derive(Default)]
pub struct Tables {
    pub now: Cell<i64>,
    pub ids: Counter,
    pub threads: BTreeMap<ThreadId, Thread>,
    pub runs: BTreeMap<RunId, Run>,
    pub dispatches: BTreeMap<DispatchId, Dispatch>,
    pub messages: Vec<(ThreadId, LogMessage)>,
    pub pending: BTreeMap<(ThreadId, MessageId), Pending>,
    pub events: Vec<SharedEvent>,
    pub submissions: BTreeMap<(ThreadId, IdempotencyKey), Submitted>,
    pub depth: [i64; 6],
}

impl Tables {
    pub fn apply(&mut self, thread: &ThreadId, command: Command) -> Result<Reply, Refusal> {
        let now = Timestamp(self.now.get());
        let envelope = Envelope::new(thread.clone(), command);
        let Ok(mailbox) = Mailbox::load(self, &envelope, now);
        let decision = mailbox.decide(envelope.command, now, &self.ids)?;
        self.save(thread, decision.changes);
        Ok(decision.reply)
    }

    fn save(&mut self, thread_id: &ThreadId, changes: Changes) {
        if changes.delete_thread {
            self.threads.remove(thread_id);
            self.runs.retain(|_, run| run.thread_id != *thread_id);
            self.dispatches.retain(|_, dispatch| dispatch.thread_id != *thread_id);
            self.messages.retain(|(id, _)| id != thread_id);
            self.pending.retain(|(id, _), _| id != thread_id);
            self.events.retain(|event| event.thread_id != *thread_id);
            self.recount();
            return;
        }
        if let Some(write) = changes.thread {
            let new = matches!(write, Write::Insert(_));
            let thread = Thread::clone(write.row());
            assert_eq!(self.threads.insert(thread.id.clone(), thread).is_none(), new);
        }
        for write in changes.runs {
            let new = matches!(write, Write::Insert(_));
            let run = Run::clone(write.row());
            assert_eq!(self.runs.insert(run.id.clone(), run).is_none(), new);
        }
        for run_id in changes.collected_runs {
            assert!(self.runs.remove(&run_id).is_some(), "a run that was collected");
        }
        for write in changes.dispatches {
            let new = matches!(write, Write::Insert(_));
            let dispatch = Dispatch::clone(write.row());
            assert_eq!(self.dispatches.insert(dispatch.id, dispatch).is_none(), new);
        }
        self.messages.extend(changes.messages.into_iter().map(|row| (thread_id.clone(), row)));
        for write in changes.pending {
            match write {
                PendingWrite::Put(pending) => {
                    self.pending.insert((thread_id.clone(), pending.message.id.clone()), pending);
                }
                PendingWrite::Remove(id) => {
                    assert!(self.pending.remove(&(thread_id.clone(), id)).is_some(), "pending");
                }
            }
        }
        self.events.extend(changes.events);
        if let Some((key, submitted)) = changes.submission {
            self.submissions.insert((thread_id.clone(), key), submitted);
        }
        for (count, delta) in self.depth.iter_mut().zip(changes.depth.0) {
            *count += delta;
        }
    }

    fn recount(&mut self) {
        self.depth = [0; 6];
        for dispatch in self.dispatches.values() {
            self.depth[dispatch.state() as usize] += 1;
        }
    }

    pub fn queue(&self, thread: &ThreadId) -> Vec<&Dispatch> {
        let mut queue: Vec<_> = self
            .dispatches
            .values()
            .filter(|d| d.thread_id == *thread && d.state() == DispatchState::Queued)
            .collect();
        queue.sort_by_key(|dispatch| (dispatch.queue_key(), dispatch.id));
        queue
    }
}

impl Rows for Tables {
    type Error = Infallible;

    fn thread(&mut self, id: &ThreadId) -> Result<Option<Arc<Thread>>, Infallible> {
        Ok(self.threads.get(id).cloned().map(Arc::new))
    }

    fn run(&mut self, id: &RunId) -> Result<Option<Arc<Run>>, Infallible> {
        Ok(self.runs.get(id).cloned().map(Arc::new))
    }

    fn dispatch(&mut self, id: DispatchId) -> Result<Option<Arc<Dispatch>>, Infallible> {
        Ok(self.dispatches.get(&id).cloned().map(Arc::new))
    }

    fn due(&mut self, thread: &ThreadId, limit: usize) -> Result<Vec<Arc<Dispatch>>, Infallible> {
        let due = |d: &&&Dispatch| d.status == DispatchStatus::Queued { due: true };
        Ok(self
            .queue(thread)
            .iter()
            .filter(due)
            .take(limit)
            .map(|d| Arc::new((*d).clone()))
            .collect())
    }

    fn delayed(
        &mut self,
        thread: &ThreadId,
        now: Timestamp,
        beyond: usize,
    ) -> Result<Vec<Arc<Dispatch>>, Infallible> {
        let mut delayed: Vec<Dispatch> = self
            .queue(thread)
            .into_iter()
            .filter(|d| d.status == DispatchStatus::Queued { due: false })
            .cloned()
            .collect();
        delayed.sort_by_key(|dispatch| (dispatch.available_at, dispatch.id));
        let due = delayed.iter().filter(|dispatch| dispatch.available_at <= now).count();
        delayed.truncate(due + beyond);
        Ok(delayed.into_iter().map(Arc::new).collect())
    }

    fn queued(&mut self, thread: &ThreadId) -> Result<Vec<Arc<Dispatch>>, Infallible> {
        Ok(self.queue(thread).into_iter().cloned().map(Arc::new).collect())
    }

    fn pending(&mut self, thread: &ThreadId) -> Result<Vec<Pending>, Infallible> {
        let mut pending: Vec<Pending> = self
            .pending
            .iter()
            .filter(|((id, _), _)| id == thread)
            .map(|(_, pending)| pending.clone())
            .collect();
        pending.sort_by_key(|pending| pending.position);
        Ok(pending)
    }

    fn pending_message(
        &mut self,
        thread: &ThreadId,
        id: &MessageId,
    ) -> Result<Option<Pending>, Infallible> {
        Ok(self.pending.get(&(thread.clone(), id.clone())).cloned())
    }

    fn message_run(
        &mut self,
        thread: &ThreadId,
        id: &MessageId,
    ) -> Result<Option<RunId>, Infallible> {
        let found = self.messages.iter().find(|(t, row)| t == thread && row.message.id == *id);
        Ok(found.map(|(_, row)| row.run_id.clone()))
    }

    fn messages(
        &mut self,
        thread: &ThreadId,
        range: SeqRange,
    ) -> Result<Vec<LogMessage>, Infallible> {
        let within = |row: &&(ThreadId, LogMessage)| {
            row.0 == *thread && (range.first..=range.last).contains(&row.1.seq)
        };
        Ok(self.messages.iter().filter(within).map(|(_, row)| row.clone()).collect())
    }

    fn key_holder(
        &mut self,
        thread: &ThreadId,
        key: &DedupeKey,
    ) -> Result<Option<DispatchId>, Infallible> {
        let holder = self.dispatches.values().find(|dispatch| {
            dispatch.thread_id == *thread
                && dispatch.dedupe_key.as_ref() == Some(key)
                && !dispatch.state().is_terminal()
        });
        Ok(holder.map(|dispatch| dispatch.id))
    }

    fn submission(
        &mut self,
        thread: &ThreadId,
        key: &IdempotencyKey,
    ) -> Result<Option<Submitted>, Infallible> {
        Ok(self.submissions.get(&(thread.clone(), key.clone())).cloned())
    }
}
