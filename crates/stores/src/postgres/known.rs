//! What a node knows of a mailbox that it has just written.
//!
//! A thread's `version` names one write: it is drawn at random. So a thread that still has the version
//! with which this node wrote it is as this node left it, with all of its mailbox, and nothing of it
//! has to be read again. (A number that counts would not do: what a server loses in a crash, another
//! node may write differently under the same number.)

use std::sync::Arc;

use postroom_core::dispatch::{Dispatch, DispatchStatus, Priority};
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::run::{Run, SeqRange};
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

use super::sheet::Sheet;
use super::slot::{Front, Slot};
use super::weight;

/// How much of a queue is kept, and of what is pending.
pub(super) const QUEUE_MAX: usize = 16;

/// How much a mailbox may weigh to be kept, in bytes: one with more is read again.
const WEIGHT_MAX: usize = 64 << 10;

/// One mailbox as far as it is known, all of it stored.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) no: i64,
    pub(super) version: i64,
    pub(super) thread: Arc<Thread>,
    /// The claimed dispatch, and the front of the queue.
    pub(super) dispatches: Vec<Arc<Dispatch>>,
    /// Their runs, and those that the thread points to.
    pub(super) runs: Vec<Arc<Run>>,
    pub(super) due: Front<(Priority, u64)>,
    pub(super) delayed: Front<(Timestamp, u64)>,
    pub(super) pending: Option<Vec<Pending>>,
    /// What the runs in the queue's front were given.
    pub(super) inputs: Vec<(SeqRange, Vec<LogMessage>)>,
    /// About how many bytes it takes.
    pub(super) weight: usize,
}

impl Known {
    /// What `sheet` knows of a mailbox that was written under `version`; nothing, where that is too
    /// much to be kept.
    pub(super) fn of(sheet: &Sheet, slot: &Slot, version: i64) -> Option<Self> {
        let thread = slot.thread.clone()?;
        let rows = slot.dispatches.iter().filter_map(|id| sheet.dispatches.get(id)?.clone());
        let (queued, claimed): (Vec<_>, Vec<_>) = rows
            .filter(|dispatch| !dispatch.state().is_terminal())
            .partition(|dispatch| matches!(dispatch.status, DispatchStatus::Queued { .. }));
        let (due, delayed): (Vec<_>, Vec<_>) = queued
            .into_iter()
            .partition(|dispatch| dispatch.status == DispatchStatus::Queued { due: true });
        let (queued, due) = kept(due, &slot.due, Dispatch::queue_key);
        let (later, delayed) =
            kept(delayed, &slot.delayed, |dispatch| (dispatch.available_at, dispatch.ordinal));
        let dispatches: Vec<_> = claimed.into_iter().chain(queued).chain(later).collect();
        let runs = runs_of(sheet, &thread, &dispatches);
        let inputs = inputs_of(slot, &thread, &runs);
        let pending = slot.pending.clone().filter(|pending| pending.len() <= QUEUE_MAX);
        let weight = weight::of_thread(&thread)
            + dispatches.iter().map(|one| weight::of_dispatch(one)).sum::<usize>()
            + runs.iter().map(|one| weight::of_run(one)).sum::<usize>()
            + of_messages(pending.as_deref(), &inputs)?;
        let no = slot.no;
        (weight <= WEIGHT_MAX).then_some(Self {
            no,
            version,
            thread,
            dispatches,
            runs,
            due,
            delayed,
            pending,
            inputs,
            weight,
        })
    }
}

/// About how many bytes the messages take; nothing where something in them is not measured.
fn of_messages(
    pending: Option<&[Pending]>,
    inputs: &[(SeqRange, Vec<LogMessage>)],
) -> Option<usize> {
    let pending = pending.into_iter().flatten().map(weight::of_pending);
    let inputs = inputs.iter().flat_map(|(_, messages)| messages);
    pending.chain(inputs.map(|one| weight::of_message(&one.message))).sum()
}

/// The runs of `dispatches`, and those that the thread points to, as far as they are known.
fn runs_of(sheet: &Sheet, thread: &Thread, dispatches: &[Arc<Dispatch>]) -> Vec<Arc<Run>> {
    let pointed =
        [&thread.active_run_id, &thread.open_run_id, &thread.latest_run_id, &thread.ended_run_id];
    let mut runs: Vec<Arc<Run>> = Vec::with_capacity(dispatches.len() + pointed.len());
    let of_dispatches = dispatches.iter().map(|dispatch| &dispatch.run_id);
    for id in of_dispatches.chain(pointed.into_iter().flatten()) {
        if let Some(Some(run)) = sheet.runs.get(id)
            && !runs.iter().any(|known| known.id == *id)
        {
            runs.push(run.clone());
        }
    }
    runs
}

/// What those of `runs` were given that have not started.
fn inputs_of(slot: &Slot, thread: &Thread, runs: &[Arc<Run>]) -> Vec<(SeqRange, Vec<LogMessage>)> {
    let is_active = |run: &Run| Some(&run.id) == thread.active_run_id.as_ref();
    let waiting = runs.iter().filter(|run| !run.is_done() && !is_active(run));
    let ranges = waiting.flat_map(|run| run.input.iter().copied());
    ranges.filter_map(|range| Some((range, slot.log.range(range).ok()?))).collect()
}

/// The first of what is known of a queue, and how far it reaches.
fn kept<K: Ord + Clone>(
    mut known: Vec<Arc<Dispatch>>,
    front: &Front<K>,
    key: impl Fn(&Dispatch) -> K,
) -> (Vec<Arc<Dispatch>>, Front<K>) {
    known.retain(|dispatch| front.reaches(&key(dispatch)));
    known.sort_by_key(|dispatch| key(dispatch));
    let is_whole = front.is_whole() && known.len() <= QUEUE_MAX;
    known.truncate(QUEUE_MAX);
    let front = match known.last() {
        _ if is_whole => Front::Whole,
        Some(last) => Front::UpTo(key(last), known.len()),
        None => Front::Unread,
    };
    (known, front)
}
