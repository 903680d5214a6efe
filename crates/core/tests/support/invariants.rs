//! What must hold after every command.

use std::collections::{BTreeMap, BTreeSet};

use postroom_core::command::Activation;
use postroom_core::dispatch::{Dispatch, DispatchState, DispatchStatus};
use postroom_core::event::EventBody;
use postroom_core::id::{DispatchId, MessageId, RunId, ThreadId};
use postroom_core::message::LogMessage;
use postroom_core::pending::{Boundary, Pending};
use postroom_core::report::Report;
use postroom_core::run::{RunState, RunStatus, SeqRange, WaitReason};
use postroom_core::thread::{Readiness, Thread};

use super::Tables;

/// Checks the design's invariants on the tables.
pub fn check(tables: &Tables) {
    for thread in tables.threads.values() {
        check_thread(tables, thread);
    }
    check_runs(tables);
    check_dispatches(tables);
    check_fold(tables);
}

fn check_thread(tables: &Tables, thread: &Thread) {
    let of_thread = |dispatch: &&Dispatch| dispatch.thread_id == thread.id;
    let claimed: Vec<DispatchId> = tables
        .dispatches
        .values()
        .filter(of_thread)
        .filter(|dispatch| dispatch.state() == DispatchState::Claimed)
        .map(|dispatch| dispatch.id)
        .collect();
    assert!(claimed.len() <= 1, "two claims in {}", thread.id);
    assert_eq!(claimed.first().copied(), thread.claimed_dispatch_id);

    let queue = tables.queue(&thread.id);
    assert_eq!(queue.len() as u64, thread.queued, "queued is kept");
    let pending = tables.pending.keys().filter(|(id, _)| *id == thread.id).count();
    assert_eq!(pending as u64, thread.pending, "pending is kept");

    let log: Vec<u64> =
        tables.messages.iter().filter(|(id, _)| *id == thread.id).map(|(_, row)| row.seq).collect();
    assert_eq!(log, (1..=thread.message_seq).collect::<Vec<_>>(), "messages are gapless");
    let events: Vec<u64> = tables
        .events
        .iter()
        .filter(|event| event.thread_id == thread.id)
        .map(|event| event.seq)
        .collect();
    assert_eq!(events, (1..=thread.event_seq).collect::<Vec<_>>(), "events are gapless");
    let mut ids = BTreeSet::new();
    for (_, row) in tables.messages.iter().filter(|(id, _)| *id == thread.id) {
        assert!(ids.insert(row.message.id.clone()), "a message is in the log twice");
    }
    for (_, id) in tables.pending.keys().filter(|(id, _)| *id == thread.id) {
        assert!(!ids.contains(id), "a message is in the log and pending");
    }

    match &thread.readiness {
        Readiness::Busy => assert!(!claimed.is_empty()),
        Readiness::Idle => assert!(claimed.is_empty() && queue.is_empty()),
        Readiness::Ready { priority, agent_id, .. } => {
            assert!(claimed.is_empty());
            let head = queue
                .iter()
                .find(|dispatch| dispatch.status == DispatchStatus::Queued { due: true })
                .expect("a ready thread has a head");
            assert_eq!((*priority, agent_id), (head.priority, &head.agent_id));
        }
        Readiness::Delayed { until } => {
            assert!(claimed.is_empty());
            let first = queue.iter().map(|dispatch| dispatch.available_at).min();
            assert_eq!(Some(*until), first);
            let none_due =
                |dispatch: &&Dispatch| dispatch.status == DispatchStatus::Queued { due: false };
            assert!(queue.iter().all(none_due));
        }
    }
    let executing = thread.claimed_dispatch_id.map(|id| tables.dispatches[&id].run_id.clone());
    if let Some(active) = &thread.active_run_id {
        assert_eq!(Some(active), executing.as_ref(), "the active run is the claimed one");
    }
    if let Some(open) = &thread.open_run_id {
        assert!(!tables.runs[open].is_done(), "an open run is unfinished");
    }
    let untaken =
        tables.pending.iter().any(|((id, _), p)| *id == thread.id && p.target_run_id.is_none());
    let will_take = tables.runs.values().any(|run| {
        run.thread_id == thread.id && run.wait_reason() == Some(WaitReason::ToolPermission)
    });
    assert!(
        !untaken || will_take || !claimed.is_empty() || !queue.is_empty(),
        "steering is stuck in an idle thread"
    );
    if claimed.is_empty() && queue.is_empty() {
        check_answers(tables, thread);
    }
}

