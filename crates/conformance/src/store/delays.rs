//! Delayed work: it is in nobody's way before its time, and starts when it comes.

use std::time::Duration;

use postroom_core::command::{Enqueue, Mode, Outcome, Start, Submit};
use postroom_core::dispatch::Priority;
use postroom_core::ports::Clock;
use postroom_core::thread::Readiness;

use crate::world::{World, beginning, delivery, request, said, thread};

fn later(run: &str, seconds: u64) -> Enqueue {
    Enqueue { start: Start::In(Duration::from_secs(seconds)), ..delivery(run) }
}

/// Urgent work for later does not hold up what may start now; once due, it goes first.
pub async fn is_not_in_the_way(world: World) {
    let t = thread("t");
    let urgent = world.enqueue(&t, Enqueue { priority: Priority(0), ..later("urgent", 5) }).await;
    let first = world.enqueue(&t, delivery("first")).await;
    let second = world.enqueue(&t, delivery("second")).await;
    let (dispatch, claim) = world.claim(&t).await;
    assert_eq!(dispatch.id, first.id);
    world.clock.advance(Duration::from_secs(5));
    world.ack(&t, &claim).await;
    let (dispatch, claim) = world.claim(&t).await;
    assert_eq!(dispatch.id, urgent.id);
    world.ack(&t, &claim).await;
    assert_eq!(world.claim(&t).await.0.id, second.id);
    world.snapshot(&t).await;
}

/// The thread says when its first delayed work is due.
pub async fn the_thread_knows_when(world: World) {
    let t = thread("t");
    let begin = world.clock.now();
    let until = |seconds| Readiness::Delayed { until: begin + Duration::from_secs(seconds) };
    world.enqueue(&t, later("b", 20)).await;
    assert_eq!(world.thread(&t).await.readiness, until(20));
    world.enqueue(&t, later("a", 10)).await;
    assert_eq!(world.thread(&t).await.readiness, until(10));
    world.clock.advance(Duration::from_secs(10));
    let (dispatch, claim) = world.claim(&t).await;
    assert_eq!(dispatch.run_id.to_string(), "a");
    assert_eq!(world.thread(&t).await.readiness, Readiness::Busy);
    world.ack(&t, &claim).await;
    assert_eq!(world.thread(&t).await.readiness, until(20));
    assert!(world.try_claim(&t, request("n")).await.is_none());
}

/// Due exactly at its time, and not a millisecond before.
pub async fn at_its_time(world: World) {
    let t = thread("t");
    let at = world.clock.now() + Duration::from_secs(1);
    world.enqueue(&t, Enqueue { start: Start::At(at), ..delivery("r") }).await;
    world.clock.advance(Duration::from_millis(999));
    assert!(world.try_claim(&t, request("n")).await.is_none());
    world.clock.advance(Duration::from_millis(1));
    assert!(world.try_claim(&t, request("n")).await.is_some());
}

/// A moment that has passed is now.
pub async fn a_moment_that_has_passed(world: World) {
    let t = thread("t");
    let at = world.clock.now().before(Duration::from_mins(1));
    world.enqueue(&t, Enqueue { start: Start::At(at), ..delivery("r") }).await;
    assert!(world.try_claim(&t, request("n")).await.is_some());
    world.snapshot(&t).await;
}

/// A submission may be for later too, and several that become due keep their order.
pub async fn submissions_for_later(world: World) {
    let t = thread("t");
    for text in ["a", "b", "c"] {
        let start = Start::In(Duration::from_secs(5));
        world.submit(&t, Submit { start, ..said(Mode::Enqueue, text) }).await;
    }
    assert!(world.try_claim(&t, beginning("n")).await.is_none());
    world.clock.advance(Duration::from_secs(6));
    for text in ["a", "b", "c"] {
        let active = world.start(&t).await;
        assert_eq!(active.input[0].message.content.text(), text);
        world.ack(&t, &active.claim).await;
        world.snapshot(&t).await;
    }
}

/// A retry's delay lets other work of the thread go first.
pub async fn a_retry_lets_others_go(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let second = world.say(&t, "second").await;
    let outcome = Outcome::Nack { retry_in: Duration::from_secs(5), error: "for now".to_owned() };
    let settled = world.settle(&t, &active.claim, outcome).await;
    assert!(settled.more_due);
    let next = world.start(&t).await;
    assert_eq!(next.run.id, second.run_id);
    world.ack(&t, &next.claim).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.start(&t).await.run.id, active.run.id);
    world.snapshot(&t).await;
}
