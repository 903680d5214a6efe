//! The turn loop: steps, steering, crashes, cancelling, limits, failures.

use std::time::Duration;

use postroom_agent::model::{ModelError, Stop};
use postroom_core::message::{NewMessage, Role};
use postroom_core::ports::{CancelReason, ContextError, RunOutcome};
use postroom_core::run::{Termination, Usage, WaitReason};
use serde_json::json;

use crate::fake::{Fake, agent, builder, executor, one_agent, output, unavailable};
use crate::scripted::{Scripted, Turn, call, calls, finished, says};

fn ended(outcome: RunOutcome) -> (postroom_core::command::Step, postroom_core::command::RunResult) {
    match outcome {
        RunOutcome::Completed { last, result } => (*last, result),
        other => panic!("the run did not end: {other:?}"),
    }
}

#[tokio::test]
async fn an_answer_is_shown_committed_and_given() {
    let model = Scripted::new(vec![says("Hello there.")]);
    let fake = Fake::new(&["hi"]);
    assert_eq!(output(fake.execute(&model.executor()).await), "Hello there.");
    assert_eq!(
        fake.event_names(),
        ["step_started", "text_delta", "inference_finished", "step_finished"]
    );
    let run = fake.run.lock();
    assert_eq!(
        (run.steps, run.usage),
        (1, Usage { input_tokens: 10, output_tokens: 2, ..Usage::default() })
    );
    assert!(run.agent_version.is_some() && run.state.is_some());
    let request = &model.requests.lock()[0];
    assert_eq!(request.system.as_deref(), Some("Be brief."));
    assert_eq!(request.tools.len(), 2);
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_goes_back() {
    let model = Scripted::new(vec![
        calls(&[call("c1", "clock", json!({"utc_offset": "+02:00"}))]),
        says("Five o'clock."),
    ]);
    let fake = Fake::new(&["the time?"]);
    assert_eq!(output(fake.execute(&model.executor()).await), "Five o'clock.");
    let transcript = fake.transcript();
    assert_eq!(transcript[2].0, Role::Tool);
    assert!(transcript[2].1.contains("2026-01-02T05:04:05+02:00"), "{transcript:?}");
    assert_eq!(fake.run.lock().steps, 2);
    let prompt = model.last_prompt();
    assert_eq!(prompt.len(), 3);
    assert_eq!(prompt[1].tool_calls.len(), 1);
    assert_eq!(
        fake.event_names(),
        [
            "step_started",
            "tool_call_started",
            "tool_call_ready",
            "inference_finished",
            "tool_call_finished",
            "step_finished",
            "step_started",
            "text_delta",
            "inference_finished",
            "step_finished"
        ]
    );
}

#[tokio::test]
async fn steering_joins_at_the_next_step_after_the_tool_result() {
    let model = Scripted::new(vec![calls(&[call("c1", "clock", json!({}))]), says("Yes.")]);
    let fake = Fake::new(&["the time?"]);
    fake.pending.lock().push(NewMessage::user("in French"));
    output(fake.execute(&model.executor()).await);
    let roles: Vec<Role> = model.last_prompt().iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::User]);
}

#[tokio::test]
async fn steering_at_the_natural_end_makes_the_run_go_on() {
    let model = Scripted::new(vec![says("One."), says("Two.")]);
    let fake = Fake::new(&["first"]);
    fake.pending.lock().push(NewMessage::user("second"));
    assert_eq!(output(fake.execute(&model.executor()).await), "Two.");
    assert_eq!(fake.log.lock().len(), 4);
}

#[tokio::test]
async fn after_a_crash_a_committed_call_is_made_again_without_asking_the_model_again() {
    let model = Scripted::new(vec![calls(&[call("c1", "clock", json!({}))]), says("Late.")]);
    let fake = Fake::new(&["the time?"]);
    // The first commit is the answer with its call; the process dies before the second.
    *fake.fail_commit.lock() = Some((1, ContextError::ClaimLost));
    let outcome = fake.execute(&model.executor()).await;
    assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
    assert_eq!(fake.log.lock().len(), 2);
    assert_eq!(output(fake.execute(&model.executor()).await), "Late.");
    assert_eq!(model.requests.lock().len(), 2);
    let roles: Vec<Role> = fake.transcript().into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
}