/// In an idle thread, what a waiting run may have of the pending messages, it has.
fn check_answers(tables: &Tables, thread: &Thread) {
    let mut pending: Vec<&Pending> =
        tables.pending.iter().filter(|((id, _), _)| *id == thread.id).map(|(_, p)| p).collect();
    pending.sort_by_key(|pending| pending.position);
    for run in tables.runs.values().filter(|run| run.thread_id == thread.id) {
        if matches!(run.wait_reason(), None | Some(WaitReason::ToolPermission)) {
            continue;
        }
        for pending in &pending {
            let is_its = pending.target_run_id.as_ref() == Some(&run.id);
            let may_take =
                (is_its || pending.target_run_id.is_none()) && pending.boundary != Boundary::NewRun;
            assert!(!is_its || !may_take, "{} waits, and does not get its message", run.id);
            if pending.barrier && !may_take {
                break;
            }
        }
    }
}

/// A run that begins has all of its input and, the first time, a state of its own or that of the
/// run before it.
pub fn check_activation(tables: &Tables, activation: &Activation) {
    let run = &activation.run;
    let mut input: Vec<&LogMessage> = tables
        .messages
        .iter()
        .filter(|(thread_id, row)| {
            let its = |range: &SeqRange| (range.first..=range.last).contains(&row.seq);
            *thread_id == run.thread_id && run.input.iter().any(its)
        })
        .map(|(_, row)| row)
        .collect();
    input.sort_by_key(|row| row.seq);
    assert_eq!(activation.input.iter().collect::<Vec<_>>(), input, "{} misses input", run.id);
    if run.attempt == 1 {
        let ended = tables.threads[&run.thread_id].ended_run_id.as_ref();
        let state = ended.and_then(|id| tables.runs.get(id)).and_then(|run| run.state.clone());
        assert!(run.state.is_some() || state.is_none(), "{} does not inherit its state", run.id);
    }
}

fn check_runs(tables: &Tables) {
    for run in tables.runs.values() {
        let unfinished: Vec<&Dispatch> = tables
            .dispatches
            .values()
            .filter(|d| d.run_id == run.id && !d.state().is_terminal())
            .collect();
        assert!(unfinished.len() <= 1, "a run has one unfinished dispatch at most");
        if let Some(dispatch) = unfinished.first() {
            assert_eq!(run.dispatch_id, Some(dispatch.id));
        }
        match run.report {
            Report::None => {}
            Report::Wanted => assert!(!run.is_done(), "{} is done: its report is owed", run.id),
            Report::Owed => assert!(
                run.is_done() || run.spec.webhook.is_some(),
                "{} owes a report before its end",
                run.id
            ),
        }
        match &run.status {
            RunStatus::Done { .. } => {
                assert!(unfinished.is_empty(), "{} is done and has a delivery", run.id);
                assert!(!run.has_open_ticket());
            }
            RunStatus::Created | RunStatus::Running => {
                assert_eq!(unfinished.len(), 1, "{} is {} and stuck", run.id, run.run_state());
            }
            RunStatus::Waiting { reason, tasks } => {
                let stuck = unfinished.is_empty()
                    && match reason {
                        WaitReason::ToolPermission => !run.has_open_ticket(),
                        WaitReason::BackgroundTasks => tasks.is_empty(),
                        _ => false,
                    };
                assert!(!stuck, "{} waits for nothing", run.id);
            }
        }
        for pending in tables.pending.values() {
            if pending.target_run_id.as_ref() == Some(&run.id) {
                assert!(!run.is_done(), "a message waits for a run that has ended");
            }
        }
    }
}

