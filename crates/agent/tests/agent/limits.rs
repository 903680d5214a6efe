//! Every limit ends a run with its own termination, and leaves a log that providers accept.

use std::sync::Arc;
use std::time::Duration;

use postroom_agent::tool::tool_fn;
use postroom_agent::{AgentConfig, AgentExecutor, Limits};
use postroom_core::message::Role;
use postroom_core::ports::RunOutcome;
use postroom_core::run::Termination;
use serde_json::json;

use crate::fake::{Fake, agent, builder, executor, one_agent};
use crate::scripted::{Scripted, Turn, call, calls};

fn limited(limits: Limits) -> AgentConfig {
    AgentConfig { limits, ..agent("scripted", &["clock", "sleep"]) }
}

fn sleeping(model: &Arc<Scripted>, config: AgentConfig) -> AgentExecutor {
    let sleep = tool_fn("sleep", "Sleeps.", |seconds: Seconds, _| async move {
        tokio::time::sleep(Duration::from_secs(seconds.seconds)).await;
        Ok(json!("slept"))
    });
    let registry = builder()
        .model("scripted", model.clone())
        .tool(Arc::new(sleep))
        .agents(one_agent(config))
        .build()
        .unwrap();
    executor(registry)
}

async fn end_of(fake: &Arc<Fake>, model: &Arc<Scripted>, config: AgentConfig) -> (String, String) {
    let outcome = fake.execute(&sleeping(model, config)).await;
    let RunOutcome::Completed { last, result } = outcome else { panic!("{outcome:?}") };
    fake.settle(*last);
    assert_eq!(result.error, None, "a limit is no error");
    let Termination::Stopped(reason) = result.termination else { panic!("{result:?}") };
    (reason.code.clone(), reason.message.clone())
}

#[derive(serde::Deserialize, postroom_agent::schemars::JsonSchema)]
#[schemars(crate = "postroom_agent::schemars")]
struct Seconds {
    seconds: u64,
}

#[derive(serde::Deserialize, postroom_agent::schemars::JsonSchema)]
#[schemars(crate = "postroom_agent::schemars")]
struct Nothing {}

fn clock(id: &str) -> Turn {
    calls(&[call(id, "clock", json!({}))])
}

#[tokio::test]
async fn tokens_are_budgeted_over_all_steps() {
    let model = Scripted::new(vec![clock("a"), clock("b"), clock("c")]);
    let fake = Fake::new(&["go"]);
    let limits = Limits { token_budget: Some(24), ..Limits::default() };
    let (code, message) = end_of(&fake, &model, limited(limits)).await;
    assert_eq!((code.as_str(), model.requests.lock().len()), ("token_budget", 2));
    assert_eq!(message, "the run used 24 tokens, and 24 are allowed");
}

#[tokio::test]
async fn the_same_calls_again_and_again_end_the_run_and_are_not_made() {
    let model = Scripted::new(vec![clock("a"), clock("b"), clock("c")]);
    let fake = Fake::new(&["go"]);
    let limits = Limits { max_repeated_calls: 3, ..Limits::default() };
    let (code, _) = end_of(&fake, &model, limited(limits)).await;
    assert_eq!(code, "repeated_calls");
    let transcript = fake.transcript();
    assert_eq!(transcript.len(), 7, "each call has a result: {transcript:?}");
    assert!(transcript[6].1.contains("asked for 3 times"), "{transcript:?}");
}

#[tokio::test]
async fn other_arguments_are_no_repetition() {
    let offset = |id: &str, hours: u32| {
        calls(&[call(id, "clock", json!({"utc_offset": format!("+{hours}")}))])
    };
    let model =
        Scripted::new(vec![offset("a", 1), offset("b", 2), offset("c", 1), clock("d"), clock("e")]);
    let fake = Fake::new(&["go"]);
    let limits = Limits { max_repeated_calls: 2, ..Limits::default() };
    let (code, _) = end_of(&fake, &model, limited(limits)).await;
    assert_eq!((code.as_str(), model.requests.lock().len()), ("repeated_calls", 5));
}

#[tokio::test(start_paused = true)]
async fn time_ends_a_run_that_thinks_too_long_and_keeps_what_it_said() {
    let model = Scripted::new(vec![Turn::Hangs("Well,")]);
    let fake = Fake::new(&["go"]);
    let limits = Limits { time_limit_ms: Some(5_000), ..Limits::default() };
    let (code, _) = end_of(&fake, &model, limited(limits)).await;
    assert_eq!(code, "time_limit");
    assert_eq!(fake.transcript()[1], (Role::Assistant, "Well,".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn time_ends_a_run_whose_tool_takes_too_long_and_the_call_has_a_result() {
    let sleep = calls(&[call("a", "sleep", json!({"seconds": 60})), call("b", "clock", json!({}))]);
    let model = Scripted::new(vec![sleep]);
    let fake = Fake::new(&["go"]);
    let limits = Limits { time_limit_ms: Some(5_000), ..Limits::default() };
    let (code, _) = end_of(&fake, &model, limited(limits)).await;
    assert_eq!(code, "time_limit");
    let tools: Vec<String> = fake
        .transcript()
        .into_iter()
        .filter_map(|(role, text)| (role == Role::Tool).then_some(text))
        .collect();
    assert_eq!(tools.len(), 2);
    assert!(tools[0].contains("2026") && tools[1].contains("time was over"), "{tools:?}");
}

#[tokio::test(start_paused = true)]
async fn time_counts_over_attempts() {
    let sleep = |id: &str| calls(&[call(id, "sleep", json!({"seconds": 3}))]);
    let model = Scripted::new(vec![sleep("a"), clock("b"), sleep("c")]);
    let fake = Fake::new(&["go"]);
    // The first attempt dies with the commit of the clock's result, three seconds into its work.
    *fake.fail_commit.lock() = Some((3, postroom_core::ports::ContextError::ClaimLost));
    let limits = Limits { time_limit_ms: Some(5_000), ..Limits::default() };
    let config = limited(limits);
    let outcome = fake.execute(&sleeping(&model, config.clone())).await;
    assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
    let (code, _) = end_of(&fake, &model, config).await;
    assert_eq!(code, "time_limit");
    assert_eq!(model.requests.lock().len(), 3);
}

#[tokio::test]
async fn a_step_makes_only_so_many_calls_at_once() {
    let at_once = Arc::new(parking_lot::Mutex::new((0_usize, 0_usize)));
    let count = at_once.clone();
    let busy = tool_fn("busy", "Is busy.", move |_: Nothing, _| {
        let count = count.clone();
        async move {
            {
                let mut count = count.lock();
                count.0 += 1;
                count.1 = count.1.max(count.0);
            }
            tokio::task::yield_now().await;
            count.lock().0 -= 1;
            Ok(json!(null))
        }
    });
    let many: Vec<_> = (0..6).map(|n| call(&format!("c{n}"), "busy", json!({}))).collect();
    let model = Scripted::new(vec![calls(&many), crate::scripted::says("Done.")]);
    let limits = Limits { parallel_calls: 2, ..Limits::default() };
    let config = AgentConfig { limits, ..agent("scripted", &["busy"]) };
    let registry = builder()
        .model("scripted", model)
        .tool(Arc::new(busy))
        .agents(one_agent(config))
        .build()
        .unwrap();
    let fake = Fake::new(&["go"]);
    assert_eq!(crate::fake::output(fake.execute(&executor(registry)).await), "Done.");
    assert_eq!(*at_once.lock(), (0, 2));
}
