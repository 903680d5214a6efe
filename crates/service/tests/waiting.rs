//! Waiting: decisions live and durable, background tasks.

mod common;

use std::time::Duration;

use common::*;
use postroom_core::command::{DecidedVia, Mode, Start, Step, Submit, Suspend, Wait};
use postroom_core::error::Refusal;
use postroom_core::id::ToolCallId;
use postroom_core::message::NewMessage;
use postroom_core::pending::{Boundary, Delivery, Granularity};
use postroom_core::ports::RunOutcome;
use postroom_core::run::{RunState, Termination, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction, Ticket};
use serde_json::Value;
use tokio::time::Instant;

/// Longer than any test.
const FOREVER: Duration = Duration::from_hours(1_000);

fn call(name: &str) -> ToolCallId {
    ToolCallId::parse(name).unwrap()
}

fn ticket(name: &str) -> Ticket {
    Ticket::open(call(name), "rm".to_owned(), Value::Null, "may I?".to_owned())
}

fn decision(name: &str, reason: &str) -> Decision {
    Decision {
        decision_id: None,
        tool_call_id: call(name),
        action: DecisionAction::Resume,
        result: Value::Null,
        arguments: Value::Null,
        reason: Some(reason.to_owned()),
    }
}

fn asking() -> std::sync::Arc<Scripted> {
    scripted(|_, context| async move {
        let suspend = Suspend {
            reason: WaitReason::ToolPermission,
            tickets: vec![ticket("a"), ticket("b")],
            lease: Duration::from_mins(10),
        };
        match context.suspend(Step::default(), suspend, FOREVER).await {
            Ok(decisions) => {
                let decisions = decisions.expect("it waits for ever");
                let reasons: Vec<_> =
                    decisions.into_iter().filter_map(|decision| decision.reason).collect();
                RunOutcome::natural_end(Some(reasons.join(",")))
            }
            Err(_) => RunOutcome::cancelled(),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_suspended_run_hears_its_decisions_at_once_and_from_any_node() {
    let mut house = House::shared();
    let node = house.started(asking()).await;
    let other = house.started(echo()).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    let waiting = finished(&node, &run.run_id).await;
    assert_eq!(waiting.wait_reason(), Some(WaitReason::ToolPermission));
    // Long beyond the usual lease.
    tokio::time::sleep(Duration::from_mins(2)).await;

    let began = Instant::now();
    let first = other.decide(&run.run_id, vec![decision("b", "second")]).await.unwrap();
    assert_eq!(first.via, DecidedVia::Live);
    settle_down().await;
    assert!(!finished(&node, &run.run_id).await.is_done(), "one is open");
    let last = other.decide(&run.run_id, vec![decision("a", "first")]).await.unwrap();
    assert_eq!(last.via, DecidedVia::Live);
    settle_down().await;
    let run = finished(&node, &run.run_id).await;
    assert_eq!(run.output.as_deref(), Some("first,second"));
    assert_eq!(run.attempt, 1);
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());

    let closed = node.decide(&run.id, vec![decision("a", "otherwise")]).await.unwrap_err();
    assert!(matches!(closed.refusal(), Some(Refusal::TicketClosed { .. })), "{closed:?}");
    let unknown = node.decide(&run.id, vec![decision("c", "?")]).await.unwrap_err();
    assert!(matches!(unknown.refusal(), Some(Refusal::UnknownTicket { .. })), "{unknown:?}");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_run_finds_decisions_that_no_live_command_has_told() {
    let mut house = House::shared();
    let node = house.started(asking()).await;
    house.live = postroom_signals::LocalLive::default();
    let deaf = house.started(echo()).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    finished(&node, &run.run_id).await;
    deaf.decide(&run.run_id, vec![decision("a", "1"), decision("b", "2")]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(finished(&node, &run.run_id).await.output.as_deref(), Some("1,2"));
}

#[tokio::test(start_paused = true)]
async fn runs_that_wait_in_memory_do_not_keep_others_from_running() {
    let mut house = House::alone();
    house.config.limits.max_concurrent_runs = 1;
    let executor = scripted(|activation, context| async move {
        if texts(&activation.input) != "ask" {
            return RunOutcome::natural_end(None);
        }
        let suspend = Suspend {
            reason: WaitReason::ToolPermission,
            tickets: vec![ticket("a")],
            lease: Duration::from_mins(10),
        };
        context.suspend(Step::default(), suspend, FOREVER).await.unwrap();
        RunOutcome::natural_end(None)
    });
    let node = house.started(executor).await;
    let asking = send(&node, "t", Mode::Enqueue, "ask").await;
    finished(&node, &asking.run_id).await;
    let other = send(&node, "u", Mode::Enqueue, "x").await;
    assert_eq!(termination(&node, &other.run_id).await, Termination::NaturalEnd);
    node.decide(&asking.run_id, vec![decision("a", "yes")]).await.unwrap();
    settle_down().await;
    assert_eq!(termination(&node, &asking.run_id).await, Termination::NaturalEnd);
    let after = send(&node, "v", Mode::Enqueue, "x").await;
    assert_eq!(termination(&node, &after.run_id).await, Termination::NaturalEnd);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_run_is_cancelled_like_any_other() {
    let mut house = House::alone();
    let node = house.started(asking()).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    finished(&node, &run.run_id).await;
    node.cancel_run(&run.run_id).await.unwrap();
    settle_down().await;
    assert_eq!(termination(&node, &run.run_id).await, Termination::Cancelled);
    assert_eq!(node.active_runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_durably_is_resumed_by_its_decision() {
    let mut house = House::alone();
    let executor = scripted(|activation, context| async move {
        if let Some(decision) = context.decision(&call("a")).await.unwrap() {
            return RunOutcome::natural_end(decision.reason);
        }
        assert_eq!(activation.run.attempt, 1);
        let mut wait = Wait::new(WaitReason::ToolPermission);
        wait.tickets.push(ticket("a"));
        RunOutcome::Waiting { last: Box::default(), wait }
    });
    let node = house.started(executor).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    assert_eq!(finished(&node, &run.run_id).await.run_state(), RunState::Waiting);
    settle_down().await;
    assert_eq!(node.active_runs(), 0);

    let decided = node.decide(&run.run_id, vec![decision("a", "go")]).await.unwrap();
    assert!(matches!(decided.via, DecidedVia::Queued(_)));
    assert_eq!(finished(&node, &run.run_id).await.output.as_deref(), Some("go"));
}

/// Behind a barrier that is for a run of tomorrow a message waits for the run that it answers.
#[tokio::test(start_paused = true)]
async fn taking_a_barrier_back_lets_an_answer_through_at_once() {
    let mut house = House::alone();
    let executor = scripted(|activation, _| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let heard = texts(&activation.input);
        if heard.ends_with("second") {
            return RunOutcome::natural_end(Some(heard));
        }
        RunOutcome::Waiting { last: Box::default(), wait: Wait::new(WaitReason::UserInput) }
    });
    let node = house.started(executor).await;
    let run = send(&node, "t", Mode::Enqueue, "begin").await;
    let say = |text: &str, delivery: Delivery, mode: Mode| {
        let tomorrow = Start::In(Duration::from_hours(24));
        let start = if delivery.barrier { tomorrow } else { Start::Now };
        node.submit(Some(thread("t")), Submit { delivery, start, ..submit(mode, text) })
    };
    let plain = Delivery::default();
    let alone = Delivery { granularity: Granularity::One, ..plain };
    let barrier = Delivery { boundary: Some(Boundary::NewRun), barrier: true, ..plain };
    say("first", alone, Mode::Steer).await.unwrap();
    let kept_back = say("other", barrier, Mode::Enqueue).await.unwrap();
    say("second", plain, Mode::Steer).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let waiting = finished(&node, &run.run_id).await;
    assert_eq!((waiting.run_state(), waiting.attempt), (RunState::Waiting, 2));

    node.retract_pending(&thread("t"), &kept_back.message_ids[0]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let done = finished(&node, &run.run_id).await;
    assert_eq!(done.output.as_deref(), Some("begin+first+second"));
}

#[tokio::test(start_paused = true)]
async fn a_background_task_wakes_the_run_that_waits_for_it() {
    let mut house = House::alone();
    let executor = scripted(|activation, context| async move {
        if activation.run.attempt > 1 {
            return RunOutcome::natural_end(Some(texts(&context.prompt().await.unwrap())));
        }
        let task = context
            .spawn_background(Box::pin(async {
                tokio::time::sleep(Duration::from_secs(30)).await;
                Some(NewMessage::user("report"))
            }))
            .await;
        let mut wait = Wait::new(WaitReason::BackgroundTasks);
        wait.tasks.push(task);
        RunOutcome::Waiting { last: Box::default(), wait }
    });
    let node = house.started(executor).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    assert_eq!(finished(&node, &run.run_id).await.run_state(), RunState::Waiting);
    tokio::time::sleep(Duration::from_secs(31)).await;
    let run = finished(&node, &run.run_id).await;
    assert_eq!(run.output.as_deref(), Some("x+report"));
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(log(&node, "t").await, ["x", "report"], "once");
}

#[tokio::test(start_paused = true)]
async fn a_background_task_that_ends_late_wakes_its_thread() {
    let mut house = House::alone();
    let executor = scripted(|activation, context| async move {
        if texts(&activation.input) == "x" {
            context
                .spawn_background(Box::pin(async {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    Some(NewMessage::user("report"))
                }))
                .await;
        }
        RunOutcome::natural_end(None)
    });
    let node = house.started(executor).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    assert_eq!(termination(&node, &run.run_id).await, Termination::NaturalEnd);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(log(&node, "t").await, ["x", "report"]);
    let thread = node.store().thread(&thread("t")).await.unwrap().unwrap();
    let woken = finished(&node, &thread.latest_run_id.unwrap()).await;
    assert_eq!(woken.origin, postroom_core::run::Origin::Internal);
}
