//! `old_runs` and `collect_run`: runs that ended long ago and that nothing needs are forgotten; what
//! they said stays.

use std::collections::BTreeSet;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{
    Command, Mode, Outcome, Reply, RunResult, Submit, SubmittedStatus, Wait,
};
use postroom_core::error::Refusal;
use postroom_core::id::{RunId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::ports::{Clock, RunFilter};
use postroom_core::report::{ReportAs, ReportId, ReportTo};
use postroom_core::run::{RunSpec, WaitReason};
use postroom_core::time::Timestamp;

use crate::world::{World, delivery, said, thread};

/// What of the store may go that ended before now, looked for by pieces of so many.
async fn old(world: &World, piece: usize) -> Vec<RunId> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..1_000 {
        let now = world.clock.now();
        let old = world.store.old_runs(now, cursor.as_deref(), piece).await.expect("a read");
        assert!(old.runs.len() <= piece, "{old:?}");
        found.extend(old.runs.into_iter().map(|(_, run_id)| run_id));
        cursor = old.next_cursor;
        if cursor.is_none() {
            return found;
        }
    }
    panic!("it goes round in circles")
}

async fn collect(world: &World, t: &ThreadId, run_id: &RunId) -> bool {
    let ended_before = world.clock.now();
    match world.apply(t, Command::CollectRun { run_id: run_id.clone(), ended_before }).await {
        Reply::Collected(gone) => gone,
        other => panic!("collect_run was answered {other:?}"),
    }
}

/// The dispatches of what is over go, as they do long before runs.
async fn purge(world: &World) {
    world.clock.advance(Duration::from_secs(10));
    let now = world.clock.now();
    world.store.purge_terminal(None, None, now, 1_000).await.expect("a purge");
}

/// A run that has ended.
async fn ended(world: &World, t: &ThreadId, submit: Submit) -> RunId {
    let run_id = world.submit(t, submit).await.run_id;
    let active = world.start(t).await;
    world.ack(t, &active.claim).await;
    run_id
}

async fn prompt(world: &World, t: &ThreadId, run_id: &RunId) -> Vec<String> {
    let messages = world.store.prompt(t, run_id).await.expect("a read");
    messages.iter().map(|row| row.message.content.text()).collect()
}

/// A run that its thread points at no more goes, and nothing else of the thread changes: its messages
/// are in the log and in prompts, and are known when they come again.
pub async fn forgets_the_run_alone(world: World) {
    let t = thread("t");
    let message = NewMessage { id: "said".parse().ok(), ..NewMessage::user("first") };
    let first = ended(&world, &t, Submit::new(Mode::Enqueue, vec![message.clone()])).await;
    let second = ended(&world, &t, said(Mode::Enqueue, "second")).await;
    assert!(old(&world, 9).await.is_empty(), "their dispatches are there");
    assert!(!collect(&world, &t, &first).await);
    purge(&world).await;
    assert_eq!(old(&world, 9).await, from_ref(&first), "the thread points at its last one");
    assert!(!collect(&world, &t, &second).await);

    let before = world.thread(&t).await;
    assert!(collect(&world, &t, &first).await);
    assert_eq!(world.thread(&t).await, before);
    assert!(world.store.run(&first).await.expect("a read").is_none());
    let filter = RunFilter { thread_id: Some(t.clone()), ..RunFilter::default() };
    for filter in [filter, RunFilter::default()] {
        let runs = world.store.runs(&filter, 9, None).await.expect("a page").items;
        assert_eq!(runs.iter().map(|run| &run.id).collect::<Vec<_>>(), [&second]);
    }
    let messages = world.store.messages(&t, 0, 9).await.expect("a read");
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].run_id, first);

    let again = world.submit(&t, Submit::new(Mode::Enqueue, vec![message])).await;
    assert!(again.replayed);
    assert_eq!((again.run_id, again.status), (first.clone(), SubmittedStatus::Done));
    let third = world.say(&t, "third").await.run_id;
    world.start(&t).await;
    assert_eq!(prompt(&world, &t, &third).await, ["first", "second", "third"]);

    let gone = Command::CollectRun { run_id: first.clone(), ended_before: world.clock.now() };
    let Err(error) = world.try_apply(&t, gone).await else { panic!("it is gone") };
    assert_eq!(error.refusal(), Some(&Refusal::UnknownRun { run_id: first.clone() }));
    assert!(world.store.run(&first).await.expect("a read").is_none());
}

