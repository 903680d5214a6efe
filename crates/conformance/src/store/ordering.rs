//! The order of a thread's queue: priority, then as it was queued, however the clock goes.

use postroom_core::command::{Command, Enqueue, Envelope};
use postroom_core::dispatch::Priority;
use postroom_core::id::ThreadId;
use postroom_core::ports::Clock;
use std::time::Duration;

use crate::world::{World, delivery, said, thread};

async fn drain(world: &World, t: &ThreadId) -> Vec<String> {
    let mut runs = Vec::new();
    while world.thread(t).await.queued > 0 {
        let (dispatch, claim) = world.claim(t).await;
        runs.push(dispatch.run_id.to_string());
        world.ack(t, &claim).await;
    }
    runs
}

/// 0 goes first, 255 last; equal ones as they came, also within one millisecond.
pub async fn by_priority_then_arrival(world: World) {
    let t = thread("t");
    for (run, priority) in [("c", 128), ("e", 255), ("a", 0), ("d", 128), ("b", 0)] {
        world.enqueue(&t, Enqueue { priority: Priority(priority), ..delivery(run) }).await;
    }
    assert_eq!(drain(&world, &t).await, ["a", "b", "c", "d", "e"]);
}

/// A clock that goes back changes nothing of it.
pub async fn a_clock_that_goes_back(world: World) {
    let t = thread("t");
    for run in ["a", "b", "c"] {
        world.enqueue(&t, delivery(run)).await;
        world.clock.set(world.clock.now().before(Duration::from_secs(10)));
    }
    assert_eq!(drain(&world, &t).await, ["a", "b", "c"]);
}

/// Commands of one batch to one thread are carried out in their order.
pub async fn within_a_batch(world: World) {
    let t = thread("t");
    let commands = (0..50)
        .map(|n| {
            let submit = said(postroom_core::command::Mode::Enqueue, &n.to_string());
            Envelope::new(t.clone(), Command::Submit(Box::new(submit)))
        })
        .collect();
    let answers = world.store.apply(commands).await;
    assert_eq!(answers.len(), 50);
    assert!(answers.iter().all(Result::is_ok));
    let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(world.texts(&t).await, expected);
}

/// A batch's commands are atomic each on its own: one that is refused takes no other with it.
pub async fn a_refusal_in_a_batch(world: World) {
    let (t, u) = (thread("t"), thread("u"));
    let enqueue =
        |t: &ThreadId, run| Envelope::new(t.clone(), Command::Enqueue(Box::new(delivery(run))));
    let commands = vec![
        enqueue(&t, "a"),
        Envelope::new(u.clone(), Command::Interrupt),
        enqueue(&t, "a"),
        enqueue(&t, "b"),
        enqueue(&u, "c"),
    ];
    let answers = world.store.apply(commands).await;
    let accepted: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(accepted, [true, false, false, true, true]);
    assert_eq!(drain(&world, &t).await, ["a", "b"]);
    assert_eq!(drain(&world, &u).await, ["c"]);
    assert!(world.store.apply(Vec::new()).await.is_empty());
}

/// A retry keeps its place before what was queued after it.
pub async fn a_retry_keeps_its_place(world: World) {
    let t = thread("t");
    world.enqueue(&t, delivery("a")).await;
    world.enqueue(&t, delivery("b")).await;
    let active = world.start(&t).await;
    world.nack(&t, &active.claim).await;
    assert_eq!(drain(&world, &t).await, ["a", "b"]);
}