#[tokio::test]
async fn after_a_crash_between_the_last_word_and_the_settle_the_model_is_not_asked_again() {
    let fake = Fake::new(&["hi"]);
    output(fake.execute(&Scripted::new(vec![says("Hello.")]).executor()).await);
    let silent = Scripted::new(vec![]);
    assert_eq!(output(fake.execute(&silent.executor()).await), "Hello.");
    assert_eq!(fake.log.lock().len(), 2);
    assert_eq!(fake.run.lock().steps, 1);
    // What was said meanwhile is still answered.
    fake.pending.lock().push(NewMessage::user("and now?"));
    let model = Scripted::new(vec![says("Now this.")]);
    assert_eq!(output(fake.execute(&model.executor()).await), "Now this.");
}

#[tokio::test]
async fn a_failed_commit_is_tried_again_by_a_later_attempt() {
    let fake = Fake::new(&["hi"]);
    *fake.fail_commit.lock() = Some((0, unavailable()));
    let model = Scripted::new(vec![says("Hello."), says("Hello.")]);
    let outcome = fake.execute(&model.executor()).await;
    assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
    assert_eq!(output(fake.execute(&model.executor()).await), "Hello.");
    assert_eq!(fake.log.lock().len(), 2);
}

#[tokio::test]
async fn a_lost_claim_ends_the_execution_at_once() {
    let fake = Fake::new(&["hi"]);
    *fake.fail_commit.lock() = Some((0, ContextError::ClaimLost));
    let outcome = fake.execute(&Scripted::new(vec![says("Hello.")]).executor()).await;
    assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
    assert_eq!(fake.log.lock().len(), 1);
}

#[tokio::test]
async fn cancelling_keeps_what_was_said() {
    let fake = Fake::new(&["hi"]);
    let executor = Scripted::new(vec![Turn::Hangs("Once upon")]).executor();
    let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
        while fake.shown().is_empty() {
            tokio::task::yield_now().await;
        }
        fake.cancel(CancelReason::Requested);
    });
    let (last, result) = ended(outcome);
    assert_eq!(result.termination, Termination::Cancelled);
    assert_eq!(last.messages[0].content.text(), "Once upon");
    assert_eq!(last.messages[0].metadata["partial"], true);
    assert!(last.agent_version.is_some());
}

