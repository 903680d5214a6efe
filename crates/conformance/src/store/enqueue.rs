//! `enqueue`: a delivery of a run, without messages.

use std::time::Duration;

use postroom_core::command::{Command, Enqueue, Start};
use postroom_core::dispatch::{DispatchState, DispatchStatus, Priority};
use postroom_core::error::Refusal;
use postroom_core::id::{AgentId, DedupeKey, DispatchId, RunId};
use postroom_core::ports::{Clock, IdSource};
use postroom_core::run::RunState;

use crate::world::{World, delivery, thread};

fn key() -> DedupeKey {
    DedupeKey::parse("k").expect("a key")
}

fn enqueue(enqueue: Enqueue) -> Command {
    Command::Enqueue(Box::new(enqueue))
}

/// A new thread, a new run, a queued dispatch with all that was asked for.
pub async fn queues_a_delivery(world: World) {
    let t = thread("t");
    let wanted = Enqueue {
        agent_id: Some(AgentId::parse("a").expect("a name")),
        dedupe_key: Some(key()),
        priority: Priority(7),
        max_attempts: 3,
        ..delivery("r")
    };
    let dispatch = world.enqueue(&t, wanted).await;
    assert_eq!(dispatch.status, DispatchStatus::Queued { due: true });
    assert_eq!(dispatch.thread_id, t);
    assert_eq!(dispatch.run_id, RunId::parse("r").expect("a name"));
    assert_eq!(dispatch.agent_id, AgentId::parse("a").expect("a name"));
    assert_eq!((dispatch.priority, dispatch.max_attempts), (Priority(7), 3));
    assert_eq!((dispatch.dedupe_key.clone(), dispatch.attempt_count), (Some(key()), 0));
    assert_eq!(
        (dispatch.created_at, dispatch.available_at),
        (world.clock.now(), world.clock.now())
    );
    assert_eq!(world.dispatch(dispatch.id).await, dispatch, "what is answered is what is kept");
    let run = world.run(&dispatch.run_id).await;
    assert_eq!((run.run_state(), run.dispatch_id), (RunState::Created, Some(dispatch.id)));
    assert_eq!(world.event_types(&t, 0).await, ["run_queued"]);
    world.snapshot(&t).await;
}

/// The dispatch takes the thread's epoch.
pub async fn takes_the_threads_epoch(world: World) {
    let t = thread("t");
    let first = world.enqueue(&t, delivery("r1")).await;
    world.apply(&t, Command::Interrupt).await;
    let second = world.enqueue(&t, delivery("r2")).await;
    assert_eq!(second.epoch, first.epoch.next());
    assert_eq!(second.epoch, world.thread(&t).await.epoch);
}

/// A key that an unfinished dispatch of the thread has is refused, and the holder named; another
/// thread may have the same.
pub async fn refuses_a_key_in_use(world: World) {
    let (t, other) = (thread("t"), thread("u"));
    let with_key = |run| Enqueue { dedupe_key: Some(key()), ..delivery(run) };
    let first = world.enqueue(&t, with_key("r1")).await;
    let refusal = world.refused(&t, enqueue(with_key("r2"))).await;
    assert_eq!(refusal, Refusal::DuplicateKey { existing: first.id });
    world.enqueue(&other, with_key("r3")).await;

    let (_, claim) = world.claim(&t).await;
    let refusal = world.refused(&t, enqueue(with_key("r2"))).await;
    assert_eq!(refusal, Refusal::DuplicateKey { existing: first.id }, "claimed is unfinished too");

    world.ack(&t, &claim).await;
    world.enqueue(&t, with_key("r2")).await;
}

/// A known dispatch id is refused, whatever became of its dispatch, in its thread and in others.
pub async fn refuses_a_known_id(world: World) {
    let (t, other) = (thread("t"), thread("u"));
    let id = DispatchId::from(world.ids.new_uuid());
    let with_id = |run| Enqueue { dispatch_id: Some(id), ..delivery(run) };
    let dispatch = world.enqueue(&t, with_id("r1")).await;
    assert_eq!(dispatch.id, id);
    let expected = Refusal::DuplicateDispatch { existing: id };
    assert_eq!(world.refused(&t, enqueue(with_id("r2"))).await, expected);
    assert_eq!(world.refused(&other, enqueue(with_id("r3"))).await, expected);
    let (_, claim) = world.claim(&t).await;
    world.ack(&t, &claim).await;
    assert_eq!(world.refused(&t, enqueue(with_id("r4"))).await, expected);
    assert_eq!(world.state(id).await, DispatchState::Acked, "it was not overwritten");
}

/// A run has at most one unfinished delivery.
pub async fn refuses_a_run_that_is_on_its_way(world: World) {
    let t = thread("t");
    let first = world.enqueue(&t, delivery("r")).await;
    let expected = Refusal::DuplicateDispatch { existing: first.id };
    assert_eq!(world.refused(&t, enqueue(delivery("r"))).await, expected);
}

/// A run of another thread, and one that has ended, are refused.
pub async fn refuses_a_run_that_can_not_be_delivered(world: World) {
    let (t, other) = (thread("t"), thread("u"));
    let dispatch = world.enqueue(&t, delivery("r")).await;
    let refusal = world.refused(&other, enqueue(delivery("r"))).await;
    assert_eq!(refusal, Refusal::RunElsewhere { run_id: dispatch.run_id.clone() });
    let (_, claim) = world.claim(&t).await;
    world.ack(&t, &claim).await;
    let refusal = world.refused(&t, enqueue(delivery("r"))).await;
    assert_eq!(
        refusal,
        Refusal::IllegalRun {
            run_id: dispatch.run_id.clone(),
            state: RunState::Done,
            command: "enqueue"
        }
    );
}

/// Delayed work is there at once, and not claimable.
pub async fn queues_for_later(world: World) {
    let t = thread("t");
    let later = Start::In(Duration::from_secs(5));
    let dispatch = world.enqueue(&t, Enqueue { start: later, ..delivery("r") }).await;
    assert_eq!(dispatch.status, DispatchStatus::Queued { due: false });
    assert_eq!(dispatch.available_at, world.clock.now() + Duration::from_secs(5));
    assert!(world.try_claim(&t, crate::world::request("n")).await.is_none());
    world.snapshot(&t).await;
}
