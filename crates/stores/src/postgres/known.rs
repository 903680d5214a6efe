//! What a node knows of a mailbox that it has just written.
//!
//! A thread's `version` names one write: it is drawn at random. So a thread that still has the version
//! with which this node wrote it is as this node left it, with all of its mailbox, and nothing of it
//! has to be read again. (A number that counts would not do: what a server loses in a crash, another
//! node may write differently under the same number.)

use std::sync::Arc;

use postroom_core::dispatch::{Dispatch, DispatchStatus, Priority};
use postroom_core::message::{Content, LogMessage};
use postroom_core::pending::Pending;
use postroom_core::run::{Run, SeqRange};
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;

use super::sheet::Sheet;
use super::slot::{Front, Slot};

/// How much of a queue is kept, and of what is pending.
pub(super) const QUEUE_MAX: usize = 16;

/// How much a mailbox may weigh to be kept, in bytes: one with more is read again.
const WEIGHT_MAX: usize = 64 << 10;

/// About how much a row weighs, in bytes, without its texts.
const ROW_WEIGHT: usize = 512;

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
        let (due, due_front) = kept(due, &slot.due, Dispatch::queue_key);
        let (delayed, delayed_front) =
            kept(delayed, &slot.delayed, |dispatch| (dispatch.available_at, dispatch.ordinal));

        let pointed = [
            &thread.active_run_id,
            &thread.open_run_id,
            &thread.latest_run_id,
            &thread.ended_run_id,
        ];
        let dispatches: Vec<_> = claimed.into_iter().chain(due).chain(delayed).collect();
        let mut runs: Vec<Arc<Run>> = Vec::with_capacity(dispatches.len() + pointed.len());
        let of_dispatches = dispatches.iter().map(|dispatch| &dispatch.run_id);
        for id in of_dispatches.chain(pointed.into_iter().flatten()) {
            if let Some(Some(run)) = sheet.runs.get(id)
                && !runs.iter().any(|known| known.id == *id)
            {
                runs.push(run.clone());
            }
        }
        let waiting = runs
            .iter()
            .filter(|run| !run.is_done() && Some(&run.id) != thread.active_run_id.as_ref());
        let ranges = waiting.flat_map(|run| run.input.iter().copied());
        let inputs: Vec<_> =
            ranges.filter_map(|range| Some((range, slot.log.range(range).ok()?))).collect();
        let pending = slot.pending.clone().filter(|pending| pending.len() <= QUEUE_MAX);

        let weight = (1 + dispatches.len()) * ROW_WEIGHT
            + runs.iter().map(|run| weight_of_run(run)).sum::<usize>()
            + pending.iter().flatten().map(|one| weight_of(&one.message.content)).sum::<usize>()
            + inputs
                .iter()
                .flat_map(|(_, messages)| messages)
                .map(|message| weight_of(&message.message.content))
                .sum::<usize>();
        let known = Self {
            no: slot.no,
            version,
            thread,
            dispatches,
            runs,
            due: due_front,
            delayed: delayed_front,
            pending,
            inputs,
            weight,
        };
        (weight <= WEIGHT_MAX).then_some(known)
    }
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

fn weight_of_run(run: &Run) -> usize {
    let text = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
    let state = run.state.as_ref().map_or(0, |state| state.as_json().len());
    ROW_WEIGHT + state + text(&run.output) + text(&run.error) + run.tickets.len() * ROW_WEIGHT
}

fn weight_of(content: &Content) -> usize {
    match content {
        Content::Text(text) => ROW_WEIGHT + text.len(),
        // Pictures and files may be in them: they are not measured, and not kept.
        Content::Blocks(_) => WEIGHT_MAX,
    }
}
