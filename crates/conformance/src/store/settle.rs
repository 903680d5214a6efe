//! `settle`: the end of a delivery: ack, nack, dead letter, wait; and what comes next.

use std::time::Duration;

use postroom_core::command::{Command, Outcome, Reply, RunResult, Settle, Settled, Step, Wait};
use postroom_core::dispatch::{AttemptStatus, DispatchState, DispatchStatus};
use postroom_core::error::Refusal;
use postroom_core::message::{NewMessage, Role};
use postroom_core::ports::Clock;
use postroom_core::run::{Reason, RunState, Termination, WaitReason};

use crate::world::{World, beginning, delivery, settle, started, thread};

/// The delivery is consumed, the run is done, the pointers are free.
pub async fn ack(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let result = RunResult::natural_end(Some("answer".to_owned()));
    let settled = world.settle(&t, &active.claim, Outcome::Ack(result)).await;
    assert_eq!(settled.dispatch.status, DispatchStatus::Acked);
    let attempt = settled.dispatch.attempt.as_ref().expect("an attempt");
    assert_eq!(attempt.run_status, AttemptStatus::Done);
    assert_eq!(attempt.run_response.as_deref(), Some("answer"));
    assert_eq!(attempt.completed_at, Some(world.clock.now()));
    assert_eq!(settled.run.termination(), Some(&Termination::NaturalEnd));
    assert_eq!(settled.run.output.as_deref(), Some("answer"));
    assert_eq!(settled.run.finished_at(), Some(world.clock.now()));
    assert!(settled.next.is_none() && !settled.more_due && settled.follow_up.is_none());
    assert_eq!(world.dispatch(settled.dispatch.id).await, settled.dispatch);
    assert_eq!(world.run(&settled.run.id).await, settled.run);
    let row = world.thread(&t).await;
    assert_eq!((row.claimed_dispatch_id, row.active_run_id, row.open_run_id), (None, None, None));
    assert_eq!(world.event_types(&t, 0).await.last(), Some(&"run_finished"));
    world.snapshot(&t).await;
}

/// `Acked` says nothing of the run's success.
pub async fn a_failed_run_is_a_consumed_delivery(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let termination = Termination::Error(Reason::new("bad", "it broke"));
    let result = RunResult {
        termination: termination.clone(),
        output: None,
        error: Some("it broke".into()),
    };
    let settled = world.settle(&t, &active.claim, Outcome::Ack(result)).await;
    assert_eq!(settled.dispatch.state(), DispatchState::Acked);
    assert_eq!(settled.run.termination(), Some(&termination));
    assert_eq!(settled.run.error.as_deref(), Some("it broke"));
}

/// A failed attempt is counted, and the dispatch is tried again at its time.
pub async fn nack_tries_again(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let retry_in = Duration::from_millis(250);
    let outcome = Outcome::Nack { retry_in, error: "for now".to_owned() };
    let settled = world.settle(&t, &active.claim, outcome).await;
    assert_eq!(settled.dispatch.state(), DispatchState::Queued);
    assert_eq!((settled.dispatch.attempt_count, settled.dispatch.id), (1, active.dispatch.id));
    assert_eq!(settled.dispatch.available_at, world.clock.now() + retry_in);
    assert_eq!(settled.dispatch.last_error.as_deref(), Some("for now"));
    assert_eq!(settled.run.run_state(), RunState::Running, "between two attempts");
    assert!(world.try_claim(&t, beginning("n")).await.is_none(), "not before its time");
    world.snapshot(&t).await;
    world.clock.advance(retry_in);
    assert_eq!(world.start(&t).await.run.id, active.run.id);
    let types = world.event_types(&t, 0).await;
    assert!(types.contains(&"attempt_reset") && types.contains(&"dispatch_retried"), "{types:?}");
}

/// When the budget is spent the dispatch is given up, its run ends, and the thread is free.
pub async fn nack_until_the_budget_is_spent(world: World) {
    let t = thread("t");
    world.enqueue(&t, postroom_core::command::Enqueue { max_attempts: 3, ..delivery("r") }).await;
    let next = world.enqueue(&t, delivery("next")).await;
    for attempt in 1..=3 {
        let active = world.start(&t).await;
        assert_eq!(active.run.attempt, attempt);
        let settled = world.nack(&t, &active.claim).await;
        assert_eq!(settled.dispatch.attempt_count, attempt);
        let state = if attempt < 3 { DispatchState::Queued } else { DispatchState::DeadLetter };
        assert_eq!(settled.dispatch.state(), state);
        world.snapshot(&t).await;
    }
    let run = world.snapshot(&t).await.runs.into_iter().find(|run| run.attempt == 3);
    let termination = run.expect("the run").termination().cloned();
    assert!(matches!(termination, Some(Termination::Error(_))), "{termination:?}");
    assert_eq!(world.start(&t).await.dispatch.id, next.id, "poison does not hold its thread");
}

