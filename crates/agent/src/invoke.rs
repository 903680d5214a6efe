//! Calling a tool.
use crate::config::Limits;
use crate::output::Output;
use crate::tool::{Tool, ToolContext};
use postroom_core::id::{AgentId, RunId, ThreadId, ToolCallId};
use postroom_core::ports::RunContext;
use serde_json::Value;
use std::sync::Arc;

pub(crate) struct Invocation {
    pub thread_id: ThreadId,
    pub run_id: RunId,
    pub agent_id: AgentId,
    pub fence: u64,
    pub attempt: u32,
    pub run: Arc<dyn RunContext>,
    pub limits: Limits,
}

pub(crate) async fn invoke(
    tool: &dyn Tool,
    id: &ToolCallId,
    arguments: Value,
    i: Invocation,
) -> Output {
    let _ = (i.fence, i.attempt);
    let context = ToolContext {
        call_id: id.clone(),
        thread_id: i.thread_id,
        run_id: i.run_id,
        agent_id: i.agent_id,
        run: i.run,
    };
    let output = match tool.call(arguments, context).await {
        Ok(value) => Output::well(value),
        Err(error) => Output::failed(&error.to_string()),
    };
    let bytes = output.value.to_string().len();
    let max = i.limits.tool_output_bytes;
    if bytes > max {
        return Output::failed(&format!(
            "the output has {bytes} bytes, and at most {max} can be shown: ask for less of it"
        ));
    }
    output
}
