//! What must hold once all is healed and everything has had its time.

use std::collections::BTreeMap;
use std::sync::Arc;

use postroom_conformance::front::at_once;
use postroom_core::command::Mode;
use postroom_core::dispatch::DispatchState;
use postroom_core::event::EventBody;
use postroom_core::id::{MessageId, RunId, ThreadId};
use postroom_core::message::{LogMessage, Role};
use postroom_core::ports::{MailboxStore, RunFilter};
use postroom_core::report::{Report, ReportAs};
use postroom_core::run::{Run, RunStatus, Termination, WaitReason};
use serde_json::json;

use crate::clients::reader::Reader;
use crate::letters::{Answer, token_of};
use crate::trace::Brief;
use crate::world::World;

/// What is not quiet yet; `None` if all is.
pub(crate) fn unrest(world: &World, readers: &[Arc<Reader>]) -> Option<String> {
    let ledger = world.ledger.lock();
    if let Some(attempt) = ledger.running().next() {
        return Some(format!("run {} executes on {}", Brief(&attempt.run_id), attempt.node));
    }
    drop(ledger);
    let runs = all_runs(world);
    if let Some(run) = runs.iter().find(|run| !rests(run)) {
        let (id, thread_id, status) = (Brief(&run.id), &run.thread_id, &run.status);
        return Some(format!("run {id} of {thread_id} is {status:?}"));
    }
    if let Some(run) = runs.iter().find(|run| run.report == Report::Owed) {
        return Some(format!("run {} of {} owes a report", Brief(&run.id), run.thread_id));
    }
    let depth = at_once(world.store.depth()).unwrap_or_default();
    let unfinished = [DispatchState::Queued, DispatchState::Claimed].map(|state| depth.get(state));
    if unfinished != [0, 0] {
        return Some(format!("queued and claimed: {unfinished:?}"));
    }
    readers.iter().find_map(|reader| {
        let thread = at_once(world.store.thread(&reader.thread_id)).ok()??;
        let (seen, all) = (reader.seen(), thread.event_seq);
        (seen != all).then(|| format!("a reader of {} has {seen} of {all}", reader.thread_id))
    })
}

/// Done, or waiting for something that has a name and may never come.
fn rests(run: &Run) -> bool {
    match &run.status {
        RunStatus::Done { .. } => true,
        RunStatus::Created | RunStatus::Running => false,
        RunStatus::Waiting { reason, .. } => match reason {
            // The person decides them all in the end, time passes by itself, and a task ends, if
            // only with its process.
            WaitReason::ToolPermission | WaitReason::RateLimit | WaitReason::BackgroundTasks => {
                false
            }
            WaitReason::UserInput | WaitReason::ExternalEvent | WaitReason::ManualPause => true,
        },
    }
}

/// Checks the whole.
pub(crate) fn check(world: &World, readers: &[Arc<Reader>]) {
    super::look_at_all(world);
    let mut threads: BTreeMap<ThreadId, Vec<LogMessage>> = BTreeMap::new();
    for run in all_runs(world) {
        let id = run.thread_id.clone();
        let log = || at_once(world.store.messages(&run.thread_id, 0, usize::MAX));
        let log = threads.entry(id).or_insert_with(|| log().unwrap_or_default());
        known_to_its_executor(world, &run, log);
        written(world, &run.id, log);
        reported(world, &run);
    }
    for (thread_id, log) in &threads {
        in_order(world, thread_id, log);
    }
    readers.iter().for_each(|_| world.mark("reader caught up"));
}

/// 8: what a run took in, and what was its input, the attempt that ended it well has read.
fn known_to_its_executor(world: &World, run: &Run, log: &[LogMessage]) {
    let ledger = world.ledger.lock();
    let Some(book) = ledger.runs.get(&run.id) else { return };
    let attempt = &ledger.attempts[book.last];
    let ended_well = run.termination() == Some(&Termination::NaturalEnd);
    if !ended_well || !attempt.reads {
        return;
    }
    let own = log.iter().filter(|row| row.run_id == run.id && row.message.role == Role::User);
    let unread: Vec<&MessageId> =
        own.map(|row| &row.message.id).filter(|id| !attempt.seen.contains(id)).collect();
    if !unread.is_empty() {
        let (id, claim) = (Brief(&run.id), attempt.claim);
        let facts = format!("run {id} ended under claim {claim} without having read {unread:?}");
        drop(ledger);
        world.broken(8, facts);
    }
}

