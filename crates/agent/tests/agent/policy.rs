//! What policy allows, denies and asks, and what comes of tickets.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postroom_agent::policy::{Action, Rule};
use postroom_agent::tool::{ToolContext, tool_fn};
use postroom_agent::{AgentConfig, AgentExecutor, Approval, OnTimeout};
use postroom_core::ports::{CancelReason, ContextError, RunOutcome};
use postroom_core::run::{RunSpec, Termination, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction, TicketState};
use postroom_core::time::Timestamp;
use serde_json::{Value, json};

use crate::fake::{Fake, agent, builder, executor, one_agent, output};
use crate::scripted::{Scripted, call, calls, says};

/// What the `write` tool was called with, and under which fence.
type Ledger = Arc<Mutex<Vec<(Value, u64)>>>;

#[derive(serde::Deserialize, serde::Serialize, postroom_agent::schemars::JsonSchema)]
#[schemars(crate = "postroom_agent::schemars")]
struct Path {
    #[serde(default)]
    path: String,
}

fn writing(
    model: &Arc<Scripted>,
    config: AgentConfig,
    repeatable: bool,
) -> (AgentExecutor, Ledger) {
    let ledger = Ledger::default();
    let written = ledger.clone();
    let write = tool_fn("write", "Writes.", move |arguments: Path, context: ToolContext| {
        written.lock().push((json!(arguments), context.fence));
        async { Ok(json!("written")) }
    });
    let write = if repeatable { write } else { write.not_repeatable() };
    let registry = builder()
        .model("scripted", model.clone())
        .tool(Arc::new(write))
        .agents(one_agent(config))
        .build();
    (executor(registry.unwrap()), ledger)
}

fn write(path: &str) -> Arc<Scripted> {
    Scripted::new(vec![calls(&[call("w", "write", json!({"path": path}))]), says("Done.")])
}

fn ruled(action: Action) -> AgentConfig {
    let rule = Rule {
        tool: "wr*".into(),
        arguments: [("path".to_owned(), "/etc/*".to_owned())].into(),
        action,
        reason: Some("It is the system's.".into()),
    };
    AgentConfig { rules: vec![rule], ..agent("scripted", &["write"]) }
}

#[tokio::test]
async fn what_is_denied_is_not_called_and_the_model_hears_why() {
    let (executor, ledger) = {
        let model = write("/etc/passwd");
        writing(&model, ruled(Action::Deny), true)
    };
    let fake = Fake::new(&["go"]);
    assert_eq!(output(fake.execute(&executor).await), "Done.");
    assert!(ledger.lock().is_empty());
    let said = &fake.transcript()[2].1;
    assert!(said.contains("policy forbids") && said.contains("the system's"), "{said}");
}

#[tokio::test]
async fn what_is_denied_is_not_asked_of_a_client_either() {
    let opens = calls(&[call("w", "write_page", json!({"path": "/etc/passwd"}))]);
    let model = Scripted::new(vec![opens, says("Done.")]);
    let (executor, _) = writing(&model, ruled(Action::Deny), true);
    let fake = Fake::new(&["go"]);
    let spec =
        RunSpec { frontend_tools: vec![json!({"name": "write_page"})], ..RunSpec::default() };
    fake.run.lock().spec = spec.into();
    assert_eq!(output(fake.execute(&executor).await), "Done.");
    let said = &fake.transcript()[2].1;
    assert!(said.contains("policy forbids"), "{said}");
}

#[tokio::test]
async fn a_rule_is_about_arguments_too() {
    let model = write("/tmp/x");
    let (executor, ledger) = writing(&model, ruled(Action::Deny), true);
    assert_eq!(output(Fake::new(&["go"]).execute(&executor).await), "Done.");
    assert_eq!(ledger.lock().len(), 1);
}

#[tokio::test]
async fn a_rule_that_allows_goes_before_what_asks() {
    let model = write("/etc/hosts");
    let config = AgentConfig { approve: vec!["write".into()], ..ruled(Action::Allow) };
    let (executor, ledger) = writing(&model, config, true);
    assert_eq!(output(Fake::new(&["go"]).execute(&executor).await), "Done.");
    assert_eq!(ledger.lock().len(), 1);
}

