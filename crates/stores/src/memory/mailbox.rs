//! What belongs to one thread alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::HashMap;
use postroom_core::command::Submitted;
use postroom_core::dispatch::{Dispatch, DispatchStatus, Priority};
use postroom_core::event::{Event, EventBody, SharedEvent};
use postroom_core::id::{DedupeKey, DispatchId, IdempotencyKey, MessageId, RunId};
use postroom_core::mailbox::PendingWrite;
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

use super::own::Own;
use super::shelf::Shelf;

/// The answer to a submission, kept for its repetition.
pub(super) struct Answer {
    pub(super) submitted: Submitted,
    pub(super) at: Timestamp,
}

/// An event as it is kept: the shelf knows its number, and the mailbox its thread. There are several for
/// each run: by themselves, with all they say and a count of their readers, they would be half of the store.
struct KeptEvent {
    run_id: Option<RunId>,
    at: Timestamp,
    body: EventBody,
}

/// The numbers of a dispatch that is due and of the run that it delivers: who claims it needs both.
#[derive(Clone, Copy, Default)]
pub(super) struct Due {
    pub(super) dispatch: u64,
    pub(super) run: u64,
}

/// One thread's rows. Message ids and keys are chosen by users: their maps are seeded.
pub(super) struct MailboxRows {
    pub(super) thread: Arc<Thread>,
    /// Orders threads by when they came.
    pub(super) number: u64,
    /// By `seq`.
    pub(super) log: Shelf<LogMessage>,
    /// `seq` of each message in the log.
    pub(super) seqs: HashMap<MessageId, u64>,
    /// By `seq`; purged from the front.
    events: Shelf<KeptEvent>,
    /// What is claimed: kept apart from the thread's own pointer, to check it.
    pub(super) claimed: Option<DispatchId>,
    /// What is queued and due, in order of the queue.
    pub(super) due: BTreeMap<(Priority, u64, DispatchId), Due>,
    /// The numbers of what is queued for later, by time.
    pub(super) delayed: BTreeMap<(Timestamp, u64, DispatchId), u64>,
    /// By position. Short: every command that looks at one looks at all.
    pub(super) pending: Vec<Pending>,
    /// The queued or claimed dispatch that has each key.
    pub(super) key_holders: HashMap<DedupeKey, DispatchId>,
    pub(super) answers: HashMap<IdempotencyKey, Answer>,
    pub(super) runs: Own,
    pub(super) dispatches: Own,
}

impl MailboxRows {
    pub(super) fn new(thread: Arc<Thread>, number: u64) -> Self {
        Self {
            thread,
            number,
            log: Shelf::default(),
            seqs: HashMap::default(),
            events: Shelf::default(),
            claimed: None,
            due: BTreeMap::new(),
            delayed: BTreeMap::new(),
            pending: Vec::new(),
            key_holders: HashMap::default(),
            answers: HashMap::default(),
            runs: Own::default(),
            dispatches: Own::default(),
        }
    }

    /// The dispatch of this number is now as it says; `run_number` tells its run's.
    pub(super) fn index(
        &mut self,
        number: u64,
        dispatch: &Dispatch,
        run_number: impl FnOnce(&Self) -> Option<u64>,
    ) {
        match dispatch.status {
            DispatchStatus::Queued { due: true } => {
                let run = run_number(self).unwrap_or_default();
                let key = (dispatch.priority, dispatch.ordinal, dispatch.id);
                self.due.insert(key, Due { dispatch: number, run });
            }
            DispatchStatus::Queued { due: false } => {
                let key = (dispatch.available_at, dispatch.ordinal, dispatch.id);
                self.delayed.insert(key, number);
            }
            DispatchStatus::Claimed { .. } => self.claimed = Some(dispatch.id),
            _ => {}
        }
        if let Some(key) = &dispatch.dedupe_key
            && !dispatch.state().is_terminal()
        {
            self.key_holders.insert(key.clone(), dispatch.id);
        }
    }

    /// A dispatch is no longer as it says.
    pub(super) fn unindex(&mut self, dispatch: &Dispatch) {
        match dispatch.status {
            DispatchStatus::Queued { due: true } => {
                self.due.remove(&(dispatch.priority, dispatch.ordinal, dispatch.id));
            }
            DispatchStatus::Queued { due: false } => {
                self.delayed.remove(&(dispatch.available_at, dispatch.ordinal, dispatch.id));
            }
            DispatchStatus::Claimed { .. } if self.claimed == Some(dispatch.id) => {
                self.claimed = None;
            }
            _ => {}
        }
        if let Some(key) = &dispatch.dedupe_key
            && self.key_holders.get(key) == Some(&dispatch.id)
        {
            self.key_holders.remove(key);
        }
    }

    /// The numbers of the runs that a command is most likely about; the last one is what starts next.
    pub(super) fn likely_runs(&self) -> [u64; 3] {
        let [newest, changed] = self.runs.likely();
        [newest, changed, self.head().run]
    }

    /// The same of the dispatches.
    pub(super) fn likely_dispatches(&self) -> [u64; 3] {
        let [newest, changed] = self.dispatches.likely();
        [newest, changed, self.head().dispatch]
    }

    fn head(&self) -> Due {
        self.due.values().next().copied().unwrap_or_default()
    }

    /// `seq` of the newest event.
    pub(super) fn event_seq(&self) -> u64 {
        self.events.newest()
    }

    /// Keeps an event, which is the next one.
    pub(super) fn append_event(&mut self, event: &Event) {
        let Event { run_id, at, body, .. } = event;
        self.events.push(KeptEvent { run_id: run_id.clone(), at: *at, body: body.clone() });
    }

    /// The events after `seq`, in order.
    pub(super) fn events_after(&self, seq: u64, limit: usize) -> Vec<SharedEvent> {
        let event = |(seq, KeptEvent { run_id, at, body }): (u64, &KeptEvent)| {
            let (thread_id, run_id) = (self.thread.id.clone(), run_id.clone());
            Arc::new(Event { seq, thread_id, run_id, at: *at, body: body.clone() })
        };
        self.events.above(seq).take(limit).map(event).collect()
    }

    /// Deletes up to `limit` events from the front, as far as they are older; says how many.
    pub(super) fn purge_events(&mut self, older_than: Timestamp, limit: usize) -> usize {
        let oldest = self.events.above(0).take(limit);
        let old = oldest.take_while(|(_, event)| event.at < older_than);
        let old: Vec<u64> = old.map(|(seq, _)| seq).collect();
        for seq in &old {
            self.events.remove(*seq);
        }
        old.len()
    }

    pub(super) fn append_message(&mut self, message: LogMessage) {
        self.seqs.insert(message.message.id.clone(), message.seq);
        self.log.push(message);
    }

    /// Positions may be swapped, so the order is made when all is written.
    pub(super) fn write_pending(&mut self, writes: Vec<PendingWrite>) {
        for write in writes {
            match write {
                PendingWrite::Put(pending) => {
                    let id = &pending.message.id;
                    match self.pending.iter_mut().find(|other| other.message.id == *id) {
                        Some(place) => *place = pending,
                        None => self.pending.push(pending),
                    }
                }
                PendingWrite::Remove(id) => self.pending.retain(|other| other.message.id != id),
            }
        }
        self.pending.sort_by_key(|pending| pending.position);
    }
}
