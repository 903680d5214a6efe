//! Calling tools: whatever a tool does, the model gets an answer that it can read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use postroom_agent::invoke::{CallLimits, Output, invoke};
use postroom_agent::schemars::JsonSchema;
use postroom_agent::tool::{Tool, ToolContext, ToolEntry, ToolError, ToolLimits, tool_fn};
use postroom_core::event::EventBody;
use postroom_core::id::ToolCallId;
use postroom_core::message::ToolCall;
use postroom_core::ports::CancelReason;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fake::Fake;

pub const FENCE: u64 = 7;

pub fn context(fake: &Arc<Fake>) -> ToolContext {
    let call_id = ToolCallId::parse("c1").unwrap();
    ToolContext::new(call_id, &fake.run.lock(), FENCE, fake.clone())
}

pub async fn called(tool: impl Tool, arguments: Value) -> Output {
    called_with(&Fake::new(&["go"]), tool, arguments).await
}

pub async fn called_with(fake: &Arc<Fake>, tool: impl Tool, arguments: Value) -> Output {
    let tool = ToolEntry::from(Arc::new(tool));
    call(fake, &tool, arguments).await
}

pub async fn call(fake: &Arc<Fake>, tool: &ToolEntry, arguments: Value) -> Output {
    let context = context(fake);
    let id = context.call_id.clone();
    let call = ToolCall { id, name: tool.name().to_owned(), arguments };
    invoke(tool, &call, context, &CallLimits::default()).await
}

pub fn error(output: &Output) -> &str {
    assert!(output.is_error, "{output:?}");
    output.value["error"].as_str().unwrap()
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "postroom_agent::schemars")]
struct Booking {
    /// Who travels.
    name: String,
    seats: u8,
    class: Option<Class>,
    legs: Vec<Leg>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[schemars(crate = "postroom_agent::schemars")]
#[serde(rename_all = "lowercase")]
enum Class {
    First,
    Second,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "postroom_agent::schemars")]
struct Leg {
    to: String,
}

#[derive(Serialize)]
struct Booked {
    said: String,
    class: Option<Class>,
}

fn book() -> impl Tool {
    tool_fn("book", "Books a journey.", |booking: Booking, context: ToolContext| async move {
        let to: Vec<String> = booking.legs.into_iter().map(|leg| leg.to).collect();
        let said = format!(
            "{} seats for {} to {}, {} at fence {} of attempt {}",
            booking.seats,
            booking.name,
            to.join(" and "),
            context.call_id,
            context.fence,
            context.attempt,
        );
        Ok(Booked { said, class: booking.class })
    })
}

#[tokio::test]
async fn a_function_is_a_tool() {
    let schema = book().schema();
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["properties"]["name"]["description"], "Who travels.");
    assert_eq!(schema["properties"]["legs"]["items"]["properties"]["to"]["type"], "string");
    let text = schema.to_string();
    assert!(!text.contains("$ref") && !text.contains("$defs") && !text.contains("$schema"));

    let journey = json!({"name": "Ada", "seats": 2, "class": "first", "legs": [{"to": "Rome"}]});
    let output = called(book(), journey).await;
    let said = "2 seats for Ada to Rome, c1 at fence 7 of attempt 0";
    assert_eq!(output.value, json!({"said": said, "class": "first"}));
}

#[tokio::test]
async fn each_wrong_field_is_named() {
    let output = called(book(), json!({"seats": 700, "class": "third", "legs": [{"to": 1}]})).await;
    let error = error(&output);
    for part in
        ["\"name\" is a required", "seats: 700 is", "class: \"third\" is", "legs/0/to: 1 is"]
    {
        assert!(error.contains(part), "{error}");
    }
    let legs: Vec<Value> = (0..400).map(|_| json!({"to": "x".repeat(5_000).len()})).collect();
    let output = called(book(), json!({"name": "Ada", "seats": 1, "legs": legs})).await;
    let error = self::error(&output);
    assert!(error.contains("; and more") && error.len() < 2_000, "{error}");
}

struct Odd(Value);

#[async_trait::async_trait]
impl Tool for Odd {
    fn name(&self) -> &'static str {
        "odd"
    }
    fn description(&self) -> &'static str {
        "Has a schema that is none."
    }
    fn schema(&self) -> Value {
        self.0.clone()
    }
    async fn call(&self, arguments: Value, _: ToolContext) -> Result<Value, ToolError> {
        Ok(arguments)
    }
}

