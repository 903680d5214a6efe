//! What must hold of any store, at any commit: those of the design's nine invariants that a store
//! can show.
//!
//! [`violations`] looks at one thread at one moment; [`Watcher`] at how it got there.
//! (That nothing written with a stale claim is ever visible, 3, is seen only by who holds the stale
//! claims: the cases do.)

use std::collections::{HashMap, HashSet};

use postroom_core::dispatch::{Dispatch, DispatchState, DispatchStatus};
use postroom_core::error::StoreError;
use postroom_core::event::EventBody;
use postroom_core::id::{DispatchId, RunId, ThreadId};
use postroom_core::ports::MailboxStore;
use postroom_core::report::Report;
use postroom_core::run::{Run, RunState, WaitReason};
use postroom_core::thread::{Readiness, Thread};

use crate::snapshot::Snapshot;

/// A broken invariant, in words; empty is what one wants.
pub type Violations = Vec<String>;

/// Reads the threads and says which invariants do not hold in them. Nothing else may write
/// meanwhile.
///
/// # Errors
/// What a read failed with.
pub async fn check_invariants(
    store: &dyn MailboxStore,
    thread_ids: &[ThreadId],
) -> Result<Violations, StoreError> {
    let mut found = Vec::new();
    for thread_id in thread_ids {
        found.extend(violations(&Snapshot::read(store, thread_id).await?));
    }
    Ok(found)
}

/// The invariants that do not hold in a thread at this moment.
pub fn violations(snapshot: &Snapshot) -> Violations {
    violations_without(snapshot, &HashSet::new())
}

/// The same where some runs were collected.
fn violations_without(snapshot: &Snapshot, collected: &HashSet<RunId>) -> Violations {
    let mut check = Check { snapshot, collected, found: Vec::new() };
    let Some(thread) = &snapshot.thread else {
        check.that(
            snapshot.runs.is_empty()
                && snapshot.dispatches.is_empty()
                && snapshot.messages.is_empty()
                && snapshot.pending.is_empty()
                && snapshot.events.is_empty(),
            || "9: rows without a thread".to_owned(),
        );
        return check.found;
    };
    check.logs(thread);
    check.claims(thread);
    check.queue(thread);
    check.runs(thread);
    check.dispatches(thread);
    check.pending(thread);
    let id = &thread.id;
    check.found.into_iter().map(|violation| format!("thread {id}: {violation}")).collect()
}

struct Check<'s> {
    snapshot: &'s Snapshot,
    collected: &'s HashSet<RunId>,
    found: Violations,
}