fn check_dispatches(tables: &Tables) {
    let mut depth = [0_i64; 6];
    for dispatch in tables.dispatches.values() {
        depth[dispatch.state() as usize] += 1;
        assert!(dispatch.attempt_count <= dispatch.max_attempts);
        let thread = &tables.threads[&dispatch.thread_id];
        assert!(dispatch.epoch <= thread.epoch);
        if dispatch.state() == DispatchState::Queued {
            assert_eq!(dispatch.epoch, thread.epoch, "an older epoch is never queued");
        }
        if let Some(claim) = dispatch.claim() {
            assert_eq!(claim.number, thread.claim_number);
        }
    }
    assert_eq!(depth, tables.depth, "depth is kept");
}

/// What the events alone say of a thread.
#[derive(Debug, Default, PartialEq)]
struct Story {
    epoch: u64,
    runs: BTreeMap<RunId, Told>,
    started: BTreeSet<RunId>,
    deliveries: BTreeMap<RunId, DispatchId>,
    committed: Vec<MessageId>,
    pending: BTreeSet<MessageId>,
}

#[derive(Debug, PartialEq, Clone, Copy)]
enum Told {
    Created,
    Running,
    Waiting,
    Done,
}

impl Story {
    fn hear(&mut self, run_id: Option<&RunId>, body: &EventBody) {
        let mut tell = |told: Told| {
            if let Some(run_id) = run_id {
                self.runs.insert(run_id.clone(), told);
            }
        };
        match body {
            EventBody::RunQueued { dispatch_id, .. } => {
                if let Some(run_id) = run_id {
                    self.deliveries.insert(run_id.clone(), *dispatch_id);
                    let started = self.started.contains(run_id);
                    let told = self.runs.entry(run_id.clone()).or_insert(Told::Created);
                    if *told == Told::Done {
                        // A dead letter's run that starts over.
                        *told = if started { Told::Running } else { Told::Created };
                    }
                }
            }
            EventBody::RunStarted { .. } | EventBody::RunResumed { .. } => {
                tell(Told::Running);
                self.started.extend(run_id.cloned());
            }
            EventBody::RunWaiting { .. } => tell(Told::Waiting),
            EventBody::RunFinished { .. } => tell(Told::Done),
            EventBody::RunInterrupted { epoch, .. } => self.epoch = epoch.0,
            EventBody::MessageCommitted { message_id, .. } => {
                self.pending.remove(message_id);
                self.committed.push(message_id.clone());
            }
            EventBody::MessagePending { message_id, .. } => {
                self.pending.insert(message_id.clone());
            }
            EventBody::MessageRetracted { message_id } => {
                self.pending.remove(message_id);
            }
            _ => {}
        }
    }

    fn of_tables(tables: &Tables, thread: &ThreadId) -> Self {
        let runs = tables.runs.values().filter(|run| run.thread_id == *thread);
        let told = |run: &postroom_core::run::Run| match run.run_state() {
            RunState::Created => Told::Created,
            RunState::Running => Told::Running,
            RunState::Waiting => Told::Waiting,
            RunState::Done => Told::Done,
        };
        Self {
            epoch: tables.threads[thread].epoch.0,
            started: runs
                .clone()
                .filter(|run| run.started_at.is_some())
                .map(|run| run.id.clone())
                .collect(),
            runs: runs.clone().map(|run| (run.id.clone(), told(run))).collect(),
            deliveries: runs.filter_map(|run| Some((run.id.clone(), run.dispatch_id?))).collect(),
            committed: tables
                .messages
                .iter()
                .filter(|(id, _)| id == thread)
                .map(|(_, row)| row.message.id.clone())
                .collect(),
            pending: tables
                .pending
                .keys()
                .filter(|(id, _)| id == thread)
                .map(|(_, id)| id.clone())
                .collect(),
        }
    }
}

/// The state equals the fold of the events that were emitted.
fn check_fold(tables: &Tables) {
    for thread in tables.threads.keys() {
        let mut story = Story::default();
        for event in tables.events.iter().filter(|event| event.thread_id == *thread) {
            story.hear(event.run_id.as_ref(), &event.body);
        }
        assert_eq!(story, Story::of_tables(tables, thread));
    }
}
