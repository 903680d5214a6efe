//! Reports: the end of a run owes what was asked for, until it is made good.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{
    CancelTarget, Command, Mode, Outcome, Reply, RunResult, Settle, Step, Submit, Wait,
};
use postroom_core::dispatch::Dispatch;
use postroom_core::error::Refusal;
use postroom_core::id::{DispatchId, RunId, ThreadId};
use postroom_core::ports::ReclaimScope;
use postroom_core::report::{Report, ReportAs, ReportId, ReportTo};
use postroom_core::run::{Run, RunSpec, WaitReason};

use crate::world::{LEASE, World, commit, said, thread};

/// A submission of a run whose end somebody wants to hear of.
fn wanted() -> Submit {
    let as_ = ReportAs::Task { run_id: RunId::parse("parent").expect("a name") };
    let report_to = Some(ReportTo { thread_id: thread("parent"), as_ });
    let spec = Arc::new(RunSpec { report_to, ..RunSpec::default() });
    Submit { spec, ..said(Mode::Enqueue, "begin") }
}

async fn owing(world: &World) -> Vec<RunId> {
    let owing = world.store.runs_owing_reports(None, 100).await.expect("a read");
    assert!(owing.iter().all(|run| run.report == Report::Owed), "{owing:#?}");
    owing.into_iter().map(|run| run.id).collect()
}

/// The report that the run's end owes, if that came about with `dispatch_id`.
async fn reported(world: &World, t: &ThreadId, run: &Run, dispatch_id: Option<DispatchId>) {
    let report = ReportId { dispatch_id, is_end: true, tickets: run.tickets.len() };
    let command = Command::Reported { run_id: run.id.clone(), report };
    assert_eq!(world.apply(t, command).await, Reply::Done);
}

/// From its acceptance to its end it is wanted, then owed, until it is made; that can be said twice.
pub async fn is_owed_until_it_is_made(world: World) {
    let t = thread("t");
    let submitted = world.submit(&t, wanted()).await;
    let run = world.run(&submitted.run_id).await;
    assert_eq!((run.report, &run.spec), (Report::Wanted, &wanted().spec));
    reported(&world, &t, &run, run.dispatch_id).await;
    assert_eq!(world.run(&run.id).await.report, Report::Wanted, "it is not owed yet");

    let active = world.start(&t).await;
    assert!(owing(&world).await.is_empty());
    let settled = world.ack(&t, &active.claim).await;
    assert_eq!(settled.run.report, Report::Owed);
    assert_eq!(owing(&world).await, from_ref(&run.id));
    world.snapshot(&t).await;

    reported(&world, &t, &run, None).await;
    assert_eq!(owing(&world).await, from_ref(&run.id), "that was another end");
    for _ in 0..2 {
        reported(&world, &t, &run, run.dispatch_id).await;
        assert_eq!(world.run(&run.id).await.report, Report::None);
        assert!(owing(&world).await.is_empty());
    }
    world.snapshot(&t).await;
}

