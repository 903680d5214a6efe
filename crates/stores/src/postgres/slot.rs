//! What a transaction knows of one mailbox.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use postroom_core::command::Submitted;
use postroom_core::dispatch::{Dispatch, Priority};
use postroom_core::id::{DedupeKey, DispatchId, IdempotencyKey, MessageId, RunId};
use postroom_core::message::{LogMessage, Metadata};
use postroom_core::pending::Pending;
use postroom_core::run::SeqRange;
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

use super::known::Known;

/// One mailbox, as far as it is known.
#[derive(Debug)]
pub(super) struct Slot {
    /// The thread's number; the one it will have, if it is not there.
    pub(super) no: i64,
    /// Names the write that left the stored mailbox as it is.
    pub(super) version: i64,
    /// Whether this node knew the mailbox: it wrote it last, and will most likely write it next.
    pub(super) was_known: bool,
    /// The thread as it is now.
    pub(super) thread: Option<Arc<Thread>>,
    /// The thread as it is stored.
    pub(super) stored: Stored,
    /// Its dispatches that are known.
    pub(super) dispatches: Vec<DispatchId>,
    pub(super) due: Front<(Priority, u64)>,
    pub(super) delayed: Front<(Timestamp, u64)>,
    /// All that is pending, once it was read.
    pub(super) pending: Option<Vec<Pending>>,
    /// What was put, or taken away, before it was read.
    put_unread: Vec<(MessageId, Option<Pending>)>,
    pub(super) log: Log,
    pub(super) message_runs: HashMap<MessageId, Option<RunId>>,
    pub(super) key_holders: HashMap<DedupeKey, Option<DispatchId>>,
    pub(super) submissions: HashMap<IdempotencyKey, Option<Submitted>>,
    pub(super) believed: Believed,
}

/// What is taken for new without a look: a unique index refuses it, if it is not.
#[derive(Debug, Default)]
pub(super) struct Believed {
    pub(super) messages: HashSet<MessageId>,
    pub(super) keys: HashSet<IdempotencyKey>,
}

/// What of the stored thread decides how it is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    /// Whether it is there at all.
    pub(super) exists: bool,
    /// The dispatch that holds its claim.
    pub(super) claimed: Option<DispatchId>,
    /// What is still the same is not written again.
    pub(super) metadata: Arc<Metadata>,
}

impl Slot {
    /// A thread that was locked; nothing else of its mailbox is known yet.
    pub(super) fn of(no: i64, version: i64, thread: Arc<Thread>) -> Self {
        let stored = Stored {
            exists: true,
            claimed: thread.claimed_dispatch_id,
            metadata: thread.metadata.clone(),
        };
        let mut slot = Self::empty(no);
        slot.version = version;
        slot.log.stored = thread.message_seq;
        if thread.queued > 0 {
            (slot.due, slot.delayed) = (Front::Unread, Front::Unread);
        }
        if thread.pending > 0 {
            slot.pending = None;
        }
        slot.stored = stored;
        slot.thread = Some(thread);
        slot
    }

    /// A thread that is as it was known, and so is the rest of its mailbox.
    pub(super) fn of_known(known: &Known) -> Self {
        let mut slot = Self::of(known.no, known.version, known.thread.clone());
        slot.was_known = true;
        slot.dispatches = known.dispatches.iter().map(|dispatch| dispatch.id).collect();
        if known.thread.queued > 0 {
            (slot.due, slot.delayed) = (known.due.clone(), known.delayed.clone());
        }
        if known.thread.pending > 0 {
            slot.pending.clone_from(&known.pending);
        }
        for (range, messages) in &known.inputs {
            slot.log.was_read(*range);
            messages.iter().for_each(|message| slot.log.take(message.clone()));
        }
        slot
    }

    /// No thread, and so nothing else.
    pub(super) fn without_thread(no: i64) -> Self {
        Self::empty(no)
    }

    fn empty(no: i64) -> Self {
        Self {
            no,
            version: 0,
            was_known: false,
            thread: None,
            stored: Stored::default(),
            dispatches: Vec::new(),
            due: Front::Whole,
            delayed: Front::Whole,
            pending: Some(Vec::new()),
            put_unread: Vec::new(),
            log: Log::default(),
            message_runs: HashMap::new(),
            key_holders: HashMap::new(),
            submissions: HashMap::new(),
            believed: Believed::default(),
        }
    }

