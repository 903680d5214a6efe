//! `interrupt`: a new epoch, and all that is queued is superseded.

use postroom_core::command::{Command, Interrupted, Mode, Reply};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::Refusal;
use postroom_core::id::ThreadId;
use postroom_core::run::Termination;
use postroom_core::thread::Readiness;

use crate::world::{World, delivery, request, said, thread};

async fn interrupt(world: &World, t: &ThreadId) -> Interrupted {
    match world.apply(t, Command::Interrupt).await {
        Reply::Interrupted(interrupted) => interrupted,
        other => panic!("interrupt was answered {other:?}"),
    }
}

/// The queue is superseded with its runs, in order, and the epoch is the next.
pub async fn supersedes_the_queue(world: World) {
    let t = thread("t");
    let mut queued = Vec::new();
    for n in 0..3 {
        queued.push(world.enqueue(&t, delivery(&format!("r{n}"))).await);
    }
    let before = world.thread(&t).await.epoch;
    let interrupted = interrupt(&world, &t).await;
    assert_eq!(interrupted.epoch, before.next());
    assert!(interrupted.active.is_none());
    let superseded: Vec<_> = interrupted.superseded.iter().map(|row| row.id).collect();
    assert_eq!(superseded, queued.iter().map(|row| row.id).collect::<Vec<_>>());
    for row in &interrupted.superseded {
        assert_eq!(*row, world.dispatch(row.id).await);
        assert_eq!(row.state(), DispatchState::Superseded);
        assert_eq!(world.run(&row.run_id).await.termination(), Some(&Termination::Cancelled));
    }
    assert_eq!(world.thread(&t).await.readiness, Readiness::Idle);
    assert!(world.try_claim(&t, request("n")).await.is_none());
    world.snapshot(&t).await;
}

/// What executes is named, and goes on until it hears of it.
pub async fn names_what_executes(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let queued = world.say(&t, "second").await;
    let interrupted = interrupt(&world, &t).await;
    assert_eq!(interrupted.active.map(|row| row.id), Some(active.dispatch.id));
    assert_eq!(interrupted.superseded.len(), 1);
    assert_eq!(
        world.state(queued.dispatch_id.expect("a dispatch")).await,
        DispatchState::Superseded
    );
    assert_eq!(world.state(active.dispatch.id).await, DispatchState::Claimed);
    world.snapshot(&t).await;
    world.ack(&t, &active.claim).await;
    assert_eq!(world.state(active.dispatch.id).await, DispatchState::Acked);
    world.snapshot(&t).await;
}

/// An attempt of a past epoch is not tried again.
pub async fn what_executed_is_not_retried(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    interrupt(&world, &t).await;
    let settled = world.nack(&t, &active.claim).await;
    assert_eq!(settled.dispatch.state(), DispatchState::Superseded);
    assert_eq!(settled.run.termination(), Some(&Termination::Cancelled));
    world.snapshot(&t).await;
}

/// Epochs only grow, with every interrupt.
pub async fn epochs_only_grow(world: World) {
    let t = thread("t");
    world.say(&t, "hello").await;
    let first = interrupt(&world, &t).await;
    let second = interrupt(&world, &t).await;
    assert_eq!(second.epoch, first.epoch.next());
    assert!(second.superseded.is_empty());
}

/// What is queued afterwards is not touched by it.
pub async fn later_work_is_not_touched(world: World) {
    let t = thread("t");
    world.say(&t, "before").await;
    interrupt(&world, &t).await;
    world.say(&t, "after").await;
    assert_eq!(world.start(&t).await.input[0].message.content.text(), "after");
}

/// A thread that nobody knows can't be interrupted, and does not come into being.
pub async fn an_unknown_thread(world: World) {
    let t = thread("nobody");
    let refusal = world.refused(&t, Command::Interrupt).await;
    assert_eq!(refusal, Refusal::UnknownThread { thread_id: t.clone() });
    assert!(world.store.thread(&t).await.expect("a read").is_none());
}

/// Steering that a superseded run has not taken in is not lost: it becomes the next dispatch.
pub async fn steering_survives(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.submit(&t, said(Mode::Steer, "steered")).await;
    world.nack(&t, &active.claim).await;
    let interrupted = interrupt(&world, &t).await;
    assert_eq!(interrupted.superseded.len(), 1, "the retry");
    world.snapshot(&t).await;
    let next = world.start(&t).await;
    assert_ne!(next.run.id, active.run.id);
    assert_eq!(next.input[0].message.content.text(), "steered");
}
