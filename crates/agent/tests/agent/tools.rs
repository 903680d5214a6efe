//! Bad tool calls: the model hears what was wrong, and the run goes on.

use std::sync::Arc;

use async_trait::async_trait;
use postroom_agent::tool::{Tool, ToolContext, ToolError};
use postroom_agent::{AgentExecutor, Agents, Settings};
use postroom_core::event::EventBody;
use postroom_core::ports::CancelReason;
use serde_json::{Value, json};

use crate::fake::{Fake, agent, builder, executor, one_agent, output};
use crate::scripted::{Scripted, call, calls, says};

struct Giant;

#[async_trait]
impl Tool for Giant {
    fn name(&self) -> &'static str {
        "giant"
    }
    fn description(&self) -> &'static str {
        "Answers at length."
    }
    fn schema(&self) -> Value {
        json!({"type": "object"})
    }
    async fn call(&self, arguments: Value, context: ToolContext) -> Result<Value, ToolError> {
        if arguments["hang"] == true {
            std::future::pending::<()>().await;
        }
        context.output("working").await;
        Ok("x".repeat(2_000_000).into())
    }
}

fn registry(model: &Arc<Scripted>) -> postroom_agent::AgentRegistry {
    builder()
        .model("scripted", model.clone())
        .tool(Arc::new(Giant))
        .agents(one_agent(agent("scripted", &["clock", "giant"])))
        .build()
        .unwrap()
}

#[tokio::test]
async fn what_is_wrong_with_a_call_goes_to_the_model() {
    let bad = [
        (
            call("c1", "nonsense", json!({})),
            "there is no tool `nonsense`; the tools are: clock, giant",
        ),
        (call("c2", "clock", json!("{\"utc_off")), "text that is not valid JSON"),
        (call("c3", "clock", json!([1])), "an array"),
        (call("c4", "clock", json!({"zone": 1})), "'zone' was unexpected"),
        (call("c5", "clock", json!({"utc_offset": "noon"})), "write it as +HH:MM"),
        (call("c6", "clock", json!({"utc_offset": 7})), "utc_offset: 7 is not of type"),
        (call("c7", "giant", json!({})), "ask for less"),
    ];
    let all: Vec<_> = bad.iter().map(|(call, _)| call.clone()).collect();
    let model = Scripted::new(vec![calls(&all), says("Sorry.")]);
    let fake = Fake::new(&["go"]);
    assert_eq!(output(fake.execute(&executor(registry(&model))).await), "Sorry.");
    let transcript = fake.transcript();
    for (at, (call, expected)) in bad.iter().enumerate() {
        let said = &transcript[2 + at].1;
        assert!(said.contains(expected), "{}: {said}", call.id);
        assert!(said.len() < 500);
    }
    let failed = fake
        .events
        .lock()
        .iter()
        .filter(|event| matches!(event, EventBody::ToolCallFinished { is_error: true, .. }))
        .count();
    assert_eq!(failed, bad.len());
    let shown = fake.events.lock().iter().any(
        |event| matches!(event, EventBody::ToolCallOutputDelta { delta, .. } if delta == "working"),
    );
    assert!(shown);
}

#[tokio::test]
async fn no_arguments_are_no_error() {
    for nothing in [json!(null), json!(""), json!({})] {
        let model = Scripted::new(vec![calls(&[call("c1", "clock", nothing)]), says("Ok.")]);
        let fake = Fake::new(&["go"]);
        output(fake.execute(&executor(registry(&model))).await);
        assert!(fake.transcript()[2].1.contains("Friday"));
    }
}

#[tokio::test]
async fn a_tool_that_hangs_can_be_cancelled() {
    let model = Scripted::new(vec![calls(&[call("c1", "giant", json!({"hang": true}))])]);
    let fake = Fake::new(&["go"]);
    let executor = AgentExecutor::new(Arc::new(Agents::new(registry(&model))), Settings::default());
    let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
        while fake.log.lock().len() < 2 {
            tokio::task::yield_now().await;
        }
        fake.cancel(CancelReason::Requested);
    });
    assert!(format!("{outcome:?}").contains("Cancelled"));
}
