//! `commit`: a step boundary.

use std::time::Duration;

use postroom_core::command::{CancelTarget, Command, Committed, Reply, Step, Suspend, Take};
use postroom_core::dispatch::{AttemptStatus, Claim};
use postroom_core::error::Refusal;
use postroom_core::event::EventBody;
use postroom_core::id::MessageId;
use postroom_core::message::{NewMessage, Role};
use postroom_core::ports::Clock;
use postroom_core::run::{RunState, Usage, WaitReason};

use crate::world::{World, commit, thread, ticket};

async fn committed(world: &World, claim: &Claim, step: Step) -> Committed {
    match world.apply(&thread("t"), commit(claim, step)).await {
        Reply::Committed(committed) => committed,
        other => panic!("commit was answered {other:?}"),
    }
}

fn answer(text: &str) -> Step {
    Step { messages: vec![NewMessage::text(Role::Assistant, text)], ..Step::default() }
}

/// Messages, events, usage, steps and the agent's version are written, in one go.
pub async fn writes_a_step(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let before = world.thread(&t).await.event_seq;
    let step = Step {
        events: vec![
            EventBody::StepStarted { step: 1 },
            EventBody::TextDelta { text: "hi".to_owned() },
        ],
        usage: Usage { input_tokens: 3, output_tokens: 5, cached_tokens: 2 },
        steps: 1,
        agent_version: Some("v1".to_owned()),
        ..answer("hi")
    };
    let first = committed(&world, &active.claim, step.clone()).await;
    assert_eq!((first.written.len(), first.written[0].seq), (1, 2));
    assert_eq!(first.written[0].run_id, active.run.id);
    assert!(first.taken.is_empty() && !first.stop_requested);
    assert_eq!(
        world.event_types(&t, before).await,
        ["step_started", "text_delta", "message_committed"]
    );
    committed(&world, &active.claim, Step { agent_version: Some("v2".to_owned()), ..step }).await;
    let run = world.run(&active.run.id).await;
    assert_eq!(run.usage, Usage { input_tokens: 6, output_tokens: 10, cached_tokens: 4 });
    assert_eq!((run.steps, run.agent_version.as_deref()), (2, Some("v1")), "the first is kept");
    assert_eq!(world.texts(&t).await, ["begin", "hi", "hi"]);
}

/// A stale claim writes nothing at all.
pub async fn is_fenced(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.nack(&t, &active.claim).await;
    let expected = Refusal::StaleClaim { claim: active.claim.clone(), command: "commit" };
    assert_eq!(world.refused(&t, commit(&active.claim, answer("late"))).await, expected);
    world.start(&t).await;
    assert_eq!(world.refused(&t, commit(&active.claim, answer("late"))).await, expected);
    assert_eq!(world.texts(&t).await, ["begin"]);
}

/// A message that the log has is not written again: a repeated commit is harmless.
pub async fn writes_a_message_once(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let mut message = NewMessage::text(Role::Assistant, "hi");
    message.id = Some(MessageId::parse("m").expect("a name"));
    let step = Step { messages: vec![message], ..Step::default() };
    assert_eq!(committed(&world, &active.claim, step.clone()).await.written.len(), 1);
    assert_eq!(committed(&world, &active.claim, step).await.written.len(), 0);
    assert_eq!(world.texts(&t).await, ["begin", "hi"]);
}

/// A commit is told that somebody wants the run to stop.
pub async fn hears_of_a_stop(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let stop = Command::Cancel { target: CancelTarget::Thread, stop_executing: true };
    world.apply(&t, stop).await;
    assert!(committed(&world, &active.claim, Step::default()).await.stop_requested);
}

/// A run may wait in memory: its claim is held, under a long lease; then it goes on.
pub async fn suspends_in_memory(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let lease = Duration::from_mins(10);
    let suspend =
        Suspend { reason: WaitReason::ToolPermission, tickets: vec![ticket("call")], lease };
    committed(&world, &active.claim, Step { suspend: Some(suspend), ..Step::default() }).await;
    let run = world.run(&active.run.id).await;
    assert_eq!(run.wait_reason(), Some(WaitReason::ToolPermission));
    assert!(run.has_open_ticket());
    let dispatch = world.dispatch(active.dispatch.id).await;
    assert_eq!(dispatch.lease_until(), Some(world.clock.now() + lease));
    let status = dispatch.attempt.clone().map(|attempt| attempt.run_status);
    assert_eq!(status, Some(AttemptStatus::Waiting));
    world.snapshot(&t).await;

    committed(&world, &active.claim, Step { resume: true, ..Step::default() }).await;
    assert_eq!(world.run(&active.run.id).await.run_state(), RunState::Running);
    world.snapshot(&t).await;
}

/// Nothing to write and nothing to take in is fine, and changes no log.
pub async fn may_be_empty(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let before = world.snapshot(&t).await;
    let step = Step { take: Take::NextStep, ..Step::default() };
    let empty = committed(&world, &active.claim, step).await;
    assert!(empty.written.is_empty() && empty.taken.is_empty());
    assert_eq!(world.snapshot(&t).await.events, before.events);
}
