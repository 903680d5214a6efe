//! `begin`: the claimed dispatch's run starts, or must not.

use postroom_core::command::{Begun, CancelTarget, Command, Mode, Outcome, Reply, RunResult, Step};
use postroom_core::dispatch::{AttemptStatus, DispatchState};
use postroom_core::error::Refusal;
use postroom_core::id::InstanceId;
use postroom_core::ports::{Clock, IdSource};
use postroom_core::run::{AgentState, RunState, Termination};

use crate::world::{World, commit, request, said, thread};

async fn begin(world: &World, t: &str, claim: postroom_core::dispatch::Claim) -> Begun {
    match world.apply(&thread(t), Command::Begin { claim, instance_id: None }).await {
        Reply::Begun(begun) => begun,
        other => panic!("begin was answered {other:?}"),
    }
}

/// The run runs, the attempt is recorded, the pointers are set, and the input is given.
pub async fn starts_the_run(world: World) {
    let t = thread("t");
    let submitted = world.say(&t, "hello").await;
    let (_, claim) = world.claim(&t).await;
    let instance_id = Some(InstanceId::from(world.ids.new_uuid()));
    let reply = world.apply(&t, Command::Begin { claim: claim.clone(), instance_id }).await;
    let Reply::Begun(Begun::Started(active)) = reply else { panic!("it starts: {reply:?}") };
    assert_eq!(active.claim, claim);
    assert_eq!(active.run.run_state(), RunState::Running);
    assert_eq!((active.run.attempt, active.run.started_at), (1, Some(world.clock.now())));
    let attempt = active.dispatch.attempt.as_ref().expect("an attempt");
    assert_eq!(Some(attempt.instance_id), instance_id);
    assert_eq!((attempt.run_status, attempt.completed_at), (AttemptStatus::Running, None));
    let texts: Vec<_> = active.input.iter().map(|row| row.message.content.text()).collect();
    assert_eq!(texts, ["hello"]);
    assert_eq!(world.run(&submitted.run_id).await, active.run);
    assert_eq!(world.dispatch(active.dispatch.id).await, active.dispatch);
    let row = world.thread(&t).await;
    assert_eq!(row.active_run_id, Some(submitted.run_id.clone()));
    assert_eq!(row.open_run_id, Some(submitted.run_id));
    assert_eq!(world.event_types(&t, 0).await, ["message_committed", "run_queued", "run_started"]);
    world.snapshot(&t).await;
}

/// A stale claim starts nothing.
pub async fn is_fenced(world: World) {
    let t = thread("t");
    world.say(&t, "hello").await;
    let (_, stale) = world.claim(&t).await;
    world.apply(&t, Command::Release { claim: stale.clone() }).await;
    let expected = Refusal::StaleClaim { claim: stale.clone(), command: "begin" };
    let command = Command::Begin { claim: stale.clone(), instance_id: None };
    assert_eq!(world.refused(&t, command.clone()).await, expected);
    let (_, current) = world.claim(&t).await;
    assert_eq!(world.refused(&t, command).await, expected, "another claim is current");
    let mut stolen = current.clone();
    stolen.node = request("thief").node;
    let command = Command::Begin { claim: stolen.clone(), instance_id: None };
    let expected = Refusal::StaleClaim { claim: stolen, command: "begin" };
    assert_eq!(world.refused(&t, command).await, expected, "the number is another node's");
}

/// An interrupt between claim and begin: the run never starts.
pub async fn not_after_an_interrupt(world: World) {
    let t = thread("t");
    let submitted = world.say(&t, "hello").await;
    let (dispatch, claim) = world.claim(&t).await;
    world.apply(&t, Command::Interrupt).await;
    assert_eq!(begin(&world, "t", claim).await, Begun::NotStarted);
    assert_eq!(world.state(dispatch.id).await, DispatchState::Superseded);
    let run = world.run(&submitted.run_id).await;
    assert_eq!((run.termination(), run.started_at), (Some(&Termination::Cancelled), None));
    assert_eq!(world.thread(&t).await.active_run_id, None);
    world.snapshot(&t).await;
}

/// Somebody cancelled between claim and begin: the run never starts.
pub async fn not_after_a_cancel(world: World) {
    let t = thread("t");
    let submitted = world.say(&t, "hello").await;
    let (_, claim) = world.claim(&t).await;
    let command = Command::Cancel { target: CancelTarget::Thread, stop_executing: true };
    world.apply(&t, command).await;
    assert_eq!(begin(&world, "t", claim).await, Begun::NotStarted);
    let run = world.run(&submitted.run_id).await;
    assert_eq!(run.termination(), Some(&Termination::Cancelled));
    world.snapshot(&t).await;
}

/// A retry begins with a clean attempt, and what was committed.
pub async fn a_retry_begins_clean(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let state = AgentState::from_json(r#"{"n":1}"#.to_owned()).expect("JSON");
    world
        .apply(&t, commit(&active.claim, Step { state: Some(state.clone()), ..Step::default() }))
        .await;
    world.nack(&t, &active.claim).await;
    let again = world.start(&t).await;
    let first = active.dispatch.attempt.clone().expect("an attempt").instance_id;
    let second = again.dispatch.attempt.clone().expect("an attempt");
    assert_ne!(second.instance_id, first);
    assert_eq!((second.run_error, second.completed_at), (None, None));
    assert_eq!((again.run.attempt, again.run.state.clone()), (2, Some(state)));
    assert_eq!(again.input, active.input);
    world.snapshot(&t).await;
}

/// A new run inherits the agent state of the one that ended last.
pub async fn inherits_the_agent_state(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let state = AgentState::from_json(r#"{"n":1}"#.to_owned()).expect("JSON");
    world
        .apply(&t, commit(&active.claim, Step { state: Some(state.clone()), ..Step::default() }))
        .await;
    world.ack(&t, &active.claim).await;
    let next = world.started(&t).await;
    assert_ne!(next.run.id, active.run.id);
    assert_eq!(next.run.state, Some(state));
}

/// The agent of a thread's next run is that of its newest, unless another is asked for.
pub async fn keeps_the_agent(world: World) {
    let t = thread("t");
    let agent_id = Some(postroom_core::id::AgentId::parse("a").expect("a name"));
    let mut submit = said(Mode::Enqueue, "hello");
    submit.agent_id.clone_from(&agent_id);
    world.submit(&t, submit).await;
    world.say(&t, "more").await;
    let first = world.start(&t).await;
    world.settle(&t, &first.claim, Outcome::Ack(RunResult::natural_end(None))).await;
    assert_eq!(Some(world.start(&t).await.run.agent_id.clone()), agent_id);
}