impl<'s> Check<'s> {
    fn that(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.found.push(otherwise());
        }
    }

    fn run(&self, id: &RunId) -> Option<&'s Run> {
        self.snapshot.runs.iter().find(|run| run.id == *id)
    }

    fn in_state(&self, state: DispatchState) -> impl Iterator<Item = &'s Dispatch> + use<'s> {
        self.snapshot.dispatches.iter().filter(move |dispatch| dispatch.state() == state)
    }

    /// 1, 7: both logs are gapless, and no message is in them twice.
    fn logs(&mut self, thread: &Thread) {
        let Snapshot { messages, events, pending, .. } = self.snapshot;
        let gapless = messages.iter().zip(1..).all(|(message, seq)| message.seq == seq);
        self.that(gapless, || "7: the messages have a gap".to_owned());
        let gapless = events.iter().zip(1..).all(|(event, seq)| event.seq == seq);
        self.that(gapless, || "7: the events have a gap".to_owned());
        let counted = (messages.len() as u64, events.len() as u64);
        self.that(counted == (thread.message_seq, thread.event_seq), || {
            format!("7: the logs have {counted:?} rows, and the thread says otherwise")
        });
        let ids = messages.iter().map(|message| &message.message.id);
        let ids = ids.chain(pending.iter().map(|pending| &pending.message.id));
        let mut seen = HashSet::new();
        for id in ids {
            self.that(seen.insert(id), || format!("1: message {id} is there twice"));
        }
        let committed: Vec<_> = events
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::MessageCommitted { message_seq, message_id, .. } => {
                    Some((*message_seq, message_id))
                }
                _ => None,
            })
            .collect();
        let logged: Vec<_> = messages.iter().map(|row| (row.seq, &row.message.id)).collect();
        self.that(committed == logged, || "7: the log is not what the events tell".to_owned());
    }

    /// 2: at most one claim, and the thread knows it.
    fn claims(&mut self, thread: &Thread) {
        let claimed: Vec<DispatchId> =
            self.in_state(DispatchState::Claimed).map(|dispatch| dispatch.id).collect();
        self.that(claimed.len() <= 1, || format!("2: claimed at once: {claimed:?}"));
        self.that(claimed.first() == thread.claimed_dispatch_id.as_ref(), || {
            format!("9: {claimed:?} is claimed, the thread says {:?}", thread.claimed_dispatch_id)
        });
        let executing = self.in_state(DispatchState::Claimed).next();
        if let Some(claim) = executing.and_then(Dispatch::claim) {
            self.that(claim.number == thread.claim_number, || {
                format!("3: claim {claim} is not the newest, {}", thread.claim_number)
            });
        }
        if let Some(active) = &thread.active_run_id {
            self.that(executing.is_some_and(|dispatch| dispatch.run_id == *active), || {
                format!("9: run {active} is active, and its dispatch is not claimed")
            });
        }
    }

    /// 9: counters and readiness say what the queue is.
    fn queue(&mut self, thread: &Thread) {
        let queued: Vec<&Dispatch> = self.in_state(DispatchState::Queued).collect();
        self.that(queued.len() as u64 == thread.queued, || {
            format!("9: {} are queued, the thread says {}", queued.len(), thread.queued)
        });
        for dispatch in &queued {
            self.that(dispatch.epoch == thread.epoch, || {
                format!("5: {} is queued, and its epoch is over", dispatch.id)
            });
        }
        let due = |dispatch: &&&Dispatch| dispatch.status == DispatchStatus::Queued { due: true };
        let head = queued.iter().filter(due).min_by_key(|dispatch| dispatch.queue_key());
        let first = queued.iter().map(|dispatch| dispatch.available_at).min();
        let fits = match (&thread.readiness, thread.claimed_dispatch_id, head, first) {
            (Readiness::Busy, Some(_), _, _) | (Readiness::Idle, None, None, None) => true,
            (Readiness::Ready { priority, agent_id, .. }, None, Some(head), _) => {
                *priority == head.priority && *agent_id == head.agent_id
            }
            (Readiness::Delayed { until }, None, None, Some(first)) => *until == first,
            _ => false,
        };
        self.that(fits, || {
            format!("9: readiness is {:?}, and the queue is {queued:#?}", thread.readiness)
        });
    }

    /// 4, 9: an unfinished run is on its way or waits for something that has a name.
    fn runs(&mut self, thread: &Thread) {
        for run in &self.snapshot.runs {
            let id = &run.id;
            let delivered = self
                .snapshot
                .dispatches
                .iter()
                .filter(|dispatch| dispatch.run_id == *id && !dispatch.state().is_terminal())
                .count();
            self.that(delivered <= 1, || format!("9: run {id} is delivered twice at once"));
            let fits = match run.report {
                Report::None => true,
                Report::Wanted => !run.is_done(),
                Report::Owed => run.is_done() || run.spec.webhook.is_some(),
            };
            self.that(fits, || {
                format!("9: the report of run {id} is {:?}, it is {}", run.report, run.run_state())
            });
            match run.run_state() {
                RunState::Done => {
                    self.that(delivered == 0, || format!("5: run {id} ended, and may yet start"));
                    self.that(!run.has_open_ticket(), || format!("9: run {id} ended, and asks"));
                }
                RunState::Created | RunState::Running => {
                    self.that(delivered == 1, || format!("4: run {id} is stuck"));
                }
                RunState::Waiting if delivered == 0 => {
                    let waits_for_something = match run.wait_reason() {
                        Some(WaitReason::ToolPermission) => run.has_open_ticket(),
                        _ => true,
                    };
                    self.that(waits_for_something, || format!("4: run {id} waits for nothing"));
                }
                RunState::Waiting => {}
            }
            for range in &run.input {
                let there = (range.first..=range.last).all(|seq| {
                    self.snapshot.messages.iter().any(|row| row.seq == seq && row.run_id == *id)
                });
                self.that(there, || format!("1: input {range:?} of run {id} is not in the log"));
            }
        }
        for message in &self.snapshot.messages {
            let is_known =
                self.run(&message.run_id).is_some() || self.collected.contains(&message.run_id);
            self.that(is_known, || format!("9: message {} is of an unknown run", message.seq));
        }
        let open = thread.open_run_id.as_ref();
        self.that(open.is_none_or(|id| self.run(id).is_some_and(|run| !run.is_done())), || {
            format!("9: the open run {open:?} has ended, or is none")
        });
        let newest = self.snapshot.runs.first().map(|run| &run.id);
        self.that(newest == thread.latest_run_id.as_ref(), || {
            format!("9: the newest run is {newest:?}, the thread says {:?}", thread.latest_run_id)
        });
    }

    /// 6, 9: budgets hold, and each dispatch fits its run.
    fn dispatches(&mut self, thread: &Thread) {
        for dispatch in &self.snapshot.dispatches {
            let id = dispatch.id;
            self.that(dispatch.attempt_count <= dispatch.max_attempts, || {
                format!("6: {id} has failed {} times", dispatch.attempt_count)
            });
            self.that(dispatch.epoch <= thread.epoch, || format!("5: {id} is of a later epoch"));
            let run = self.run(&dispatch.run_id);
            // What is left of a collected run may have another's name by now, which began later.
            let is_left = run.is_none_or(|run| run.created_at > dispatch.created_at);
            if is_left && self.collected.contains(&dispatch.run_id) {
                continue;
            }
            let Some(run) = run else {
                self.found.push(format!("9: dispatch {id} is of an unknown run"));
                continue;
            };
            self.that(run.agent_id == dispatch.agent_id, || {
                format!("9: {id} is for another agent")
            });
            if !dispatch.state().is_terminal() {
                self.that(run.dispatch_id == Some(id), || {
                    format!("9: {id} is unfinished, and not its run's newest")
                });
            }
            if dispatch.status == (DispatchStatus::DeadLetter { requeued_as: None }) {
                self.that(run.is_done(), || format!("6: {id} is dead, its run is not"));
            }
        }
    }

    /// 8: what is pending has somebody who will take it in.
    fn pending(&mut self, thread: &Thread) {
        let pending = &self.snapshot.pending;
        self.that(pending.len() as u64 == thread.pending, || {
            format!("9: {} are pending, the thread says {}", pending.len(), thread.pending)
        });
        let ordered = pending.windows(2).all(|pair| pair[0].position < pair[1].position);
        self.that(ordered, || "9: two pending messages share a place".to_owned());
        // A run that waits takes it in when it goes on.
        let unfinished = self.snapshot.runs.iter().any(|run| !run.is_done());
        for pending in pending {
            let taker = match &pending.target_run_id {
                Some(id) => self.run(id).is_some_and(|run| !run.is_done()),
                None => unfinished,
            };
            let id = &pending.message.id;
            self.that(taker, || format!("8: message {id} is pending, and nothing will take it in"));
        }
    }
}

