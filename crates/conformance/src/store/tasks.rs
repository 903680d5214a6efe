//! Background tasks: their run waits for them, and goes on when they have ended.

use postroom_core::command::{Command, Outcome, Reply, Wait};
use postroom_core::id::{DispatchId, RunId, TaskId, ThreadId};
use postroom_core::run::{RunState, WaitReason};

use crate::world::{World, thread};

fn task(name: &str) -> TaskId {
    TaskId::parse(name).expect("a name")
}

fn for_tasks(names: &[&str]) -> Outcome {
    let tasks = names.iter().map(|name| task(name)).collect();
    Outcome::Wait(Wait { tasks, ..Wait::new(WaitReason::BackgroundTasks) })
}

async fn finish(
    world: &World,
    t: &ThreadId,
    run: &RunId,
    name: Option<&str>,
) -> Option<DispatchId> {
    let command = Command::FinishTask { run_id: run.clone(), task_id: name.map(task) };
    match world.apply(t, command).await {
        Reply::TaskFinished(dispatch_id) => dispatch_id,
        other => panic!("finish_task was answered {other:?}"),
    }
}

/// The last task that ends queues the run.
pub async fn the_last_one_resumes_the_run(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.settle(&t, &active.claim, for_tasks(&["a", "b"])).await;
    assert_eq!(finish(&world, &t, &active.run.id, Some("a")).await, None);
    assert_eq!(finish(&world, &t, &active.run.id, Some("a")).await, None, "once");
    let queued = finish(&world, &t, &active.run.id, Some("b")).await;
    world.snapshot(&t).await;
    let again = world.start(&t).await;
    assert_eq!((Some(again.dispatch.id), again.run.id.clone()), (queued, active.run.id.clone()));
}

/// One that ends before its run waits is not waited for.
pub async fn one_that_ends_early(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    assert_eq!(finish(&world, &t, &active.run.id, Some("a")).await, None);
    let settled = world.settle(&t, &active.claim, for_tasks(&["a"])).await;
    assert_eq!(settled.run.run_state(), RunState::Waiting);
    assert_eq!(world.start(&t).await.run.id, active.run.id, "it goes on at once");
    world.snapshot(&t).await;
}

/// All tasks of a run whose process died can be ended at once.
pub async fn all_that_died(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.settle(&t, &active.claim, for_tasks(&["a", "b"])).await;
    assert!(finish(&world, &t, &active.run.id, None).await.is_some());
    assert!(finish(&world, &t, &active.run.id, None).await.is_some());
    assert_eq!(world.thread(&t).await.queued, 1, "it is not delivered twice");
    world.snapshot(&t).await;
}

/// A run does not end with the process that waited for it.
pub async fn runs_outlive_processes(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let child = TaskId::of_run(&RunId::parse("child").expect("a name")).to_string();
    world.settle(&t, &active.claim, for_tasks(&["a", &child])).await;
    assert_eq!(finish(&world, &t, &active.run.id, None).await, None, "it waits for the run");
    assert!(finish(&world, &t, &active.run.id, Some(&child)).await.is_some());
    world.snapshot(&t).await;
}

/// One that ended is not forgotten while its run waits for something else first.
pub async fn one_that_ended_before_another_wait(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    finish(&world, &t, &active.run.id, Some("a")).await;
    let wait = Outcome::Wait(Wait::new(WaitReason::UserInput));
    world.settle(&t, &active.claim, wait).await;
    finish(&world, &t, &active.run.id, Some("b")).await;
    finish(&world, &t, &active.run.id, Some("b")).await;
    world.say(&t, "go on").await;
    let again = world.start(&t).await;
    assert_eq!(again.run.ended_tasks, ["a", "b"].map(task));
    world.settle(&t, &again.claim, for_tasks(&["a", "b"])).await;
    assert_eq!(world.start(&t).await.run.id, active.run.id, "it goes on at once");
    world.snapshot(&t).await;
}

/// A run that has ended is not woken.
pub async fn of_a_run_that_has_ended(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.ack(&t, &active.claim).await;
    let before = world.snapshot(&t).await;
    assert_eq!(finish(&world, &t, &active.run.id, Some("a")).await, None);
    assert_eq!(world.snapshot(&t).await, before);
}

/// Recovery finds the runs that wait for tasks, oldest first, page by page; and no others.
pub async fn are_found(world: World) {
    let mut waiting = Vec::new();
    for name in ["a", "b", "c"] {
        let t = thread(name);
        let active = world.started(&t).await;
        world.settle(&t, &active.claim, for_tasks(&["task"])).await;
        waiting.push(active.run.id.clone());
    }
    world.waiting_for_permission(&thread("d"), "call").await;
    world.started(&thread("e")).await;
    let mut found: Vec<RunId> = Vec::new();
    loop {
        let page = world.store.runs_waiting_for_tasks(found.last(), 2).await.expect("a read");
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2);
        found.extend(page.into_iter().map(|run| run.id));
    }
    assert_eq!(found, waiting);
}