/// Somebody outside hears of each wait that he could end, and of the end; what was overtaken by the next
/// is not crossed out with it.
pub async fn is_owed_for_waits_to_an_address(world: World) {
    let t = thread("t");
    let spec = RunSpec { webhook: Some("https://example.org".to_owned()), ..RunSpec::default() };
    let submit = Submit { spec: Arc::new(spec), ..said(Mode::Enqueue, "begin") };
    let run_id = world.submit(&t, submit).await.run_id;
    let active = world.start(&t).await;
    let pause = Wait { resume_in: Some(LEASE), ..Wait::new(WaitReason::RateLimit) };
    let settled = world.settle(&t, &active.claim, Outcome::Wait(pause)).await;
    assert_eq!(settled.run.report, Report::Wanted, "nobody outside can end that");

    world.clock.advance(LEASE);
    let active = world.start(&t).await;
    let question = Outcome::Wait(Wait::new(WaitReason::UserInput));
    let settled = world.settle(&t, &active.claim, question).await;
    assert_eq!(settled.run.report, Report::Owed);
    assert_eq!(owing(&world).await, from_ref(&run_id));
    let first = ReportId::of(&settled.run);
    assert!(!first.is_end);
    world.snapshot(&t).await;

    let cross_out = async |report| {
        let command = Command::Reported { run_id: run_id.clone(), report };
        assert_eq!(world.apply(&t, command).await, Reply::Done);
        world.run(&run_id).await.report
    };
    assert_eq!(cross_out(first).await, Report::Wanted, "its end is wanted too");

    // It goes on, waits again, and ends before anybody heard of that.
    world.submit(&t, said(Mode::Enqueue, "an answer")).await;
    let active = world.start(&t).await;
    let question = Outcome::Wait(Wait::new(WaitReason::UserInput));
    let settled = world.settle(&t, &active.claim, question).await;
    assert_eq!(settled.run.report, Report::Owed);
    assert_eq!(cross_out(first).await, Report::Owed, "that was another wait");
    let second = ReportId::of(&settled.run);
    let cancel = Command::Cancel { target: CancelTarget::Thread, stop_executing: false };
    world.apply(&t, cancel).await;
    assert_eq!(cross_out(second).await, Report::Owed, "its end is owed still");
    let ended = world.run(&run_id).await;
    assert_eq!(cross_out(ReportId::of(&ended)).await, Report::None);
    world.snapshot(&t).await;
}

/// Whoever asked for nothing is owed nothing.
pub async fn is_not_owed_where_nobody_wants_it(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    assert_eq!(active.run.report, Report::None);
    let settled = world.ack(&t, &active.claim).await;
    assert_eq!(settled.run.report, Report::None);
    assert!(owing(&world).await.is_empty());
    let unknown = RunId::parse("unknown").expect("a name");
    let report = ReportId { dispatch_id: None, is_end: true, tickets: 0 };
    let command = Command::Reported { run_id: unknown.clone(), report };
    assert_eq!(world.refused(&t, command).await, Refusal::UnknownRun { run_id: unknown });
}

/// Whatever ends the run: a cancel, an interrupt, a dead letter, the loss of its last node.
pub async fn is_owed_however_the_run_ends(world: World) {
    let mut ended = Vec::new();
    for name in ["queued", "waiting", "interrupted", "dead", "lost"] {
        let submit = Submit { max_attempts: 1, ..wanted() };
        ended.push(world.submit(&thread(name), submit).await.run_id);
    }
    let cancel = Command::Cancel { target: CancelTarget::Thread, stop_executing: false };
    world.apply(&thread("queued"), cancel.clone()).await;

    let active = world.start(&thread("waiting")).await;
    let wait = Outcome::Wait(Wait::new(WaitReason::UserInput));
    let settled = world.settle(&thread("waiting"), &active.claim, wait).await;
    assert_eq!(settled.run.report, Report::Wanted, "to wait is no end");
    world.apply(&thread("waiting"), cancel).await;

    world.apply(&thread("interrupted"), Command::Interrupt).await;

    let active = world.start(&thread("dead")).await;
    let outcome = Outcome::DeadLetter { code: "x".to_owned(), error: "x".to_owned() };
    world.settle(&thread("dead"), &active.claim, outcome).await;

    world.start(&thread("lost")).await;
    world.clock.advance(LEASE + Duration::from_secs(1));
    world.store.reclaim(ReclaimScope::Expired, Duration::ZERO, 10).await.expect("a reclaim");

    assert_eq!(owing(&world).await, ended);
    for name in ["queued", "waiting", "interrupted", "dead", "lost"] {
        world.snapshot(&thread(name)).await;
    }
}

/// A run that starts others says so before, and then its end is owed a look after them.
pub async fn is_owed_by_who_has_children(world: World) {
    let has_children = || Step { has_children: true, ..Step::default() };
    let t = thread("t");
    let active = world.started(&t).await;
    world.apply(&t, commit(&active.claim, has_children())).await;
    assert_eq!(world.run(&active.run.id).await.report, Report::Wanted);
    world.apply(&t, commit(&active.claim, Step::default())).await;
    let settled = world.ack(&t, &active.claim).await;
    assert_eq!(settled.run.report, Report::Owed);

    let last = world.started(&t).await;
    let settle = Settle {
        claim: last.claim.clone(),
        step: has_children(),
        outcome: Outcome::Ack(RunResult::natural_end(None)),
        next: None,
    };
    world.apply(&t, Command::Settle(Box::new(settle))).await;
    assert_eq!(owing(&world).await, [active.run.id.clone(), last.run.id.clone()]);
    world.snapshot(&t).await;
}

