//! `claim_ready`: the heads of different ready threads, in one round trip.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{Begun, ClaimRequest, Enqueue, Start};
use postroom_core::dispatch::Priority;
use postroom_core::id::{AgentId, ThreadId};
use postroom_core::ports::ClaimedReady;

use crate::world::{World, beginning, delivery, request, thread};

async fn claim_ready(world: &World, request: ClaimRequest, limit: usize) -> ClaimedReady {
    world.store.claim_ready(request, limit).await.expect("a claim")
}

fn threads(ready: &ClaimedReady) -> Vec<ThreadId> {
    ready.claimed.iter().map(|delivered| delivered.dispatch.thread_id.clone()).collect()
}

/// One head of each ready thread, up to the limit; never two of one.
pub async fn one_of_each_thread(world: World) {
    for name in ["a", "b", "c"] {
        world.enqueue(&thread(name), delivery(&format!("{name}1"))).await;
        world.enqueue(&thread(name), delivery(&format!("{name}2"))).await;
        world.clock.advance(Duration::from_millis(1));
    }
    let ready = claim_ready(&world, request("n"), 2).await;
    assert_eq!(threads(&ready), [thread("a"), thread("b")], "what waits longest goes first");
    let ready = claim_ready(&world, request("n"), 10).await;
    assert_eq!(threads(&ready), [thread("c")]);
    assert!(claim_ready(&world, request("n"), 10).await.claimed.is_empty());
    assert!(claim_ready(&world, request("n"), 0).await.claimed.is_empty());
    for name in ["a", "b", "c"] {
        world.snapshot(&thread(name)).await;
    }
}

/// The more urgent head goes first.
pub async fn by_priority(world: World) {
    for (name, priority) in [("low", 200), ("high", 1), ("middle", 128)] {
        let wanted = Enqueue { priority: Priority(priority), ..delivery(name) };
        world.enqueue(&thread(name), wanted).await;
    }
    let ready = claim_ready(&world, request("n"), 3).await;
    assert_eq!(threads(&ready), [thread("high"), thread("middle"), thread("low")]);
}

/// Agents that the node has no room for are passed over; their threads stay ready.
pub async fn passes_over_excluded_agents(world: World) {
    let agent = AgentId::parse("busy").expect("a name");
    for (name, agent_id) in [("a", Some(agent.clone())), ("b", None)] {
        world.enqueue(&thread(name), Enqueue { agent_id, ..delivery(name) }).await;
    }
    let without = ClaimRequest { except_agents: Arc::from([agent]), ..request("n") };
    assert_eq!(threads(&claim_ready(&world, without.clone(), 10).await), [thread("b")]);
    assert!(claim_ready(&world, without, 10).await.claimed.is_empty());
    assert_eq!(threads(&claim_ready(&world, request("n"), 10).await), [thread("a")]);
}

/// It can begin in the same transaction, and then gives what the executor needs.
pub async fn can_begin(world: World) {
    world.say(&thread("t"), "hello").await;
    let ready = claim_ready(&world, beginning("n"), 1).await;
    let [delivered] = &ready.claimed[..] else { panic!("one is ready: {ready:?}") };
    let Some(Begun::Started(activation)) = &delivered.begun else { panic!("it begins") };
    assert_eq!(activation.input.len(), 1);
    assert_eq!(ready.events.last().map(|event| event.body.type_name()), Some("run_started"));
    world.snapshot(&thread("t")).await;
}

/// Delayed work is claimed once it is due, and until then it is said how long that is.
pub async fn delayed_work_when_it_is_due(world: World) {
    for (name, seconds) in [("soon", 5), ("late", 60)] {
        let start = Start::In(Duration::from_secs(seconds));
        world.enqueue(&thread(name), Enqueue { start, ..delivery(name) }).await;
    }
    let ready = claim_ready(&world, request("n"), 10).await;
    assert!(ready.claimed.is_empty());
    assert_eq!(ready.next_due_in, Some(Duration::from_secs(5)));

    world.clock.advance(Duration::from_secs(5));
    let ready = claim_ready(&world, request("n"), 10).await;
    assert_eq!(threads(&ready), [thread("soon")]);
    assert_eq!(ready.next_due_in, Some(Duration::from_secs(55)));
    for name in ["soon", "late"] {
        world.snapshot(&thread(name)).await;
    }
}

/// A thread whose claim is held has nothing ready, and its delayed work wakes nobody.
pub async fn busy_threads_are_not_ready(world: World) {
    let t = thread("t");
    world.enqueue(&t, delivery("r1")).await;
    world.enqueue(&t, delivery("r2")).await;
    let start = Start::In(Duration::from_secs(5));
    world.enqueue(&t, Enqueue { start, ..delivery("r3") }).await;
    let (_, claim) = world.claim(&t).await;
    let ready = claim_ready(&world, request("n"), 10).await;
    assert!(ready.claimed.is_empty());
    assert_eq!(ready.next_due_in, None);
    world.ack(&t, &claim).await;
    assert_eq!(threads(&claim_ready(&world, request("n"), 10).await), [t]);
}

/// Delayed work that is due does not starve behind threads that are always ready.
pub async fn due_work_takes_its_place(world: World) {
    let start = Start::In(Duration::from_secs(1));
    let urgent = Enqueue { start, priority: Priority(0), ..delivery("urgent") };
    world.enqueue(&thread("urgent"), urgent).await;
    for n in 0..20 {
        world.enqueue(&thread(&format!("t{n}")), delivery(&format!("r{n}"))).await;
    }
    world.clock.advance(Duration::from_secs(2));
    let ready = claim_ready(&world, request("n"), 1).await;
    assert_eq!(threads(&ready), [thread("urgent")]);
}

/// Due work of an agent that is passed over is not lost: it is claimed when there is room.
pub async fn due_work_of_an_excluded_agent(world: World) {
    let agent = AgentId::parse("busy").expect("a name");
    let start = Start::In(Duration::from_secs(1));
    let wanted = Enqueue { start, agent_id: Some(agent.clone()), ..delivery("r") };
    world.enqueue(&thread("t"), wanted).await;
    world.clock.advance(Duration::from_secs(2));
    let without = ClaimRequest { except_agents: Arc::from([agent]), ..request("n") };
    assert!(claim_ready(&world, without, 10).await.claimed.is_empty());
    world.snapshot(&thread("t")).await;
    assert_eq!(threads(&claim_ready(&world, request("n"), 10).await), [thread("t")]);
}
