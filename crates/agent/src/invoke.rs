//! Calling a tool, so that whatever it does, the model gets an answer that it can read.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use postroom_core::message::ToolCall;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::tool::{ToolContext, ToolEntry, ToolError};

/// The limits of a call, where the tool has none of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLimits {
    /// The longest that a call may take.
    pub time: Duration,
    /// The longest output that a model is shown, in bytes of JSON.
    pub output_bytes: usize,
    /// How long a tool that is asked to stop may take to do so, before it is dropped.
    pub cancel_grace: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_mins(5),
            output_bytes: 256 * 1024,
            cancel_grace: Duration::from_secs(2),
        }
    }
}

/// What came of a tool call, for the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// What the tool answered, or an object whose `error` says why it did not.
    pub value: Value,
    /// Whether it failed.
    pub is_error: bool,
}

impl Output {
    pub(crate) fn failed(error: &str) -> Self {
        Self { value: json!({"error": error}), is_error: true }
    }

    /// A giant output would fill the model's context and every later prompt: the model is told to
    /// ask for less instead.
    pub(crate) fn bounded(self, bytes_max: usize) -> Self {
        let bytes = self.value.to_string().len();
        if bytes <= bytes_max {
            return self;
        }
        Self::failed(&format!(
            "the output has {bytes} bytes, and at most {bytes_max} can be shown: ask for less of it"
        ))
    }
}

impl From<ToolError> for Output {
    fn from(error: ToolError) -> Self {
        Self::failed(&error.to_string())
    }
}

/// Why a tool is asked to stop.
enum Stop {
    Cancelled,
    TimeIsOver,
}

/// Calls `tool`: checks the arguments, contains its panics, and keeps to the limits. When the run
/// is cancelled or the time is over, the tool is asked to stop, and dropped after the grace.
pub async fn invoke(
    tool: &ToolEntry,
    call: &ToolCall,
    context: ToolContext,
    limits: &CallLimits,
) -> Output {
    let own = tool.limits();
    let arguments = match tool.check(&call.arguments) {
        Ok(arguments) => arguments,
        Err(error) => return error.into(),
    };
    let time = own.time.unwrap_or(limits.time);
    let output = within(time, limits.cancel_grace, tool, arguments, context).await;
    output.bounded(own.output_bytes.unwrap_or(limits.output_bytes))
}

async fn within(
    time: Duration,
    grace: Duration,
    tool: &ToolEntry,
    arguments: Value,
    context: ToolContext,
) -> Output {
    let mut answer = Box::pin(contained(tool, arguments, context.clone()));
    let stop = tokio::select! {
        biased;
        _ = context.run.cancelled() => Stop::Cancelled,
        answer = &mut answer => return answer.unwrap_or_else(Output::from),
        () = sleep(time) => Stop::TimeIsOver,
    };
    context.cancel.cancel();
    // What was done in time for the answer to be heard is not called undone.
    if let Ok(Ok(done)) = timeout(grace, answer).await {
        return done;
    }
    match stop {
        Stop::Cancelled => Output::failed("the run was cancelled before the tool had answered"),
        Stop::TimeIsOver => Output::failed(&format!(
            "the tool did not answer within its time limit of {} ms; what it did until then is not known",
            time.as_millis()
        )),
    }
}

/// The call itself. A panic stays here, and its text does too: it is the program's matter, not the
/// model's.
async fn contained(
    tool: &ToolEntry,
    arguments: Value,
    context: ToolContext,
) -> Result<Output, ToolError> {
    let call_id = context.call_id.clone();
    let called = async { tool.call(arguments, context).await };
    match AssertUnwindSafe(called).catch_unwind().await {
        Ok(Ok(value)) => Ok(Output { value, is_error: false }),
        Ok(Err(error)) => Err(error),
        Err(_) => {
            tracing::error!(tool = tool.name(), %call_id, "a tool panicked");
            Err(ToolError::Failed("the tool crashed: an error in its program".to_owned()))
        }
    }
}
