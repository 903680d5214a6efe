//! `record_dispatch_start` and `record_run_result`: an attempt's trace on its dispatch.

use postroom_core::command::{Command, RunResult};
use postroom_core::dispatch::{Attempt, AttemptStatus};
use postroom_core::error::Refusal;
use postroom_core::id::InstanceId;
use postroom_core::ports::{Clock, IdSource};
use postroom_core::run::Termination;

use crate::world::{World, thread};

/// The start names the attempt, and an earlier one's result is gone.
pub async fn start_begins_clean(world: World) {
    let t = thread("t");
    world.say(&t, "hello").await;
    let (dispatch, claim) = world.claim(&t).await;
    for _ in 0..2 {
        let instance_id = InstanceId::from(world.ids.new_uuid());
        world.apply(&t, Command::RecordStart { claim: claim.clone(), instance_id }).await;
        let attempt = world.dispatch(dispatch.id).await.attempt.clone();
        assert_eq!(attempt, Some(Attempt::started(instance_id)));
        let result = RunResult::natural_end(Some("done".to_owned()));
        world.apply(&t, Command::RecordResult { claim: claim.clone(), result }).await;
    }
    let attempt = world.dispatch(dispatch.id).await.attempt.clone().expect("an attempt");
    assert_eq!(attempt.run_status, AttemptStatus::Done);
    assert_eq!(attempt.termination, Some(Termination::NaturalEnd));
    assert_eq!(attempt.run_response.as_deref(), Some("done"));
    assert_eq!(attempt.completed_at, Some(world.clock.now()));
    world.snapshot(&t).await;
}

/// There is no result without a start.
pub async fn result_needs_a_start(world: World) {
    let t = thread("t");
    world.say(&t, "hello").await;
    let (_, claim) = world.claim(&t).await;
    let result = RunResult::natural_end(None);
    let refusal = world.refused(&t, Command::RecordResult { claim, result }).await;
    assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal:?}");
}

/// A stale claim records nothing.
pub async fn is_fenced(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.nack(&t, &active.claim).await;
    let claim = active.claim;
    let instance_id = InstanceId::from(world.ids.new_uuid());
    let command = Command::RecordStart { claim: claim.clone(), instance_id };
    let expected = Refusal::StaleClaim { claim: claim.clone(), command: "record_dispatch_start" };
    assert_eq!(world.refused(&t, command).await, expected);
    let expected = Refusal::StaleClaim { claim: claim.clone(), command: "record_run_result" };
    let result = RunResult::natural_end(None);
    assert_eq!(world.refused(&t, Command::RecordResult { claim, result }).await, expected);
}
