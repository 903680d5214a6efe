//! Calls that wait for a person.

use postroom_agent::{AgentConfig, Approval};
use postroom_core::message::{NewMessage, Role};
use postroom_core::ports::{CancelReason, ContextError, RunOutcome};
use postroom_core::run::{Termination, WaitReason};
use postroom_core::ticket::DecisionAction;
use serde_json::{Value, json};

use crate::fake::{Fake, agent, output};
use crate::scripted::{Scripted, call, calls, says};

fn gated() -> AgentConfig {
    let config = agent("scripted", &["clock", "demo_action"]);
    AgentConfig { approve: vec!["cl*".into()], ..config }
}

fn model() -> std::sync::Arc<Scripted> {
    Scripted::new(vec![calls(&[call("c1", "clock", json!({}))]), says("Done.")])
}

#[tokio::test]
async fn an_allowed_call_is_made() {
    let (model, fake) = (model(), Fake::new(&["time?"]));
    let executor = model.executor_of(gated());
    let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
        let ticket = fake.asked().await;
        assert_eq!(ticket.tool_name, "clock");
        assert_eq!(ticket.message, "May default call clock?");
        assert_eq!(fake.log.lock().len(), 2, "the call is committed before it waits");
        fake.decide("c1", DecisionAction::Resume, Value::Null, None);
    });
    assert_eq!(output(outcome), "Done.");
    assert!(fake.transcript()[2].1.contains("2026-01-02T03:04:05Z"));
}

#[tokio::test]
async fn a_denied_call_is_not_made_and_the_model_hears_why() {
    let (model, fake) = (model(), Fake::new(&["time?"]));
    let executor = model.executor_of(gated());
    let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
        fake.asked().await;
        fake.decide("c1", DecisionAction::Cancel, Value::Null, Some("too late"));
    });
    assert_eq!(output(outcome), "Done.");
    let said = &fake.transcript()[2].1;
    assert!(said.contains("did not allow") && said.contains("too late"), "{said}");
}

#[tokio::test]
async fn a_given_result_stands_for_the_call() {
    let (model, fake) = (model(), Fake::new(&["time?"]));
    let executor = model.executor_of(gated());
    let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
        fake.asked().await;
        fake.decide("c1", DecisionAction::Resume, json!({"time": "tea"}), None);
    });
    assert_eq!(output(outcome), "Done.");
    assert_eq!(fake.transcript()[2].1, r#"{"time":"tea"}"#);
}

#[tokio::test]
async fn free_calls_of_the_same_answer_do_not_wait() {
    let model = Scripted::new(vec![
        calls(&[
            call("c1", "demo_action", json!({"request": "x"})),
            call("c2", "clock", json!({})),
        ]),
        says("Done."),
    ]);
    let fake = Fake::new(&["both"]);
    let executor = model.executor();
    let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
        fake.asked().await;
        assert_eq!(fake.transcript()[2].0, Role::Tool, "the clock's result is committed");
        fake.pending.lock().push(NewMessage::user("hurry"));
        fake.decide("c1", DecisionAction::Resume, Value::Null, None);
    });
    assert_eq!(output(outcome), "Done.");
    let prompt = model.last_prompt();
    let roles: Vec<Role> = prompt.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Tool, Role::User]);
    // In the order of the calls, whatever the order in which they were answered.
    let first = serde_json::to_value(&prompt[2].content).unwrap();
    assert_eq!(first[0]["tool_call_id"], "c1");
    assert_eq!(fake.run.lock().steps, 2);
}

#[tokio::test]
async fn a_decision_that_came_after_a_crash_is_honoured() {
    let (model, fake) = (model(), Fake::new(&["time?"]));
    let executor = model.executor_of(gated());
    // The process dies while it waits: nothing of the execution is left but the log.
    tokio::select! {
        biased;
        outcome = fake.execute(&executor) => panic!("{outcome:?}"),
        _ = fake.asked() => {}
    }
    fake.decide("c1", DecisionAction::Resume, Value::Null, None);
    assert_eq!(output(fake.execute(&executor).await), "Done.");
    assert_eq!(model.requests.lock().len(), 2);
    assert_eq!(fake.log.lock().len(), 4);
}

#[tokio::test]
async fn an_undecided_call_is_asked_again_after_a_crash() {
    let (model, fake) = (model(), Fake::new(&["time?"]));
    let executor = model.executor_of(gated());
    tokio::select! {
        biased;
        outcome = fake.execute(&executor) => panic!("{outcome:?}"),
        _ = fake.asked() => {}
    }
    let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        fake.decide("c1", DecisionAction::Resume, Value::Null, None);
    });
    assert_eq!(output(outcome), "Done.");
    assert_eq!(fake.run.lock().tickets.len(), 1);
}

#[tokio::test]
async fn a_run_can_wait_without_an_executor() {
    let (model, fake) = (model(), Fake::new(&["time?"]));
    let approval = Approval { patience_ms: 0, ..Approval::default() };
    let executor = model.executor_of(AgentConfig { approval, ..gated() });
    let outcome = fake.execute(&executor).await;
    let RunOutcome::Waiting { last, wait } = outcome else { panic!("{outcome:?}") };
    assert_eq!(wait.reason, WaitReason::ToolPermission);
    fake.settle(*last);
    fake.run.lock().tickets = wait.tickets;
    fake.decide("c1", DecisionAction::Resume, Value::Null, None);
    assert_eq!(output(fake.execute(&executor).await), "Done.");
}

#[tokio::test]
async fn a_waiting_run_can_be_cancelled_and_its_open_call_hurts_no_later_prompt() {
    let (model, fake) = (model(), Fake::new(&["time?"]));
    let executor = model.executor_of(gated());
    let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
        fake.asked().await;
        fake.cancel(CancelReason::Requested);
    });
    assert!(
        matches!(&outcome, RunOutcome::Completed { result, .. }
            if result.termination == Termination::Cancelled),
        "{outcome:?}"
    );

    let next = Fake::new(&[]);
    *next.log.lock() = fake.log.lock().clone();
    next.run.lock().id = "next".parse().unwrap();
    next.append(vec![NewMessage::user("never mind")]);
    output(next.execute(&executor).await);
    let roles: Vec<Role> = model.last_prompt().iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::User]);
}

#[tokio::test]
async fn a_claim_lost_while_it_waits_ends_the_execution() {
    let (model, fake) = (model(), Fake::new(&["time?"]));
    *fake.fail_commit.lock() = Some((1, ContextError::ClaimLost));
    let outcome = fake.execute(&model.executor_of(gated())).await;
    assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
}
