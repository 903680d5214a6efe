//! The model port: something that reads a conversation and streams an answer.

mod error;
mod options;

pub use error::ModelError;
pub use options::{ModelOptions, OptionError, ReasoningEffort, ResponseSchema, ToolChoice};

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use postroom_core::id::ToolCallId;
use postroom_core::message::{Message, ToolCall};
use postroom_core::run::Usage;
use serde_json::Value;

/// An answer as it comes in. Its last item is [`ModelEvent::Finished`] or an error.
pub type ModelStream = BoxStream<'static, Result<ModelEvent, ModelError>>;

/// A language model.
#[async_trait]
pub trait Model: Send + Sync + 'static {
    /// What to call it in events and logs.
    fn name(&self) -> &str;

    /// How many tokens a conversation and its answer may have together, if that is known.
    fn context_window(&self) -> Option<u64> {
        None
    }

    /// Begins an answer. Dropping the stream gives the answer up.
    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError>;
}

/// What a model is asked.
#[derive(Debug, Clone, Default)]
pub struct ModelRequest {
    /// The operator's instructions.
    pub system: Option<String>,
    /// The conversation. Every tool call in it is followed by its result.
    pub messages: Vec<Arc<Message>>,
    /// The tools it may call.
    pub tools: Vec<ToolSpec>,
    /// Which attempt of the run asks, from 1: for the demo model, which can fail on demand.
    pub attempt: u32,
    /// How it shall answer. The model's own configured options lie beneath these.
    pub options: ModelOptions,
}

/// A tool as a model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// The JSON schema of its arguments.
    pub schema: Value,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// More text.
    TextDelta(String),
    /// More of what it thinks aloud.
    ReasoningDelta(String),
    /// It begins a tool call.
    ToolCallStarted {
        /// The call.
        id: ToolCallId,
        /// The tool.
        name: String,
    },
    /// More of a call's arguments, as text.
    ToolCallArgumentsDelta {
        /// The call.
        id: ToolCallId,
        /// The text.
        delta: String,
    },
    /// A tool call is complete. Arguments that are not JSON come as a string of what they are.
    ToolCallReady(ToolCall),
    /// The answer is complete.
    Finished(Finished),
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Finished {
    /// What it cost.
    pub usage: Usage,
    /// Which model answered, if it is not the one that was asked: the member of a pool.
    pub model: Option<String>,
    /// Why it ended.
    pub stop: Stop,
    /// What the model wants back with this message in later requests; null if nothing.
    pub continuation: Value,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stop {
    /// It was said, or the tools' turn has come.
    #[default]
    Complete,
    /// It reached the longest answer that the model gives: the rest is missing.
    TooLong,
    /// The provider's policy cut it off.
    Filtered,
}
