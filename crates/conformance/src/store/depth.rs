//! How many dispatches are in each state.

use postroom_core::command::{CancelTarget, Command, Outcome};
use postroom_core::dispatch::DispatchState;

use crate::world::{World, delivery, thread};

/// Each transition is counted, over all threads.
pub async fn follows_every_transition(world: World) {
    let expect = async |expected: [u64; 6]| {
        let depth = world.store.depth().await.expect("a read");
        assert_eq!(depth.counts, expected);
        assert_eq!(depth.get(DispatchState::Queued), expected[0]);
    };
    let (t, u) = (thread("t"), thread("u"));
    expect([0; 6]).await;
    for n in 0..4 {
        world.enqueue(&t, delivery(&format!("t{n}"))).await;
        world.enqueue(&u, delivery(&format!("u{n}"))).await;
    }
    expect([8, 0, 0, 0, 0, 0]).await;
    let (_, claim) = world.claim(&t).await;
    expect([7, 1, 0, 0, 0, 0]).await;
    world.ack(&t, &claim).await;
    expect([7, 0, 1, 0, 0, 0]).await;
    let (_, claim) = world.claim(&t).await;
    world.nack(&t, &claim).await;
    expect([7, 0, 1, 0, 0, 0]).await;
    let (dead, claim) = world.claim(&t).await;
    let outcome = Outcome::DeadLetter { code: "x".to_owned(), error: "x".to_owned() };
    world.settle(&t, &claim, outcome).await;
    expect([6, 0, 1, 0, 0, 1]).await;
    world.apply(&t, Command::Requeue { dispatch_id: dead.id, max_attempts: None }).await;
    expect([7, 0, 1, 0, 0, 1]).await;
    let target = CancelTarget::Thread;
    world.apply(&u, Command::Cancel { target, stop_executing: false }).await;
    expect([6, 0, 1, 1, 0, 1]).await;
    world.apply(&u, Command::Interrupt).await;
    expect([3, 0, 1, 1, 3, 1]).await;
    world.apply(&u, Command::DeleteThread).await;
    expect([3, 0, 1, 0, 0, 1]).await;
}
