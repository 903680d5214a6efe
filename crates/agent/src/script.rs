//! A model that says what it was told to: for tests and examples of agents.

use std::collections::VecDeque;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use postroom_core::id::ToolCallId;
use postroom_core::message::ToolCall;
use serde_json::Value;
use uuid::Uuid;

use crate::model::{Finished, Model, ModelError, ModelEvent, ModelRequest, ModelStream};

/// A model that gives the answers of a script, one after the other.
///
/// ```
/// use postroom_agent::script::Script;
/// use serde_json::json;
///
/// let model = Script::new().calls("clock", json!({})).says("It is late.");
/// ```
#[derive(Default)]
pub struct Script(Mutex<VecDeque<Vec<ModelEvent>>>);

impl Script {
    /// A script without an answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Then it says this.
    #[must_use]
    pub fn says(self, text: &str) -> Self {
        self.then(vec![ModelEvent::TextDelta(text.to_owned())])
    }

    /// Then it calls a tool.
    #[must_use]
    pub fn calls(self, tool: &str, arguments: Value) -> Self {
        self.calls_all([(tool, arguments)])
    }

    /// Then it calls several tools in one answer.
    #[must_use]
    pub fn calls_all<'a>(self, calls: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let calls = calls.into_iter().enumerate().map(|(place, (tool, arguments))| {
            // Unique within the answer; the loop makes it so in the conversation.
            let id = ToolCallId::from(Uuid::from_u128(place as u128));
            ModelEvent::ToolCallReady(ToolCall { id, name: tool.to_owned(), arguments })
        });
        let calls = calls.collect();
        self.then(calls)
    }

    fn then(self, mut answer: Vec<ModelEvent>) -> Self {
        answer.push(ModelEvent::Finished(Finished::default()));
        self.0.lock().push_back(answer);
        self
    }
}

#[async_trait]
impl Model for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    async fn stream(&self, _: ModelRequest) -> Result<ModelStream, ModelError> {
        let answer = self.0.lock().pop_front();
        let answer = answer
            .ok_or_else(|| ModelError::permanent("script_over", "the script is at its end"))?;
        Ok(stream::iter(answer).map(Ok).boxed())
    }
}
