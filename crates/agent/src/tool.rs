//! The tool port: something an agent can do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use postroom_core::event::EventBody;
use postroom_core::id::{AgentId, RunId, ThreadId, ToolCallId};
use postroom_core::ports::RunContext;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::matches;
use crate::model::ToolSpec;

/// Something an agent can do.
///
/// A call may be made again after a crash, under the same call id: a tool that acts on the world
/// uses it to recognise the repetition.
#[async_trait]
pub trait Tool: Send + Sync + 'static {
    /// Its name, as models call it.
    fn name(&self) -> &str;

    /// What it does and when to use it, for the model.
    fn description(&self) -> &str;

    /// The JSON schema of its arguments.
    fn schema(&self) -> Value;

    /// Whether each of its calls waits for a person, whatever the configuration says.
    fn always_asks(&self) -> bool {
        false
    }

    /// Whether a call may be made again when it is not known what came of it: after a crash in the
    /// middle. Where it may not, a person is asked.
    fn repeatable(&self) -> bool {
        true
    }

    /// Does it. Dropped where it stands when the run is cancelled.
    async fn call(&self, arguments: Value, context: ToolContext) -> Result<Value, ToolError>;
}

/// Why a tool did not do it. The model reads this, so it says what to do differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The arguments are not what the schema says.
    #[error("invalid arguments: {0}")]
    InvalidArguments(String),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
}

/// What a tool knows about its call.
#[derive(Clone)]
pub struct ToolContext {
    /// Names the call, the same for a repetition after a crash.
    pub call_id: ToolCallId,
    /// The thread.
    pub thread_id: ThreadId,
    /// The run.
    pub run_id: RunId,
    /// The agent.
    pub agent_id: AgentId,
    pub(crate) run: Arc<dyn RunContext>,
}

impl ToolContext {
    /// Shows a piece of output while the tool still works.
    pub async fn output(&self, delta: &str) {
        let event = EventBody::ToolCallOutputDelta {
            tool_call_id: self.call_id.clone(),
            delta: delta.to_owned(),
        };
        // If the claim is lost, the commit after this call says so; a tool need not know.
        let _ = self.run.emit(event).await;
    }
}

impl fmt::Debug for ToolContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolContext")
            .field("call_id", &self.call_id)
            .field("run_id", &self.run_id)
            .finish_non_exhaustive()
    }
}

/// Reads a call's arguments into a tool's own type.
///
/// # Errors
/// [`ToolError::InvalidArguments`] saying what is wrong.
pub fn read_arguments<T: DeserializeOwned>(arguments: Value) -> Result<T, ToolError> {
    // A model that has nothing to say often gives no arguments at all.
    let arguments = match arguments {
        Value::Null => Value::Object(serde_json::Map::new()),
        Value::String(text) if text.trim().is_empty() => Value::Object(serde_json::Map::new()),
        other => other,
    };
    serde_json::from_value(arguments)
        .map_err(|error| ToolError::InvalidArguments(error.to_string()))
}

/// Tools by name.
#[derive(Clone, Default)]
pub struct ToolSet(BTreeMap<String, Arc<dyn Tool>>);

impl ToolSet {
    /// Adds a tool; one of the same name is replaced.
    pub fn insert(&mut self, tool: Arc<dyn Tool>) {
        self.0.insert(tool.name().to_owned(), tool);
    }

    /// The tool called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.0.get(name)
    }

    /// The tools whose names fit `pattern`, in order.
    pub fn fitting(&self, pattern: &str) -> Vec<Arc<dyn Tool>> {
        let fits = |(name, _): &(&String, &Arc<dyn Tool>)| matches(pattern, name);
        self.0.iter().filter(fits).map(|(_, tool)| tool.clone()).collect()
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All tools as a model sees them.
    pub fn specs(&self) -> Vec<ToolSpec> {
        let spec = |tool: &Arc<dyn Tool>| ToolSpec {
            name: tool.name().to_owned(),
            description: tool.description().to_owned(),
            schema: tool.schema(),
        };
        self.0.values().map(spec).collect()
    }
}

impl fmt::Debug for ToolSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