#[tokio::test]
async fn a_node_that_goes_down_does_not_cancel_the_run() {
    let fake = Fake::new(&["hi"]);
    fake.cancel(CancelReason::Shutdown);
    let outcome = fake.execute(&Scripted::new(vec![Turn::Hangs("x")]).executor()).await;
    assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_stop_that_a_commit_reports_is_obeyed() {
    let fake = Fake::new(&["hi"]);
    fake.stop_requested.store(true, std::sync::atomic::Ordering::SeqCst);
    let model = Scripted::new(vec![calls(&[call("c1", "clock", json!({}))])]);
    let (_, result) = ended(fake.execute(&model.executor()).await);
    assert_eq!(result.termination, Termination::Cancelled);
}

#[tokio::test]
async fn the_step_limit_counts_over_all_attempts() {
    let turns = (0..3).map(|_| calls(&[call("c", "clock", json!({}))]));
    let model = Scripted::new(turns.collect());
    let config = postroom_agent::AgentConfig { max_steps: 3, ..agent("scripted", &["clock"]) };
    let fake = Fake::new(&["loop"]);
    fake.run.lock().steps = 1;
    let (_, result) = ended(fake.execute(&model.executor_of(config)).await);
    assert!(
        matches!(&result.termination, Termination::Stopped(reason) if reason.code == "max_steps"),
        "{result:?}"
    );
    assert_eq!(fake.run.lock().steps, 3);
    // The model gave each call the same id; in the log they differ.
    let ids: std::collections::HashSet<_> =
        fake.log.lock().iter().flat_map(|m| m.message.tool_calls.clone()).map(|c| c.id).collect();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn a_transient_error_fails_the_attempt_and_a_permanent_one_the_run() {
    let fake = Fake::new(&["hi"]);
    let model = Scripted::new(vec![
        Turn::Refuses(ModelError::transient("busy")),
        Turn::Breaks("Half an ans", ModelError::transient("lost")),
        Turn::Breaks("Half an ans", ModelError::permanent("bad_api_key", "no")),
    ]);
    let executor = model.executor();
    for _ in 0..2 {
        let outcome = fake.execute(&executor).await;
        assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
        assert_eq!(fake.log.lock().len(), 1, "nothing half is committed");
    }
    let (_, result) = ended(fake.execute(&executor).await);
    assert!(
        matches!(&result.termination, Termination::Error(reason) if reason.code == "bad_api_key")
    );
    assert_eq!(result.error.as_deref(), Some("no"));
}

fn limited(seconds: u64) -> Turn {
    let retry_after = Some(Duration::from_secs(seconds));
    Turn::Refuses(ModelError::Transient { message: "slow down".into(), retry_after })
}

#[tokio::test(start_paused = true)]
async fn a_short_limit_is_waited_out_and_a_long_one_gives_way() {
    let fake = Fake::new(&["hi"]);
    let model = Scripted::new(vec![limited(2), limited(60), says("Hello.")]);
    let executor = model.executor();
    let outcome = fake.execute(&executor).await;
    let RunOutcome::Waiting { last, wait } = outcome else { panic!("{outcome:?}") };
    assert_eq!(wait.reason, WaitReason::RateLimit);
    assert_eq!(wait.resume_in, Some(Duration::from_mins(1)));
    fake.settle(*last);
    assert_eq!(output(fake.execute(&executor).await), "Hello.");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_never_ends_fails_the_attempt_in_the_end() {
    let fake = Fake::new(&["hi"]);
    let executor = Scripted::new((0..21).map(|_| limited(60)).collect()).executor();
    for _ in 0..20 {
        let outcome = fake.execute(&executor).await;
        let RunOutcome::Waiting { last, .. } = outcome else { panic!("{outcome:?}") };
        fake.settle(*last);
    }
    let outcome = fake.execute(&executor).await;
    assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_that_is_cut_short_says_so() {
    for (stop, kind) in [(Stop::TooLong, "stopped"), (Stop::Filtered, "blocked")] {
        let fake = Fake::new(&["hi"]);
        let text = postroom_agent::model::ModelEvent::TextDelta("Half".into());
        let model = Scripted::new(vec![Turn::Says(vec![text, finished(stop)])]);
        let (last, result) = ended(fake.execute(&model.executor()).await);
        assert_eq!(result.termination.as_str(), kind);
        assert_eq!(result.output.as_deref(), Some("Half"));
        assert_eq!((last.messages.len(), last.steps), (1, 1));
    }
}

#[tokio::test]
async fn an_unknown_agent_and_an_empty_run_are_dead_letters() {
    let fake = Fake::for_agent("nobody", &["hi"]);
    let outcome = fake.execute(&Scripted::new(vec![]).executor()).await;
    let RunOutcome::PermanentError { code, error } = outcome else { panic!("{outcome:?}") };
    assert_eq!(code, "unknown_agent");
    assert_eq!(error, "there is no agent `nobody`; the agents are: default");

    let outcome = Fake::new(&[]).execute(&Scripted::new(vec![]).executor()).await;
    assert!(matches!(outcome, RunOutcome::PermanentError { code, .. } if code == "no_input"));
}

#[tokio::test]
async fn a_retry_replays_the_version_that_the_run_was_begun_with() {
    let fake = Fake::new(&["hi"]);
    let first = Scripted::new(vec![
        calls(&[call("c1", "clock", json!({}))]),
        Turn::Refuses(ModelError::transient("busy")),
    ]);
    fake.execute(&first.executor()).await;
    let version = fake.run.lock().agent_version.clone();

    // The operator changes the agent, and even takes it out.
    let second = Scripted::new(vec![says("Done.")]);
    let changed = one_agent(agent("demo", &[]));
    let other =
        std::collections::BTreeMap::from([("other".to_owned(), changed["default"].clone())]);
    let registry = builder().model("scripted", second.clone()).agents(other).build().unwrap();
    assert_eq!(output(fake.execute(&executor(registry)).await), "Done.");
    assert_eq!(second.requests.lock()[0].tools.len(), 2, "the tools it was begun with");
    assert_eq!(fake.run.lock().agent_version, version);
}

#[tokio::test]
async fn a_new_run_does_not_inherit_the_pin_of_the_one_before() {
    let old = Fake::new(&["hi"]);
    output(old.execute(&Scripted::new(vec![says("Hello.")]).executor()).await);
    let new = Fake::new(&["hi again"]);
    new.run.lock().state = old.run.lock().state.clone();
    let model = Scripted::new(vec![says("Hello again.")]);
    output(new.execute(&model.executor_of(agent("scripted", &[]))).await);
    assert_ne!(new.run.lock().agent_version, old.run.lock().agent_version);
    assert_eq!(model.requests.lock()[0].tools.len(), 0);
}

#[tokio::test]
async fn a_version_that_is_gone_is_said_so() {
    let fake = Fake::new(&["hi"]);
    fake.run.lock().agent_version = Some("0123456789abcdef".into());
    let outcome = fake.execute(&Scripted::new(vec![]).executor()).await;
    assert!(
        matches!(&outcome, RunOutcome::PermanentError { code, .. } if code == "agent_version_gone"),
        "{outcome:?}"
    );
}
