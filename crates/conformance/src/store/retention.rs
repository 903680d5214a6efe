//! `purge_events`: events that are old enough go, the oldest first; whoever is behind can tell.

use std::time::Duration;

use postroom_core::id::ThreadId;
use postroom_core::ports::Clock;
use postroom_core::time::Timestamp;

use crate::world::{World, thread};

/// A store may keep events by the day: then they go when their day is old enough.
const DAY: Duration = Duration::from_hours(24);

async fn purge(world: &World, older_than: Timestamp) -> u64 {
    let (mut purged, mut cursor) = (0, None::<String>);
    for _ in 0..1_000 {
        let part = world.store.purge_events(older_than, cursor.as_deref(), 3).await;
        let part = part.expect("a purge");
        purged += part.deleted;
        cursor = part.next_cursor;
        if cursor.is_none() {
            return purged;
        }
    }
    panic!("it goes round in circles")
}

async fn seqs(world: &World, t: &ThreadId, after: u64) -> Vec<u64> {
    let events = world.store.events(t, after, 1_000).await.expect("a read");
    events.iter().map(|event| event.seq).collect()
}

async fn live(world: &World, t: &ThreadId) {
    let active = world.started(t).await;
    world.ack(t, &active.claim).await;
}

/// What is newer stays, under its numbers, and what comes is numbered on.
pub async fn keeps_what_is_newer(world: World) {
    let t = thread("t");
    live(&world, &t).await;
    let old = world.thread(&t).await.event_seq;
    assert_eq!(purge(&world, world.clock.now()).await, 0, "nothing is older than it");
    assert_eq!(seqs(&world, &t, 0).await, (1..=old).collect::<Vec<_>>());

    world.clock.advance(2 * DAY);
    live(&world, &t).await;
    let all = world.thread(&t).await.event_seq;
    purge(&world, world.clock.now().before(DAY / 2)).await;
    let kept: Vec<u64> = (old + 1..=all).collect();
    assert_eq!(seqs(&world, &t, 0).await, kept);
    assert_eq!(seqs(&world, &t, old).await, kept, "who is there misses nothing");
    assert!(seqs(&world, &t, all).await.is_empty(), "nor who is at the end");

    live(&world, &t).await;
    assert_eq!(seqs(&world, &t, all).await.first(), Some(&(all + 1)));
    let messages = world.store.messages(&t, 0, 100).await.expect("a read");
    assert_eq!(messages.len(), 3, "messages stay");
}

/// All that a thread has may be old: it goes on where it was.
pub async fn days_go_whole(world: World) {
    let (t, other) = (thread("t"), thread("other"));
    live(&world, &t).await;
    let before = world.thread(&t).await;
    world.clock.advance(3 * DAY);
    live(&world, &other).await;
    purge(&world, world.clock.now().before(DAY)).await;
    assert!(seqs(&world, &t, 0).await.is_empty());
    assert_eq!(world.thread(&t).await, before);
    assert_eq!(seqs(&world, &other, 0).await.first(), Some(&1));
    live(&world, &t).await;
    assert_eq!(seqs(&world, &t, 0).await.first(), Some(&(before.event_seq + 1)));
}

/// However many threads there are, each is come to.
pub async fn of_many_threads(world: World) {
    let threads: Vec<ThreadId> = (0..10).map(|n| thread(&format!("t{n}"))).collect();
    for t in &threads {
        world.say(t, "hello").await;
    }
    world.clock.advance(3 * DAY);
    purge(&world, world.clock.now().before(DAY)).await;
    for t in &threads {
        assert!(seqs(&world, t, 0).await.is_empty());
    }
}
