//! `claim` and `claim_dispatch`: one dispatch becomes one node's.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{ClaimRequest, Command, Delivered, Enqueue, Reply, Start};
use postroom_core::dispatch::{DispatchState, DispatchStatus};
use postroom_core::error::Refusal;
use postroom_core::id::{AgentId, DispatchId};
use postroom_core::ports::{Clock, IdSource};
use postroom_core::thread::Readiness;

use crate::world::{LEASE, World, claim_of, delivery, request, thread};

async fn claim_dispatch(world: &World, t: &str, id: DispatchId) -> Option<Delivered> {
    let command = Command::ClaimDispatch { dispatch_id: id, request: request("n") };
    match world.apply(&thread(t), command).await {
        Reply::Claimed(delivered) => delivered.map(|boxed| *boxed),
        other => panic!("claim_dispatch was answered {other:?}"),
    }
}

/// A claim has an owner, a number and a lease; the dispatch and its thread say so.
pub async fn gives_a_lease(world: World) {
    let t = thread("t");
    world.say(&t, "hello").await;
    let (dispatch, claim) = world.claim(&t).await;
    assert_eq!(claim.node, request("node").node);
    assert_eq!(dispatch.lease_until(), Some(world.clock.now() + LEASE));
    assert_eq!(world.dispatch(dispatch.id).await, dispatch);
    let row = world.thread(&t).await;
    assert_eq!((row.claimed_dispatch_id, row.queued), (Some(dispatch.id), 0));
    assert_eq!((row.active_run_id, row.readiness), (None, Readiness::Busy));
    world.snapshot(&t).await;
}

/// A thread with a claimed dispatch has nothing to claim, however much is queued.
pub async fn one_at_a_time(world: World) {
    let t = thread("t");
    world.enqueue(&t, delivery("r1")).await;
    let second = world.enqueue(&t, delivery("r2")).await;
    let (_, claim) = world.claim(&t).await;
    assert!(world.try_claim(&t, request("other")).await.is_none());
    assert!(claim_dispatch(&world, "t", second.id).await.is_none());
    assert_eq!(world.state(second.id).await, DispatchState::Queued);
    world.ack(&t, &claim).await;
    assert_eq!(world.claim(&t).await.0.id, second.id);
}

/// Nothing to claim is an answer, not an error; also where there is no thread.
pub async fn nothing_to_claim(world: World) {
    assert!(world.try_claim(&thread("nobody"), request("n")).await.is_none());
    assert!(world.store.thread(&thread("nobody")).await.expect("a read").is_none());
    let t = thread("t");
    world.say(&t, "hello").await;
    let (_, claim) = world.claim(&t).await;
    world.ack(&t, &claim).await;
    assert!(world.try_claim(&t, request("n")).await.is_none());
}

/// Claim numbers grow for ever, whoever claims and whatever becomes of it.
pub async fn numbers_only_grow(world: World) {
    let t = thread("t");
    let mut last = 0;
    for n in 0..5 {
        world.enqueue(&t, delivery(&format!("r{n}"))).await;
        for give_back in [true, false] {
            let (_, claim) = world.claim(&t).await;
            assert!(claim.number > last, "{} after {last}", claim.number);
            last = claim.number;
            if give_back {
                world.apply(&t, Command::Release { claim }).await;
            } else {
                world.ack(&t, &claim).await;
            }
        }
    }
}

/// A node passes over a head whose agent it has no room for, and it stays first.
pub async fn passes_over_excluded_agents(world: World) {
    let t = thread("t");
    let agent = AgentId::parse("busy").expect("a name");
    let head = world.enqueue(&t, Enqueue { agent_id: Some(agent.clone()), ..delivery("r1") }).await;
    world.enqueue(&t, delivery("r2")).await;
    let without = ClaimRequest { except_agents: Arc::from([agent]), ..request("n") };
    assert!(world.try_claim(&t, without).await.is_none(), "order is kept: the head waits");
    assert_eq!(world.claim(&t).await.0.id, head.id);
}

/// A known dispatch can be claimed out of its turn, and before its time.
pub async fn a_known_one_out_of_its_turn(world: World) {
    let t = thread("t");
    world.enqueue(&t, delivery("r1")).await;
    let later = Start::In(Duration::from_mins(1));
    let second = world.enqueue(&t, Enqueue { start: later, ..delivery("r2") }).await;
    let delivered = claim_dispatch(&world, "t", second.id).await.expect("it is queued");
    assert_eq!(delivered.dispatch.id, second.id);
    assert_eq!(world.thread(&t).await.claimed_dispatch_id, Some(second.id));
    world.snapshot(&t).await;
}

/// A dispatch that is over can't be claimed; one that nobody knows is an error.
pub async fn a_known_one_that_is_not_queued(world: World) {
    let t = thread("t");
    world.say(&t, "hello").await;
    let (dispatch, claim) = world.claim(&t).await;
    world.ack(&t, &claim).await;
    assert!(claim_dispatch(&world, "t", dispatch.id).await.is_none());
    let unknown = DispatchId::from(world.ids.new_uuid());
    let command = Command::ClaimDispatch { dispatch_id: unknown, request: request("n") };
    let refusal = world.refused(&t, command).await;
    assert_eq!(refusal, Refusal::UnknownDispatch { dispatch_id: unknown });
}

/// A dispatch of another thread is none of this one.
pub async fn a_known_one_of_another_thread(world: World) {
    let (t, other) = (thread("t"), thread("u"));
    let dispatch = world.enqueue(&t, delivery("r")).await;
    world.enqueue(&other, delivery("r2")).await;
    let command = Command::ClaimDispatch { dispatch_id: dispatch.id, request: request("n") };
    let refusal = world.refused(&other, command).await;
    assert_eq!(refusal, Refusal::UnknownDispatch { dispatch_id: dispatch.id });
    assert_eq!(world.state(dispatch.id).await, DispatchState::Queued);
}

/// Only what is claimed has an owner and a lease.
pub async fn the_lease_ends_with_the_claim(world: World) {
    let t = thread("t");
    world.say(&t, "hello").await;
    let (dispatch, claim) = world.claim(&t).await;
    world.apply(&t, Command::Release { claim }).await;
    let queued = world.dispatch(dispatch.id).await;
    assert_eq!(queued.status, DispatchStatus::Queued { due: true });
    assert_eq!((queued.claim(), queued.lease_until()), (None, None));
    let (again, _) = world.claim(&t).await;
    assert!(claim_of(&again).number > 0);
}
