//! Reports: whoever waits for a run's end hears of it, and runs that nobody waits for are cancelled.

mod common;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::*;
use postroom_core::command::{Mode, Start, Step, Submit, Wait};
use postroom_core::dispatch::DispatchState;
use postroom_core::id::{RunId, TaskId};
use postroom_core::message::Visibility;
use postroom_core::ports::{DispatchFilter, RunOutcome};
use postroom_core::report::{Report, ReportAs, ReportTo};
use postroom_core::run::{Origin, Run, RunSpec, RunState, Termination, WaitReason};
use postroom_service::Postroom;

fn run_id(name: &str) -> RunId {
    RunId::parse(name).unwrap()
}

/// A run that reports to the thread `parent`.
fn child(as_: ReportAs) -> Submit {
    let report_to = Some(ReportTo { thread_id: thread("parent"), as_ });
    let mut submit = submit(Mode::Enqueue, "work");
    submit.spec = Arc::new(RunSpec { report_to, ..RunSpec::default() });
    submit.run_id = Some(run_id("child"));
    submit.parent_run_id = Some(run_id("parent"));
    submit
}

fn of_parent() -> ReportAs {
    ReportAs::Task { run_id: run_id("parent") }
}

/// A parent starts a child and waits for it; the child does what `work` says.
fn family<F>(
    work: impl Fn() -> F + Send + Sync + 'static,
) -> (Arc<Scripted>, Arc<OnceLock<Postroom>>)
where
    F: Future<Output = RunOutcome> + Send + 'static,
{
    let door = Arc::new(OnceLock::<Postroom>::new());
    let at_script = door.clone();
    let script = scripted(move |activation, context| {
        let (door, work) = (at_script.clone(), work());
        async move {
            if activation.run.parent_run_id.is_some() {
                return work.await;
            }
            if activation.run.attempt > 1 {
                return RunOutcome::natural_end(Some("it is done".to_owned()));
            }
            context.commit(Step { has_children: true, ..Step::default() }).await.unwrap();
            let node = door.get().unwrap();
            node.submit(Some(thread("child")), child(of_parent())).await.unwrap();
            let mut wait = Wait::new(WaitReason::BackgroundTasks);
            wait.tasks.push(TaskId::of_run(&run_id("child")));
            RunOutcome::Waiting { last: Box::default(), wait }
        }
    });
    (script, door)
}

async fn parent(node: &Postroom, door: &OnceLock<Postroom>) {
    let _ = door.set(node.clone());
    let mut submit = submit(Mode::Enqueue, "delegate");
    submit.run_id = Some(run_id("parent"));
    node.submit(Some(thread("parent")), submit).await.unwrap();
}

async fn known(node: &Postroom, name: &str) -> Run {
    node.store().run(&run_id(name)).await.unwrap().unwrap()
}