/// 1: a commit that was confirmed is in the log.
fn written(world: &World, run_id: &RunId, log: &[LogMessage]) {
    let confirmed = world.ledger.lock().runs.get(run_id).map(|book| book.written.clone());
    for id in confirmed.unwrap_or_default() {
        if !log.iter().any(|row| row.message.id == id) {
            world.broken(1, format!("message {id} was committed, and is not in the log"));
        }
    }
}

/// The run that a letter was read by, and the one that it was for.
type Joined<'a> = (&'a RunId, &'a Option<RunId>);

/// 4: whoever wanted to hear of the run's end has heard, and of each end once; and no run goes on for
/// somebody who has ended.
fn reported(world: &World, run: &Run) {
    let Some(to) = &run.spec.report_to else { return };
    let id = Brief(&run.id);
    match &to.as_ {
        ReportAs::Task { run_id } => {
            let parent = at_once(world.store.run(run_id)).ok().flatten();
            let parent_is_done = parent.is_none_or(|parent| parent.is_done());
            if parent_is_done && !run.is_done() {
                world.broken(4, format!("run {id} goes on, and the one it is for has ended"));
            }
            if run.termination() == Some(&Termination::Cancelled) {
                world.mark("child cancelled with its parent");
            }
        }
        ReportAs::Message => {
            let told = told_of(world, &to.thread_id, &run.id);
            let ends = ends_of(world, run);
            // An end that a dead letter's run started over from may have been passed over.
            if told > ends || (run.is_done() && told == 0) {
                world.broken(4, format!("run {id} ended {ends} times, and {told} were told"));
            }
            if told > 0 {
                world.mark("report came as a message");
            }
        }
    }
}

/// How many messages of the thread tell of the run's end.
fn told_of(world: &World, thread_id: &ThreadId, run_id: &RunId) -> usize {
    let name = json!(run_id.to_string());
    let log = at_once(world.store.messages(thread_id, 0, usize::MAX)).unwrap_or_default();
    let pending = at_once(world.store.pending(thread_id)).unwrap_or_default();
    let logged = log.iter().map(|row| &row.message);
    let all = logged.chain(pending.iter().map(|pending| &pending.message));
    all.filter(|message| message.metadata.get("run_id") == Some(&name)).count()
}

fn ends_of(world: &World, run: &Run) -> usize {
    let events = at_once(world.store.events(&run.thread_id, 0, usize::MAX)).unwrap_or_default();
    let of_run = events.iter().filter(|event| event.run_id.as_ref() == Some(&run.id));
    of_run.filter(|event| matches!(event.body, EventBody::RunFinished { .. })).count()
}

/// 1: a sender's letters of one kind are in the log in the order in which they were sent: those
/// that one run took in, and those that became runs of their own. (A letter that joins a run is read
/// when that run next reads, which may be before or after another run does; and one whose run is
/// cancelled before it starts goes into the log at once.)
fn in_order(world: &World, thread_id: &ThreadId, log: &[LogMessage]) {
    if world.shape.reorders {
        return;
    }
    let rows: BTreeMap<usize, &LogMessage> =
        log.iter().filter_map(|row| Some((token_of(&row.message)?, row))).collect();
    let letters = world.letters.lock();
    let mut last: BTreeMap<(usize, bool, Option<Joined<'_>>), (usize, u64)> = BTreeMap::new();
    for (token, letter) in letters.of_thread(thread_id) {
        let (Some(mode), Some(row)) = (letter.order, rows.get(&token)) else { continue };
        if letter.answer != Answer::Accepted {
            continue;
        }
        let steers = mode == Mode::Steer;
        let started = at_once(world.store.run(&row.run_id)).ok().flatten();
        let started = started.is_some_and(|run| run.started_at.is_some());
        let joined = match (letter.own_run, started) {
            (false, _) => Some((&row.run_id, &letter.run_id)),
            (true, true) => None,
            (true, false) => continue,
        };
        let before = last.insert((letter.sender, steers, joined), (token, row.seq));
        if let Some((earlier, at)) = before.filter(|(_, at)| *at > row.seq) {
            let seq = row.seq;
            let facts =
                format!("{thread_id}: m{token} is at {seq}, m{earlier} sent before it at {at}");
            world.broken(1, facts);
        }
    }
}

pub(crate) fn all_runs(world: &World) -> Vec<Run> {
    let page = at_once(world.store.runs(&RunFilter::default(), usize::MAX, None));
    page.map(|page| page.items).unwrap_or_default()
}