/// What something still needs stays: until its end was reported, its children and who asked for it are
/// done; for ever, if it hides its messages.
pub async fn keeps_what_is_needed(world: World) {
    let t = thread("t");
    // Its end is owed a report.
    let report_to = Some(ReportTo { thread_id: thread("other"), as_: ReportAs::Message });
    let spec = Arc::new(RunSpec { report_to, ..RunSpec::default() });
    let owing = ended(&world, &t, Submit { spec, ..said(Mode::Enqueue, "owing") }).await;
    // It has a child, which has another one, and all but the middle one end.
    let parent = ended(&world, &t, said(Mode::Enqueue, "parent")).await;
    let (middle, leaf) = (thread("middle"), thread("leaf"));
    let child =
        |of: &RunId| Submit { parent_run_id: Some(of.clone()), ..said(Mode::Enqueue, "child") };
    let middle_run = world.submit(&middle, child(&parent)).await.run_id;
    let active = world.start(&middle).await;
    let waits = Outcome::Wait(Wait::new(WaitReason::ExternalEvent));
    world.settle(&middle, &active.claim, waits).await;
    let leaf_run = ended(&world, &leaf, child(&middle_run)).await;
    // It was rolled back.
    let active = world.started(&t).await;
    let hidden = active.run.id.clone();
    world.settle(&t, &active.claim, Outcome::Ack(RunResult::cancelled())).await;
    let stopped_run_id = Some(hidden.clone());
    let rollback = Submit { stopped_run_id, ..said(Mode::Rollback, "instead") };
    ended(&world, &t, rollback).await;
    for t in [&t, &leaf] {
        ended(&world, t, said(Mode::Enqueue, "last")).await;
    }
    purge(&world).await;

    let kept = old(&world, 9).await;
    for run_id in [&owing, &parent, &middle_run, &leaf_run, &hidden] {
        assert!(!kept.contains(run_id), "{run_id} is needed");
    }
    assert!(!collect(&world, &t, &owing).await);
    assert!(!collect(&world, &t, &hidden).await);
    assert!(!collect(&world, &middle, &middle_run).await, "it waits");

    let report = ReportId::of(&*world.run(&owing).await);
    world.apply(&t, Command::Reported { run_id: owing.clone(), report }).await;
    let active = {
        world.say(&middle, "go on").await;
        world.start(&middle).await
    };
    assert_eq!(active.run.id, middle_run);
    world.ack(&middle, &active.claim).await;
    purge(&world).await;
    let old: BTreeSet<RunId> = old(&world, 9).await.into_iter().collect();
    for run_id in [&owing, &parent, &leaf_run] {
        assert!(old.contains(run_id), "{run_id} is not needed any more: {old:?}");
    }
    assert!(!old.contains(&hidden) && !old.contains(&middle_run));
    assert!(collect(&world, &t, &owing).await);
    assert!(collect(&world, &t, &parent).await);
    assert!(collect(&world, &leaf, &leaf_run).await);
    let children = RunFilter { parent_run_id: Some(parent), ..RunFilter::default() };
    let children = world.store.runs(&children, 9, None).await.expect("a page").items;
    assert_eq!(children.len(), 1, "who asked for them is remembered");
}

/// Only what ended before the moment that is asked about.
pub async fn keeps_what_is_younger(world: World) {
    let t = thread("t");
    let run_id = ended(&world, &t, said(Mode::Enqueue, "old")).await;
    let ended_at = world.run(&run_id).await.finished_at().expect("it has ended");
    ended(&world, &t, said(Mode::Enqueue, "last")).await;
    purge(&world).await;
    let collect = async |ended_before: Timestamp| {
        let old = world.store.old_runs(ended_before, None, 9).await.expect("a read");
        let command = Command::CollectRun { run_id: run_id.clone(), ended_before };
        let reply = world.apply(&t, command).await;
        assert_eq!(reply, Reply::Collected(!old.runs.is_empty()), "{old:?}");
        reply == Reply::Collected(true)
    };
    assert!(!collect(ended_at).await);
    assert!(collect(ended_at + Duration::from_millis(1)).await);
}

/// However small the pieces are, each old run comes up once, and young ones end the look.
pub async fn piece_by_piece(world: World) {
    let mut expected = Vec::new();
    for number in 0..5 {
        let t = thread(&format!("t{number}"));
        expected.push(ended(&world, &t, said(Mode::Enqueue, "old")).await);
        ended(&world, &t, said(Mode::Enqueue, "last")).await;
    }
    purge(&world).await;
    for piece in [1, 2, 3, 100] {
        assert_eq!(old(&world, piece).await, expected, "by {piece}");
    }
    let long_ago = world.clock.now().before(Duration::from_hours(1));
    let none = world.store.old_runs(long_ago, None, 1).await.expect("a read");
    assert!(none.runs.is_empty() && none.next_cursor.is_none(), "{none:?}");
    let strange = world.store.old_runs(long_ago, Some("strange"), 1).await;
    assert!(strange.is_err(), "a cursor that no store gave: {strange:?}");
    let some = world.store.old_runs(world.clock.now(), None, 1).await.expect("a read");
    let place = some.next_cursor.expect("there is more");
    assert!(collect(&world, &some.runs[0].0, &some.runs[0].1).await);
    let rest = world.store.old_runs(world.clock.now(), Some(&place), 100).await.expect("a read");
    assert_eq!(rest.runs.len(), 4, "a place is kept though its run is gone");
}

/// A name is free again, for a run of whatever thread; what was said under it stays what it was.
pub async fn frees_the_name(world: World) {
    let (t, other) = (thread("t"), thread("other"));
    let named = Submit { run_id: "named".parse().ok(), ..said(Mode::Enqueue, "old") };
    let run_id = ended(&world, &t, named).await;
    ended(&world, &t, said(Mode::Enqueue, "last")).await;
    purge(&world).await;
    assert!(collect(&world, &t, &run_id).await);
    world.enqueue(&other, delivery("named")).await;
    assert_eq!(world.run(&run_id).await.thread_id, other);
    assert_eq!(prompt(&world, &t, &run_id).await.len(), 2, "it is another's, and has not begun");
    let Some(world) = world.reopened().await else { return };
    assert_eq!(world.run(&run_id).await.thread_id, other);
}