/// They are found oldest first, page by page; and no others.
pub async fn are_found(world: World) {
    let mut ended = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let t = thread(name);
        ended.push(world.submit(&t, wanted()).await.run_id);
        let active = world.start(&t).await;
        world.ack(&t, &active.claim).await;
    }
    world.submit(&thread("unfinished"), wanted()).await;
    let made = ended.remove(1);
    let run = world.run(&made).await;
    reported(&world, &run.thread_id, &run, run.dispatch_id).await;

    let mut found: Vec<RunId> = Vec::new();
    loop {
        let page = world.store.runs_owing_reports(found.last(), 2).await.expect("a read");
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2);
        found.extend(page.into_iter().map(|run| run.id));
    }
    assert_eq!(found, ended);
}

async fn dead_letter(world: &World, t: &ThreadId) -> Arc<Dispatch> {
    let active = world.start(t).await;
    let outcome = Outcome::DeadLetter { code: "x".to_owned(), error: "x".to_owned() };
    world.settle(t, &active.claim, outcome).await.dispatch
}

/// A dead letter's run that starts over owes its next end, and nobody who is late pays for that.
pub async fn of_a_run_that_starts_over(world: World) {
    let t = thread("t");
    world.submit(&t, wanted()).await;
    let dead = dead_letter(&world, &t).await;
    let run = world.run(&dead.run_id).await;
    let requeue = Command::Requeue { dispatch_id: dead.id, max_attempts: None };
    world.apply(&t, requeue).await;
    assert_eq!(world.run(&run.id).await.report, Report::Wanted, "an unfinished run owes nothing");
    let dead_again = dead_letter(&world, &t).await;
    reported(&world, &t, &run, Some(dead.id)).await;
    assert_eq!(owing(&world).await, from_ref(&run.id));
    reported(&world, &t, &run, Some(dead_again.id)).await;
    assert!(owing(&world).await.is_empty());

    let requeue = Command::Requeue { dispatch_id: dead_again.id, max_attempts: None };
    world.apply(&t, requeue).await;
    let active = world.start(&t).await;
    assert_eq!(active.run.report, Report::Wanted, "its next end is wanted too");
    world.ack(&t, &active.claim).await;
    assert_eq!(owing(&world).await, from_ref(&run.id));
    world.snapshot(&t).await;
}

/// Their thread is not removed with them: who waits would never hear of it.
pub async fn keep_their_thread(world: World) {
    let t = thread("t");
    let run_id = world.submit(&t, wanted()).await.run_id;
    let active = world.start(&t).await;
    let wait = Outcome::Wait(Wait::new(WaitReason::UserInput));
    world.settle(&t, &active.claim, wait).await;
    let owed = Refusal::ReportOwed { run_id };
    assert_eq!(world.refused(&t, Command::DeleteThread).await, owed);
    let cancel = Command::Cancel { target: CancelTarget::Thread, stop_executing: false };
    world.apply(&t, cancel).await;
    assert_eq!(world.refused(&t, Command::DeleteThread).await, owed);
    reported(&world, &t, &active.run, Some(active.dispatch.id)).await;
    world.apply(&t, Command::DeleteThread).await;
}

/// They outlive the store's process.
pub async fn are_kept(world: World) {
    let (owed, open) = (thread("owed"), thread("open"));
    world.submit(&owed, wanted()).await;
    let active = world.start(&owed).await;
    world.ack(&owed, &active.claim).await;
    let run_id = world.submit(&open, wanted()).await.run_id;
    let Some(world) = world.reopened().await else { return };
    assert_eq!(owing(&world).await, from_ref(&active.run.id));
    assert_eq!(world.run(&run_id).await.report, Report::Wanted);
}
