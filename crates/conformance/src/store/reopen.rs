//! What a store keeps beyond its process. A store that keeps nothing passes by having nothing.

use std::time::Duration;

use postroom_core::command::{Command, Enqueue, Mode, Start, Submit};
use postroom_core::id::{DedupeKey, IdempotencyKey};
use postroom_core::ports::{Clock, ReclaimScope};

use crate::world::{World, delivery, said, thread};

/// Everything that was answered is there, in every table.
pub async fn keeps_everything(world: World) {
    let names = ["waiting", "executing", "queued", "delayed", "ended"];
    world.waiting_for_permission(&thread("waiting"), "call").await;
    world.say(&thread("waiting"), "kept for later").await;
    world.started(&thread("executing")).await;
    world.submit(&thread("executing"), said(Mode::Steer, "steered")).await;
    let key = DedupeKey::parse("k").expect("a key");
    let queued = Enqueue { dedupe_key: Some(key), ..delivery("r") };
    world.enqueue(&thread("queued"), queued).await;
    let start = Start::In(Duration::from_mins(1));
    world.enqueue(&thread("delayed"), Enqueue { start, ..delivery("s") }).await;
    let ended = world.started(&thread("ended")).await;
    world.ack(&thread("ended"), &ended.claim).await;

    let mut before = Vec::new();
    for name in names {
        before.push(world.snapshot(&thread(name)).await);
    }
    let depth = world.store.depth().await.expect("a read");
    let Some(world) = world.reopened().await else { return };
    for (name, before) in names.into_iter().zip(before) {
        assert_eq!(world.snapshot(&thread(name)).await, before, "thread {name}");
    }
    assert_eq!(world.store.depth().await.expect("a read"), depth);
    let ready = world.store.claim_ready(crate::world::request("n"), 10).await.expect("a claim");
    assert_eq!(ready.claimed.len(), 1);
    assert_eq!(ready.next_due_in, Some(Duration::from_mins(1)));
}

/// Work goes on where it was: a lost claim is taken back, and its owner is fenced.
pub async fn work_goes_on(world: World) {
    let t = thread("t");
    let key = IdempotencyKey::parse("key").expect("a key");
    let submit = Submit { idempotency_key: Some(key), ..said(Mode::Enqueue, "hello") };
    let first = world.submit(&t, submit.clone()).await;
    let active = world.start(&t).await;
    let Some(world) = world.reopened().await else { return };
    assert_eq!(world.submit(&t, submit).await.run_id, first.run_id, "the key is known");
    let scope = if world.store.capabilities().exclusive {
        ReclaimScope::All
    } else {
        ReclaimScope::Expired
    };
    world.clock.advance(Duration::from_mins(1));
    let reclaimed = world.store.reclaim(scope, Duration::ZERO, 10).await.expect("a sweep");
    assert_eq!(reclaimed.dispatches.len(), 1);
    let again = world.start(&t).await;
    assert!(again.claim.number > active.claim.number);
    let late = crate::world::commit(&active.claim, postroom_core::command::Step::default());
    world.refused(&t, late).await;
    world.ack(&t, &again.claim).await;
    assert!(world.run(&first.run_id).await.finished_at() <= Some(world.clock.now()));
    world.apply(&t, Command::DeleteThread).await;
}
