//! `reclaim`: claims are taken from nodes that let their lease expire, or that are dead.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{CancelTarget, Command, Enqueue, Reply, Step, Suspend};
use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::Refusal;
use postroom_core::ports::{Clock, ReclaimScope};
use postroom_core::run::{RunState, Termination, WaitReason};

use crate::world::{LEASE, World, commit, delivery, thread, ticket};

async fn expired(world: &World) -> Vec<Arc<Dispatch>> {
    let reclaimed = world.store.reclaim(ReclaimScope::Expired, Duration::ZERO, 100).await;
    reclaimed.expect("a sweep").dispatches
}

/// Only a lease that has ended, and its dispatch is queued again with one attempt less.
pub async fn expired_leases(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.clock.advance(LEASE);
    assert!(expired(&world).await.is_empty(), "a lease holds up to its end");
    world.clock.advance(Duration::from_millis(1));
    let [dispatch] = &expired(&world).await[..] else { panic!("one lease has ended") };
    assert_eq!((dispatch.id, dispatch.attempt_count), (active.dispatch.id, 1));
    assert_eq!(dispatch.state(), DispatchState::Queued);
    assert_eq!(world.dispatch(dispatch.id).await, *dispatch);
    assert_eq!(world.run(&active.run.id).await.run_state(), RunState::Running);
    assert!(expired(&world).await.is_empty(), "once");
    world.snapshot(&t).await;
    assert_eq!(world.start(&t).await.run.attempt, 2);
}

/// Who lost the claim can write nothing any more.
pub async fn fences_the_loser(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.clock.advance(LEASE * 2);
    expired(&world).await;
    let refusal = world.refused(&t, commit(&active.claim, Step::default())).await;
    assert_eq!(refusal, Refusal::StaleClaim { claim: active.claim, command: "commit" });
}

/// The retry may be put off.
pub async fn delays_the_retry(world: World) {
    let t = thread("t");
    world.started(&t).await;
    world.clock.advance(LEASE * 2);
    let retry_in = Duration::from_secs(3);
    let reclaimed = world.store.reclaim(ReclaimScope::Expired, retry_in, 100).await;
    let dispatches = reclaimed.expect("a sweep").dispatches;
    assert_eq!(dispatches[0].available_at, world.clock.now() + retry_in);
    world.snapshot(&t).await;
}

/// A poison run that kills its nodes ends among the dead letters.
pub async fn poison_is_given_up(world: World) {
    let t = thread("t");
    world.enqueue(&t, Enqueue { max_attempts: 2, ..delivery("r") }).await;
    for state in [DispatchState::Queued, DispatchState::DeadLetter] {
        world.start(&t).await;
        world.clock.advance(LEASE * 2);
        assert_eq!(expired(&world).await[0].state(), state);
        world.snapshot(&t).await;
    }
}

/// Of a past epoch, or asked to stop: it is superseded, not retried.
pub async fn what_is_over_is_superseded(world: World) {
    for by_interrupt in [true, false] {
        let t = thread(if by_interrupt { "interrupted" } else { "stopped" });
        let active = world.started(&t).await;
        let command = if by_interrupt {
            Command::Interrupt
        } else {
            Command::Cancel { target: CancelTarget::Thread, stop_executing: true }
        };
        world.apply(&t, command).await;
        world.clock.advance(LEASE * 2);
        assert_eq!(expired(&world).await[0].state(), DispatchState::Superseded);
        let run = world.run(&active.run.id).await;
        assert_eq!(run.termination(), Some(&Termination::Cancelled));
        world.snapshot(&t).await;
    }
}

/// A renewed lease is not taken back at its first end.
pub async fn renewed_leases_hold(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.clock.advance(Duration::from_secs(20));
    let renew = Command::ExtendLease { claim: active.claim, lease: LEASE };
    world.apply(&t, renew).await;
    world.clock.advance(Duration::from_secs(20));
    assert!(expired(&world).await.is_empty());
}

/// A run that waited in memory for a person goes on waiting; no attempt has failed.
pub async fn a_wait_in_memory_goes_on(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let suspend =
        Suspend { reason: WaitReason::ToolPermission, tickets: vec![ticket("call")], lease: LEASE };
    world
        .apply(&t, commit(&active.claim, Step { suspend: Some(suspend), ..Step::default() }))
        .await;
    world.clock.advance(LEASE * 2);
    let [dispatch] = &expired(&world).await[..] else { panic!("one lease has ended") };
    assert_eq!((dispatch.state(), dispatch.attempt_count), (DispatchState::Acked, 0));
    assert_eq!(world.run(&active.run.id).await.run_state(), RunState::Waiting);
    world.snapshot(&t).await;
}

/// All that is expired, a page at a time; the longest expired first.
pub async fn page_by_page(world: World) {
    for n in 0..5 {
        let t = thread(&format!("t{n}"));
        world.started(&t).await;
        world.clock.advance(Duration::from_millis(1));
    }
    world.clock.advance(LEASE * 2);
    let mut threads = Vec::new();
    for expected in [2, 2, 1, 0] {
        let page = world.store.reclaim(ReclaimScope::Expired, Duration::ZERO, 2).await;
        let dispatches = page.expect("a sweep").dispatches;
        assert_eq!(dispatches.len(), expected);
        threads.extend(dispatches.into_iter().map(|dispatch| dispatch.thread_id.to_string()));
    }
    assert_eq!(threads, ["t0", "t1", "t2", "t3", "t4"]);
}

/// A store that one process has to itself takes all claims back at its start.
pub async fn all_claims_of_dead_nodes(world: World) {
    if !world.store.capabilities().exclusive {
        return;
    }
    let t = thread("t");
    let active = world.started(&t).await;
    let reclaimed = world.store.reclaim(ReclaimScope::All, Duration::ZERO, 100).await;
    let dispatches = reclaimed.expect("a sweep").dispatches;
    assert_eq!(dispatches[0].id, active.dispatch.id);
    assert_eq!(dispatches[0].state(), DispatchState::Queued);
    world.snapshot(&t).await;
}

/// A single thread's claim can be taken back too, if its lease has ended.
pub async fn one_thread(world: World) {
    let t = thread("t");
    world.started(&t).await;
    let command = Command::Reclaim { force: false, retry_in: Duration::ZERO };
    assert_eq!(world.apply(&t, command.clone()).await, Reply::Reclaimed(None));
    let command = Command::Reclaim { force: true, retry_in: Duration::ZERO };
    let Reply::Reclaimed(Some(dispatch)) = world.apply(&t, command).await else {
        panic!("it is forced")
    };
    assert_eq!(dispatch.state(), DispatchState::Queued);
    world.snapshot(&t).await;
}
