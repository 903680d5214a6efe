//! `extend_lease`, `release`, `supersede_claimed`: what a holder does with its claim.

use std::time::Duration;

use postroom_core::command::{CancelTarget, Command, Extended, Reply};
use postroom_core::dispatch::{Claim, DispatchState, DispatchStatus};
use postroom_core::error::Refusal;
use postroom_core::id::ThreadId;
use postroom_core::ports::Clock;
use postroom_core::run::{RunState, Termination};

use crate::world::{LEASE, World, thread};

async fn extend(world: &World, t: &ThreadId, claim: &Claim) -> Extended {
    match world.apply(t, Command::ExtendLease { claim: claim.clone(), lease: LEASE }).await {
        Reply::Extended(extended) => extended,
        other => panic!("extend_lease was answered {other:?}"),
    }
}

/// The lease is counted from now.
pub async fn extend_renews(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.clock.advance(Duration::from_secs(10));
    let extended = extend(&world, &t, &active.claim).await;
    assert_eq!(extended, Extended { held: true, stop_requested: false });
    let dispatch = world.dispatch(active.dispatch.id).await;
    assert_eq!(dispatch.lease_until(), Some(world.clock.now() + LEASE));
    world.snapshot(&t).await;
}

/// A stale claim is not held; that is the answer, and nothing changes.
pub async fn extend_says_what_is_lost(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.nack(&t, &active.claim).await;
    let before = world.snapshot(&t).await;
    let lost = Extended { held: false, stop_requested: false };
    assert_eq!(extend(&world, &t, &active.claim).await, lost);
    assert_eq!(world.snapshot(&t).await, before);
    assert_eq!(extend(&world, &thread("nobody"), &active.claim).await, lost);
}

/// A lease that has ended, and that nobody has taken back, can still be renewed.
pub async fn extend_after_the_end(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.clock.advance(LEASE * 2);
    assert!(extend(&world, &t, &active.claim).await.held);
}

/// A renewal is told that somebody wants the run to stop.
pub async fn extend_hears_of_a_stop(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let stop = Command::Cancel { target: CancelTarget::Thread, stop_executing: true };
    world.apply(&t, stop).await;
    let extended = extend(&world, &t, &active.claim).await;
    assert_eq!(extended, Extended { held: true, stop_requested: true });
}

/// A claim that is handed back costs no attempt, and the dispatch keeps its place.
pub async fn release_loses_no_attempt(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.say(&t, "second").await;
    world.apply(&t, Command::Release { claim: active.claim.clone() }).await;
    let dispatch = world.dispatch(active.dispatch.id).await;
    assert_eq!(dispatch.status, DispatchStatus::Queued { due: true });
    assert_eq!(dispatch.attempt_count, 0);
    assert_eq!(world.thread(&t).await.active_run_id, None);
    world.snapshot(&t).await;
    assert_eq!(world.start(&t).await.dispatch.id, active.dispatch.id, "it is still first");
    let refusal = world.refused(&t, Command::Release { claim: active.claim.clone() }).await;
    assert_eq!(refusal, Refusal::StaleClaim { claim: active.claim, command: "release" });
}

/// A claim of an epoch that is over is not put back into the queue.
pub async fn release_after_an_interrupt(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.apply(&t, Command::Interrupt).await;
    world.apply(&t, Command::Release { claim: active.claim }).await;
    assert_eq!(world.state(active.dispatch.id).await, DispatchState::Superseded);
    let run = world.run(&active.run.id).await;
    assert_eq!(run.termination(), Some(&Termination::Cancelled));
    world.snapshot(&t).await;
}

/// A run that waits in memory for a person goes on waiting without its executor.
pub async fn release_leaves_a_wait(world: World) {
    use postroom_core::command::{Step, Suspend};
    use postroom_core::run::WaitReason;
    let t = thread("t");
    let active = world.started(&t).await;
    let tickets = vec![crate::world::ticket("call")];
    let suspend = Suspend { reason: WaitReason::ToolPermission, tickets, lease: LEASE };
    let step = Step { suspend: Some(suspend), ..Step::default() };
    world.apply(&t, crate::world::commit(&active.claim, step)).await;
    world.apply(&t, Command::Release { claim: active.claim }).await;
    let run = world.run(&active.run.id).await;
    assert_eq!(run.run_state(), RunState::Waiting);
    assert_eq!(world.thread(&t).await.open_run_id, Some(run.id.clone()));
    world.snapshot(&t).await;
}

/// The holder gives a claim of a past epoch up, and its run is cancelled.
pub async fn supersede_claimed(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.apply(&t, Command::Interrupt).await;
    let command = Command::SupersedeClaimed { claim: active.claim.clone() };
    let Reply::Superseded(dispatch) = world.apply(&t, command.clone()).await else {
        panic!("it is superseded")
    };
    assert_eq!(dispatch.state(), DispatchState::Superseded);
    assert_eq!(world.run(&active.run.id).await.termination(), Some(&Termination::Cancelled));
    world.snapshot(&t).await;
    let expected = Refusal::StaleClaim { claim: active.claim, command: "supersede_claimed" };
    assert_eq!(world.refused(&t, command).await, expected);
}
