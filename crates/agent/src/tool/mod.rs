//! The tool port: something an agent can do.

mod context;
mod error;
mod function;
mod schema;
mod set;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

pub use context::ToolContext;
pub use error::{ToolError, read_arguments};
pub use function::{FunctionTool, tool_fn};
pub use set::{ToolEntry, ToolSet};

/// Something an agent can do.
///
/// A call may be made again after a crash, under the same call id and with a higher fence
/// ([`ToolContext`]): a tool that acts on the world uses them to recognise the repetition.
#[async_trait]
pub trait Tool: Send + Sync + 'static {
    /// Its name, as models call it.
    fn name(&self) -> &str;

    /// What it does and when to use it, for the model.
    fn description(&self) -> &str;

    /// The JSON schema of its arguments. They are checked against it before each call.
    fn schema(&self) -> Value;

    /// Whether each of its calls waits for a person, whatever the configuration says.
    fn always_asks(&self) -> bool {
        false
    }

    /// Whether a call that a crash cut off may be made again. If not, a person is asked what
    /// became of it.
    fn repeatable(&self) -> bool {
        true
    }

    /// Its own limits, where the agent's do not fit.
    fn limits(&self) -> ToolLimits {
        ToolLimits::default()
    }

    /// Does it. When the run is cancelled or the time is over, [`ToolContext::cancelled`] resolves;
    /// a tool that goes on nevertheless is dropped where it stands a moment later.
    async fn call(&self, arguments: Value, context: ToolContext) -> Result<Value, ToolError>;
}

/// Limits of one tool's calls; where it has none, the agent's hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ToolLimits {
    /// The longest that a call may take.
    pub time: Option<Duration>,
    /// The longest output, in bytes of JSON.
    pub output_bytes: Option<usize>,
}