/// Compares each look at a thread with the one before.
#[derive(Debug, Default)]
pub struct Watcher {
    before: HashMap<ThreadId, Snapshot>,
    /// Runs that were collected: they may be gone, and others may come under their names.
    collected: HashSet<RunId>,
}

impl Watcher {
    /// The invariants that do not hold now, or were broken since the last look.
    pub fn look(&mut self, now: Snapshot) -> Violations {
        let mut found = violations_without(&now, &self.collected);
        let Some(thread) = &now.thread else { return found };
        let id = thread.id.clone();
        if let Some(before) = self.before.get(&id) {
            let changes = changes(before, &now, &self.collected);
            found.extend(changes.into_iter().map(|violation| format!("thread {id}: {violation}")));
        }
        self.before.insert(id, now);
        found
    }

    /// The run was collected.
    pub fn collected(&mut self, id: &RunId) {
        self.collected.insert(id.clone());
    }

    /// The thread was removed: what comes under its name is another.
    pub fn forget(&mut self, id: &ThreadId) {
        self.before.remove(id);
    }
}

fn changes(before: &Snapshot, now: &Snapshot, collected: &HashSet<RunId>) -> Violations {
    let mut found = Violations::new();
    let mut that = |holds: bool, otherwise: &dyn Fn() -> String| {
        if !holds {
            found.push(otherwise());
        }
    };
    if let (Some(was), Some(is)) = (&before.thread, &now.thread) {
        that(was.epoch <= is.epoch, &|| format!("5: epoch {} after {}", is.epoch, was.epoch));
        that(was.claim_number <= is.claim_number, &|| "3: the claim number fell".to_owned());
    }
    that(now.messages.starts_with(&before.messages), &|| "1: the log was rewritten".to_owned());
    that(now.events.starts_with(&before.events), &|| "7: the events were rewritten".to_owned());
    for was in &before.dispatches {
        // A terminal one may be purged, and a dead letter may learn what it was requeued as.
        let is = now.dispatches.iter().find(|dispatch| dispatch.id == was.id);
        let state = is.map(Dispatch::state);
        let kept = !was.state().is_terminal() || state.is_none_or(|state| state == was.state());
        that(kept, &|| format!("5: {} was {}, and is {state:?}", was.id, was.state()));
        that(was.state().is_terminal() || is.is_some(), &|| format!("4: {} is gone", was.id));
    }
    for was in before.runs.iter().filter(|run| !collected.contains(&run.id)) {
        let is = now.runs.iter().find(|run| run.id == was.id);
        that(is.is_some(), &|| format!("4: run {} is gone", was.id));
        let requeued = now.dispatches.iter().any(|dispatch| {
            dispatch.run_id == was.id
                && matches!(dispatch.status, DispatchStatus::DeadLetter { requeued_as: Some(_) })
        });
        let ended_for_good = !was.is_done() || requeued || is.is_none_or(Run::is_done);
        that(ended_for_good, &|| format!("4: run {} had ended, and goes on", was.id));
    }
    found
}