    /// Puts `put` in the place of the pending message `id`, or takes that away.
    pub(super) fn put_pending(&mut self, id: &MessageId, put: Option<Pending>) {
        let Some(pending) = &mut self.pending else {
            self.put_unread.push((id.clone(), put));
            return;
        };
        pending.retain(|other| other.message.id != *id);
        pending.extend(put);
        pending.sort_by_key(|pending| pending.position);
    }

    /// Takes what is stored of the pending messages, and puts over it what was changed before.
    pub(super) fn pending_was_read(&mut self, stored: Vec<Pending>) {
        if self.pending.is_none() {
            self.pending = Some(stored);
            for (id, put) in std::mem::take(&mut self.put_unread) {
                self.put_pending(&id, put);
            }
        }
    }

    /// Whether all that was believed to be new is written as new, so that the index checks it.
    pub(super) fn checks_beliefs(&self) -> bool {
        let Believed { messages, keys } = &self.believed;
        messages.iter().all(|id| matches!(self.message_runs.get(id), Some(Some(_))))
            && keys.iter().all(|key| matches!(self.submissions.get(key), Some(Some(_))))
    }

    /// Notes that all that is queued was read.
    pub(super) fn was_read_whole(&mut self) {
        (self.due, self.delayed) = (Front::Whole, Front::Whole);
    }
}

/// How much of an ordered queue was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Front<K> {
    /// Nothing.
    Unread,
    /// Its first rows, up to this key: what a command put behind it may have others before it.
    UpTo(K, usize),
    /// All of it.
    Whole,
}

impl<K: Ord> Front<K> {
    /// Whether all rows up to `key` are known.
    pub(super) fn reaches(&self, key: &K) -> bool {
        match self {
            Self::Unread => false,
            Self::UpTo(last, _) => key <= last,
            Self::Whole => true,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        *self == Self::Whole
    }

    /// How many rows to read where `limit` are wanted and too few are known: more each time.
    pub(super) fn read_more(&self, limit: usize) -> usize {
        match self {
            Self::UpTo(_, read) => read.saturating_mul(4).max(limit + 2),
            Self::Unread | Self::Whole => limit + 2,
        }
    }

    /// Notes that the first rows were read: `asked_for` of them, `keys` is what came.
    pub(super) fn was_read(&mut self, asked_for: usize, came: usize, last: Option<K>) {
        match last {
            Some(last) if came >= asked_for => *self = Self::UpTo(last, asked_for),
            _ => *self = Self::Whole,
        }
    }
}

/// The first `limit` of the rows by their key.
pub(super) fn first<K: Ord>(
    mut rows: Vec<Arc<Dispatch>>,
    limit: usize,
    key: impl Fn(&Dispatch) -> K,
) -> Vec<Arc<Dispatch>> {
    rows.sort_by_key(|dispatch| key(dispatch));
    rows.truncate(limit);
    rows
}

/// The part of a thread's log that is known.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// How many messages are stored.
    stored: u64,
    /// The stored ranges that were read.
    read: Vec<SeqRange>,
    messages: BTreeMap<u64, LogMessage>,
}

impl Log {
    /// A range of the log, or the stored part of it that must be read first.
    pub(super) fn range(&self, range: SeqRange) -> Result<Vec<LogMessage>, SeqRange> {
        let stored = SeqRange { first: range.first, last: range.last.min(self.stored) };
        let was_read =
            self.read.iter().any(|read| read.first <= stored.first && stored.last <= read.last);
        if stored.first <= stored.last && !was_read {
            return Err(stored);
        }
        Ok(self
            .messages
            .range(range.first..=range.last.max(range.first))
            .map(|(_, m)| m.clone())
            .collect())
    }

    /// Notes that a stored range was read.
    pub(super) fn was_read(&mut self, range: SeqRange) {
        self.read.push(range);
    }

    /// Takes a message in, stored or new.
    pub(super) fn take(&mut self, message: LogMessage) {
        self.messages.insert(message.seq, message);
    }
}