async fn is_paid(node: &Postroom) {
    assert!(node.store().runs_owing_reports(None, 9).await.unwrap().is_empty());
    for name in ["parent", "child"] {
        assert_eq!(known(node, name).await.report, Report::None, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_when_its_child_has_ended() {
    let (script, door) = family(|| async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        RunOutcome::natural_end(Some("answer".to_owned()))
    });
    let node = House::alone().started(script).await;
    parent(&node, &door).await;
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert_eq!(known(&node, "parent").await.run_state(), RunState::Waiting);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ended = known(&node, "parent").await;
    assert_eq!(ended.output.as_deref(), Some("it is done"), "at once, not with the next sweep");
    settle_down().await;
    is_paid(&node).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_when_its_child_is_cancelled() {
    let (script, door) = family(|| async {
        tokio::time::sleep(Duration::from_hours(2)).await;
        RunOutcome::natural_end(None)
    });
    let node = House::alone().started(script).await;
    parent(&node, &door).await;
    settle_down().await;
    node.cancel_run(&run_id("child")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(termination(&node, &run_id("parent")).await, Termination::NaturalEnd);
    settle_down().await;
    is_paid(&node).await;
}

/// Waits again and again for a child that has ended, as an attempt does that starts over.
#[tokio::test(start_paused = true)]
async fn a_run_does_not_wait_for_an_end_that_it_was_told_of() {
    let executor = scripted(|activation, _| async move {
        if activation.run.attempt > 3 || activation.run.parent_run_id.is_some() {
            return RunOutcome::natural_end(None);
        }
        let mut wait = Wait::new(WaitReason::BackgroundTasks);
        wait.tasks.push(TaskId::of_run(&run_id("child")));
        RunOutcome::Waiting { last: Box::default(), wait }
    });
    let node = House::alone().started(executor).await;
    node.submit(Some(thread("child")), child(ReportAs::Message)).await.unwrap();
    finished(&node, &run_id("child")).await;
    settle_down().await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    settle_down().await;
    assert_eq!(known(&node, &run.run_id.to_string()).await.attempt, 4);
}

#[tokio::test(start_paused = true)]
async fn what_ends_in_the_queue_is_reported_at_once() {
    let node = House::alone().started(echo()).await;
    let run = send(&node, "parent", Mode::Enqueue, "x").await;
    finished(&node, &run.run_id).await;
    let mut submit = child(ReportAs::Message);
    submit.start = Start::In(Duration::from_hours(1));
    node.submit(Some(thread("child")), submit).await.unwrap();
    node.interrupt(&thread("child")).await.unwrap();
    settle_down().await;
    assert_eq!(log(&node, "parent").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn children_end_with_the_run_they_are_for() {
    for stubborn in [false, true] {
        let (script, door) = family(|| async {
            tokio::time::sleep(Duration::from_hours(2)).await;
            RunOutcome::natural_end(None)
        });
        let mut house = House::shared();
        let node = house.started(script.clone()).await;
        let other = house.started(script).await;
        parent(&node, &door).await;
        settle_down().await;
        assert_eq!(known(&node, "child").await.run_state(), RunState::Running);
        if stubborn {
            other.interrupt(&thread("parent")).await.unwrap();
        }
        other.cancel_run(&run_id("parent")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(termination(&node, &run_id("parent")).await, Termination::Cancelled);
        assert_eq!(known(&node, "child").await.termination(), Some(&Termination::Cancelled));
        settle_down().await;
        is_paid(&node).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_for_one_that_has_ended_does_not_start() {
    let (script, door) = family(|| async { RunOutcome::natural_end(None) });
    let node = House::alone().started(script).await;
    parent(&node, &door).await;
    settle_down().await;
    assert!(known(&node, "parent").await.is_done());
    let mut late = child(of_parent());
    late.run_id = Some(run_id("late"));
    node.submit(Some(thread("late")), late).await.unwrap();
    assert_eq!(termination(&node, &run_id("late")).await, Termination::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn an_end_is_told_as_a_message_once_though_the_run_that_asked_has_gone() {
    let executor = scripted(|activation, _| async move {
        if activation.run.parent_run_id.is_none() {
            return RunOutcome::natural_end(Some(texts(&activation.input)));
        }
        tokio::time::sleep(Duration::from_secs(50)).await;
        RunOutcome::natural_end(Some("the answer".to_owned()))
    });
    let mut house = House::shared();
    let node = house.started(executor.clone()).await;
    let other = house.started(executor).await;
    send(&node, "parent", Mode::Enqueue, "x").await;
    node.submit(Some(thread("child")), child(ReportAs::Message)).await.unwrap();
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(log(&other, "parent").await, ["x", "the answer"]);
    let rows = node.store().messages(&thread("parent"), 1, 9).await.unwrap();
    let message = &rows[0].message;
    assert_eq!(message.visibility, Visibility::Internal);
    let said = |key: &str| message.metadata[key].as_str().unwrap().to_owned();
    assert_eq!((said("run_id"), said("status")), ("child".into(), "natural_end".into()));
    assert_eq!(said("agent_id"), "default");
    let woken = finished(&node, &rows[0].run_id).await;
    assert_eq!((woken.origin, woken.output.as_deref()), (Origin::Internal, Some("the answer")));
    assert!(node.store().runs_owing_reports(None, 9).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_node_owed_is_made_good_by_another() {
    let mut house = House::shared();
    let line = house.store.clone();
    let executor = scripted(move |activation, _| {
        let line = line.clone();
        async move {
            if activation.run.parent_run_id.is_some() {
                // The settle is carried out, its answer lost, and then the store is out of reach.
                line.lose_settles.store(1, std::sync::atomic::Ordering::SeqCst);
                line.cut_after_settle.store(true, std::sync::atomic::Ordering::SeqCst);
            }
            RunOutcome::natural_end(None)
        }
    });
    let node = house.started(executor).await;
    house.another_line();
    let other = house.started(echo()).await;
    send(&other, "parent", Mode::Enqueue, "x").await;
    node.submit(Some(thread("child")), child(ReportAs::Message)).await.unwrap();
    settle_down().await;
    assert_eq!(known(&other, "child").await.report, Report::Owed);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(log(&other, "parent").await.len(), 2);
    let filter = DispatchFilter { thread_id: Some(thread("parent")), ..DispatchFilter::default() };
    let woken = other.store().dispatches(&filter, 9, None).await.unwrap().items;
    assert!(woken.iter().all(|dispatch| dispatch.state() == DispatchState::Acked));
    assert_eq!(known(&other, "child").await.report, Report::None);
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_a_run_that_failed_says_why() {
    let executor = scripted(|activation, _| async move {
        if activation.run.parent_run_id.is_none() {
            return RunOutcome::natural_end(None);
        }
        let (code, error) = ("unknown_agent".to_owned(), "nobody can".to_owned());
        RunOutcome::PermanentError { code, error }
    });
    let node = House::alone().started(executor).await;
    send(&node, "parent", Mode::Enqueue, "x").await;
    node.submit(Some(thread("child")), child(ReportAs::Message)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        log(&node, "parent").await,
        ["x", "It did not come to an answer (error): nobody can."]
    );
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_is_gone_is_not_made_anew() {
    let node = House::alone().started(echo()).await;
    for as_ in [ReportAs::Message, of_parent()] {
        let mut submit = child(as_);
        submit.run_id = None;
        let run = node.submit(Some(thread("child")), submit).await.unwrap();
        finished(&node, &run.run_id).await;
    }
    settle_down().await;
    assert!(node.store().thread(&thread("parent")).await.unwrap().is_none());
    assert!(node.store().runs_owing_reports(None, 9).await.unwrap().is_empty());
}