/// A permanent error does not burn through the retries.
pub async fn dead_letter_at_once(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let outcome =
        Outcome::DeadLetter { code: "unknown_agent".to_owned(), error: "no such agent".to_owned() };
    let settled = world.settle(&t, &active.claim, outcome).await;
    assert_eq!(settled.dispatch.status, DispatchStatus::DeadLetter { requeued_as: None });
    assert_eq!(settled.dispatch.last_error.as_deref(), Some("no such agent"));
    assert_eq!(
        settled.run.termination(),
        Some(&Termination::Error(Reason::new("unknown_agent", "no such agent")))
    );
    world.snapshot(&t).await;
}

/// The run gives its executor up and waits; the delivery is consumed.
pub async fn wait(world: World) {
    let t = thread("t");
    let run = world.waiting_for_permission(&t, "call").await;
    assert_eq!(run.wait_reason(), Some(WaitReason::ToolPermission));
    let row = world.thread(&t).await;
    assert_eq!((row.open_run_id, row.active_run_id), (Some(run.id.clone()), None));
    assert_eq!(world.state(run.dispatch_id.expect("one")).await, DispatchState::Acked);
    assert_eq!(world.event_types(&t, 0).await.last(), Some(&"run_waiting"));
    world.snapshot(&t).await;
}

/// A wait for a time resumes by itself.
pub async fn wait_for_a_time(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let resume_in = Some(Duration::from_secs(20));
    let wait = Wait { resume_in, ..Wait::new(WaitReason::RateLimit) };
    let settled = world.settle(&t, &active.claim, Outcome::Wait(wait)).await;
    assert_eq!(settled.run.wait_reason(), Some(WaitReason::RateLimit));
    assert!(world.try_claim(&t, beginning("n")).await.is_none());
    world.snapshot(&t).await;
    world.clock.advance(Duration::from_secs(20));
    let again = world.start(&t).await;
    assert_eq!((again.run.id.clone(), again.run.attempt), (active.run.id.clone(), 2));
    assert_ne!(again.dispatch.id, active.dispatch.id);
}

/// A stale claim settles nothing.
pub async fn is_fenced(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.ack(&t, &active.claim).await;
    let expected = Refusal::StaleClaim { claim: active.claim.clone(), command: "settle" };
    let outcomes = [
        Outcome::Ack(RunResult::natural_end(None)),
        Outcome::Nack { retry_in: Duration::ZERO, error: String::new() },
        Outcome::DeadLetter { code: String::new(), error: String::new() },
        Outcome::Wait(Wait::new(WaitReason::UserInput)),
    ];
    for outcome in outcomes {
        assert_eq!(world.refused(&t, settle(&active.claim, outcome)).await, expected);
    }
}

/// What was not committed yet is committed with the end.
pub async fn writes_the_last_step(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let step = Step {
        messages: vec![NewMessage::text(Role::Assistant, "bye")],
        steps: 1,
        ..Step::default()
    };
    let outcome = Outcome::Ack(RunResult::natural_end(None));
    let settle = Settle { claim: active.claim, step, outcome, next: None };
    world.apply(&t, Command::Settle(Box::new(settle))).await;
    assert_eq!(world.texts(&t).await, ["begin", "bye"]);
    assert_eq!(world.run(&active.run.id).await.steps, 1);
    let types = world.event_types(&t, 0).await;
    assert_eq!(types[types.len() - 2..], ["message_committed", "run_finished"]);
}

async fn settle_and_claim(world: &World, claim: postroom_core::dispatch::Claim) -> Settled {
    let settle = Settle {
        claim,
        step: Step::default(),
        outcome: Outcome::Ack(RunResult::natural_end(None)),
        next: Some(beginning("node")),
    };
    match world.apply(&thread("t"), Command::Settle(Box::new(settle))).await {
        Reply::Settled(settled) => *settled,
        other => panic!("settle was answered {other:?}"),
    }
}

/// The thread's next dispatch is claimed and begun in the same transaction.
pub async fn claims_the_next(world: World) {
    let t = thread("t");
    let first = world.started(&t).await;
    world.say(&t, "second").await;
    world.say(&t, "third").await;
    let settled = settle_and_claim(&world, first.claim).await;
    let second = started(*settled.next.expect("the next"));
    assert_eq!(second.input[0].message.content.text(), "second");
    assert_eq!(world.thread(&t).await.claimed_dispatch_id, Some(second.dispatch.id));
    world.snapshot(&t).await;
    let settled = world.ack(&t, &second.claim).await;
    assert!(settled.next.is_none() && settled.more_due, "one more is due, and was not asked for");
    let third = world.start(&t).await;
    assert!(settle_and_claim(&world, third.claim).await.next.is_none());
}