#[tokio::test]
async fn a_schema_that_cant_be_used_is_no_obstacle() {
    for schema in [json!({"type": "nonsense"}), json!({"$ref": "https://example.org/schema"})] {
        assert_eq!(called(Odd(schema), json!({"a": 1})).await.value, json!({"a": 1}));
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "postroom_agent::schemars")]
struct Nothing {}

#[tokio::test]
async fn a_panic_stays_in_the_call() {
    let tool = tool_fn("bad", "Panics.", |_: Nothing, context: ToolContext| async move {
        assert_eq!(context.fence, 0, "internal detail");
        Ok(())
    });
    let output = called(tool, json!({})).await;
    assert_eq!(error(&output), "the tool crashed: an error in its program");

    let tool = tool_fn("worse", "Panics before it begins.", |_: Nothing, context: ToolContext| {
        assert_eq!(context.fence, 0, "internal detail");
        std::future::ready(Ok(()))
    });
    let output = called(tool, json!({})).await;
    assert_eq!(error(&output), "the tool crashed: an error in its program");
}

#[tokio::test(start_paused = true)]
async fn a_tool_has_its_time() {
    let limits = ToolLimits { time: Some(Duration::from_millis(1_500)), output_bytes: None };
    let hangs = || {
        tool_fn("hangs", "Never answers.", |_: Nothing, _| async {
            std::future::pending::<()>().await;
            Ok(())
        })
    };
    let started = Instant::now();
    let output = called(hangs().with_limits(limits), json!({})).await;
    assert!(error(&output).contains("within its time limit of 1500 ms"));
    // And the grace.
    assert_eq!(started.elapsed(), Duration::from_millis(3_500));

    let started = Instant::now();
    called(hangs(), json!({})).await;
    let default = CallLimits::default();
    assert_eq!(started.elapsed(), default.time + default.cancel_grace);
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_asked_to_stop_before_it_is_dropped() {
    let fake = Fake::new(&["go"]);
    let steps = Arc::new(AtomicU32::new(0));
    let polite = tool_fn("polite", "Tidies up.", {
        let steps = steps.clone();
        move |_: Nothing, context: ToolContext| {
            let steps = steps.clone();
            async move {
                steps.store(1, Ordering::SeqCst);
                assert!(!context.is_cancelled());
                context.cancelled().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                steps.store(2, Ordering::SeqCst);
                Ok("half of it is done")
            }
        }
    });
    let cancels = async {
        while steps.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        fake.cancel(CancelReason::Requested);
    };
    let (output, ()) = tokio::join!(called_with(&fake, polite, json!({})), cancels);
    assert_eq!(output, Output { value: json!("half of it is done"), is_error: false });
    assert_eq!(steps.load(Ordering::SeqCst), 2);

    // The run is cancelled already: one that does not listen is dropped after the grace.
    let deaf = tool_fn("deaf", "Does not listen.", |_: Nothing, _| async {
        tokio::time::sleep(Duration::from_hours(1)).await;
        Ok(())
    });
    let started = Instant::now();
    let output = called_with(&fake, deaf, json!({})).await;
    assert!(error(&output).contains("cancelled"));
    assert_eq!(started.elapsed(), CallLimits::default().cancel_grace);
}

#[tokio::test]
async fn output_is_shown_as_it_comes_and_bounded_at_the_end() {
    let fake = Fake::new(&["go"]);
    let limits = ToolLimits { time: None, output_bytes: Some(100) };
    let talks = tool_fn("talks", "Talks.", |_: Nothing, context: ToolContext| async move {
        for part in ["one", "two"] {
            context.output(part).await;
        }
        Ok("x".repeat(200))
    });
    let output = called_with(&fake, talks.with_limits(limits), json!({})).await;
    assert!(error(&output).contains("at most 100 can be shown: ask for less"));
    let deltas: Vec<String> = fake
        .events
        .lock()
        .iter()
        .filter_map(|event| match event {
            EventBody::ToolCallOutputDelta { delta, .. } => Some(delta.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, ["one", "two"]);
}

#[test]
fn what_a_tool_says_of_itself() {
    let tool = || tool_fn("t", "T.", |_: Nothing, _| async { Ok(()) });
    assert!(tool().repeatable() && !tool().always_asks());
    assert!(!tool().not_repeatable().repeatable());
    assert!(tool().asking_always().always_asks());
}