#[tokio::test]
async fn the_person_may_change_the_arguments_but_not_into_what_is_denied() {
    for (changed, expected) in [("/tmp/y", 1), ("/etc/shadow", 0)] {
        let model = write("/tmp/x");
        let config = AgentConfig { approve: vec!["write".into()], ..ruled(Action::Deny) };
        let (executor, ledger) = writing(&model, config, true);
        let fake = Fake::new(&["go"]);
        let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
            let ticket = fake.asked().await;
            assert_eq!(ticket.arguments, json!({"path": "/tmp/x"}));
            let decision = Decision::new(ticket.tool_call_id, DecisionAction::Resume);
            fake.decide_with(Decision { arguments: json!({"path": changed}), ..decision });
        });
        assert_eq!(output(outcome), "Done.");
        assert_eq!(ledger.lock().len(), expected, "{changed}");
        if let Some((arguments, _)) = ledger.lock().first() {
            assert_eq!(*arguments, json!({"path": changed}));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_waits_in_memory_for_a_while_and_then_parks() {
    let model = write("/tmp/x");
    let approval = Approval { patience_ms: 2_000, ..Approval::default() };
    let config =
        AgentConfig { approve: vec!["write".into()], approval, ..agent("scripted", &["write"]) };
    let (executor, ledger) = writing(&model, config, true);
    let fake = Fake::new(&["go"]);
    let began = tokio::time::Instant::now();
    let outcome = fake.execute(&executor).await;
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    let RunOutcome::Waiting { last, wait } = outcome else { panic!("{outcome:?}") };
    assert_eq!((wait.reason, wait.tickets.len()), (WaitReason::ToolPermission, 1));
    assert_eq!(wait.resume_in, None);
    fake.settle(*last);
    fake.decide("w", DecisionAction::Resume, Value::Null, None);
    assert_eq!(output(fake.execute(&executor).await), "Done.");
    assert_eq!(ledger.lock().len(), 1);
    assert_eq!(model.requests.lock().len(), 2, "the model is not asked again");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_decides_in_time_is_decided_by_default() {
    for (on_timeout, expected) in [(OnTimeout::Deny, 0), (OnTimeout::Approve, 1)] {
        let model = write("/tmp/x");
        let approval = Approval { patience_ms: 2_000, timeout_ms: Some(60_000), on_timeout };
        let config = AgentConfig {
            approve: vec!["write".into()],
            approval,
            ..agent("scripted", &["write"])
        };
        let (executor, ledger) = writing(&model, config, true);
        let fake = Fake::new(&["go"]);
        let outcome = fake.execute(&executor).await;
        let RunOutcome::Waiting { last, wait } = outcome else { panic!("{outcome:?}") };
        // The store's time stands still in this test: all of it is left.
        assert_eq!(wait.resume_in, Some(Duration::from_mins(1)));
        fake.settle(*last);
        *fake.time.lock() = Timestamp(60_000);
        assert_eq!(output(fake.execute(&executor).await), "Done.");
        assert_eq!(ledger.lock().len(), expected);
        let ticket = fake.run.lock().tickets[0].clone();
        assert!(matches!(ticket.state, TicketState::Decided { .. }), "{ticket:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_time_limit_is_waited_out_in_memory() {
    let model = write("/tmp/x");
    let approval =
        Approval { patience_ms: 30_000, timeout_ms: Some(1_000), on_timeout: OnTimeout::Deny };
    let config =
        AgentConfig { approve: vec!["write".into()], approval, ..agent("scripted", &["write"]) };
    let (executor, ledger) = writing(&model, config, true);
    let fake = Fake::new(&["go"]);
    assert_eq!(output(fake.execute(&executor).await), "Done.");
    assert!(ledger.lock().is_empty());
    assert!(fake.transcript()[2].1.contains("nobody decided in time"));
}

#[tokio::test]
async fn a_call_that_must_not_be_made_twice_becomes_a_ticket_after_a_crash() {
    for (action, expected) in [(DecisionAction::Resume, 2), (DecisionAction::Cancel, 1)] {
        let model = write("/tmp/x");
        let (executor, ledger) = writing(&model, agent("scripted", &["write"]), false);
        let fake = Fake::new(&["go"]);
        // The answer, the note that the call begins; then the process dies before the result is there.
        *fake.fail_commit.lock() = Some((2, ContextError::ClaimLost));
        let outcome = fake.execute(&executor).await;
        assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
        assert_eq!(ledger.lock().len(), 1);
        let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
            let ticket = fake.asked().await;
            assert!(ticket.message.contains("cut off"), "{}", ticket.message);
            assert_eq!(ledger.lock().len(), 1, "it is not made by itself");
            fake.decide("w~again", action, Value::Null, None);
        });
        assert_eq!(output(outcome), "Done.");
        let fences: Vec<u64> = ledger.lock().iter().map(|(_, fence)| *fence).collect();
        assert_eq!(fences.len(), expected);
        assert!(fences.is_sorted(), "{fences:?}");
    }
}

#[tokio::test]
async fn a_cancelled_run_leaves_no_call_without_a_result() {
    let model =
        Scripted::new(vec![calls(&[call("w", "write", json!({})), call("c", "clock", json!({}))])]);
    let config =
        AgentConfig { approve: vec!["write".into()], ..agent("scripted", &["write", "clock"]) };
    let (executor, ledger) = writing(&model, config, true);
    let fake = Fake::new(&["go"]);
    let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
        fake.asked().await;
        fake.cancel(CancelReason::Requested);
    });
    let RunOutcome::Completed { last, result } = outcome else { panic!("{outcome:?}") };
    assert_eq!(result.termination, Termination::Cancelled);
    fake.settle(*last);
    let transcript = fake.transcript();
    assert_eq!(transcript.len(), 4, "{transcript:?}");
    assert!(transcript[3].1.contains("cancelled before"), "{transcript:?}");
    assert!(ledger.lock().is_empty());
}
