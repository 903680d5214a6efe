//! `purge_terminal`: dispatches that are over go; their runs and messages stay.

use std::time::Duration;

use postroom_core::command::{Command, Outcome};
use postroom_core::dispatch::DispatchState;
use postroom_core::ports::Clock;

use crate::world::{World, delivery, thread};

/// What was terminal before that moment, and nothing else.
pub async fn only_what_is_old(world: World) {
    let t = thread("t");
    let old = world.started(&t).await;
    world.ack(&t, &old.claim).await;
    let at = world.clock.now();
    world.clock.advance(Duration::from_secs(10));
    let new = world.started(&t).await;
    world.ack(&t, &new.claim).await;
    let executing = world.started(&t).await;

    assert_eq!(
        world.store.purge_terminal(None, None, at, 100).await.expect("a purge"),
        0,
        "not before it"
    );
    let later = at + Duration::from_millis(1);
    assert_eq!(world.store.purge_terminal(None, None, later, 100).await.expect("a purge"), 1);
    assert!(world.store.dispatch(old.dispatch.id).await.expect("a read").is_none());
    assert_eq!(world.state(new.dispatch.id).await, DispatchState::Acked);
    assert!(world.run(&old.run.id).await.is_done(), "the run stays");
    assert_eq!(world.texts(&t).await.len(), 3);
    world.snapshot(&t).await;

    let much_later = world.clock.now() + Duration::from_hours(1);
    assert_eq!(world.store.purge_terminal(None, None, much_later, 100).await.expect("a purge"), 1);
    assert_eq!(world.state(executing.dispatch.id).await, DispatchState::Claimed);
    world.ack(&t, &executing.claim).await;
    world.snapshot(&t).await;
}

/// Only what is in the state that is asked for; nothing, if work is still in it.
pub async fn one_state(world: World) {
    let t = thread("t");
    let done = world.started(&t).await;
    world.ack(&t, &done.claim).await;
    world.enqueue(&t, delivery("dead")).await;
    let (_, claim) = world.claim(&t).await;
    let outcome = Outcome::DeadLetter { code: "x".to_owned(), error: "x".to_owned() };
    world.settle(&t, &claim, outcome).await;
    world.enqueue(&t, delivery("queued")).await;
    let later = world.clock.now() + Duration::from_secs(1);
    let purge = async |state| world.store.purge_terminal(None, Some(state), later, 9).await;
    assert_eq!(purge(DispatchState::Queued).await.expect("a purge"), 0);
    assert_eq!(purge(DispatchState::DeadLetter).await.expect("a purge"), 1);
    assert_eq!(world.state(done.dispatch.id).await, DispatchState::Acked);
    assert_eq!(purge(DispatchState::Acked).await.expect("a purge"), 1);
    world.snapshot(&t).await;
}

/// Every kind of end, as many as are asked for, and the depth goes with them.
pub async fn page_by_page(world: World) {
    let t = thread("t");
    for n in 0..5 {
        world.enqueue(&t, delivery(&format!("r{n}"))).await;
    }
    let (_, claim) = world.claim(&t).await;
    world.ack(&t, &claim).await;
    let (_, claim) = world.claim(&t).await;
    let outcome = Outcome::DeadLetter { code: "x".to_owned(), error: "x".to_owned() };
    world.settle(&t, &claim, outcome).await;
    world.apply(&t, Command::Interrupt).await;
    let later = world.clock.now() + Duration::from_secs(1);
    for expected in [2, 2, 1, 0] {
        assert_eq!(
            world.store.purge_terminal(None, None, later, 2).await.expect("a purge"),
            expected
        );
        world.snapshot(&t).await;
    }
    assert_eq!(world.store.depth().await.expect("a read").counts, [0; 6]);
}
