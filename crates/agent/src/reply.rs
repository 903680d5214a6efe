//! A model's answer, gathered while it streams.

use std::collections::{HashMap, HashSet};

use postroom_core::event::EventBody;
use postroom_core::id::ToolCallId;
use postroom_core::message::{Metadata, NewMessage, Role, ToolCall};
use postroom_core::run::Usage;
use serde_json::Value;

use crate::model::{Finished, ModelError, ModelEvent};
use crate::prompt::{PARTIAL, STEP};

/// Metadata key for what a model wants back with its message.
pub(crate) const CONTINUATION: &str = "continuation";

/// The longest answer that is taken, in bytes of text and arguments: far more than any model gives.
const REPLY_BYTES_MAX: usize = 4 << 20;

/// What has been said so far.
#[derive(Default)]
pub(crate) struct Reply {
    pub text: String,
    pub calls: Vec<ToolCall>,
    /// The end, once it is reached.
    pub finished: Option<Finished>,
    bytes: usize,
    taken_ids: HashSet<ToolCallId>,
    renamed: HashMap<ToolCallId, ToolCallId>,
}

impl Reply {
    /// An empty reply in a conversation whose calls have `taken_ids`.
    pub fn new(taken_ids: HashSet<ToolCallId>) -> Self {
        Self { taken_ids, ..Self::default() }
    }

    /// Whether nothing was said yet.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0 && self.calls.is_empty()
    }

    /// What it cost, once that is known.
    pub fn usage(&self) -> Usage {
        self.finished.as_ref().map(|finished| finished.usage).unwrap_or_default()
    }

    /// Which model answered, if it is not the one that was asked.
    pub fn model(&self) -> Option<&str> {
        self.finished.as_ref()?.model.as_deref()
    }

    /// Takes a piece in; answers the event that shows it.
    pub fn take(&mut self, event: ModelEvent) -> Result<Option<EventBody>, ModelError> {
        let shown = match event {
            ModelEvent::TextDelta(text) => {
                self.grow(text.len())?;
                self.text.push_str(&text);
                EventBody::TextDelta { text }
            }
            ModelEvent::ReasoningDelta(text) => {
                self.grow(text.len())?;
                EventBody::ReasoningDelta { text }
            }
            ModelEvent::ToolCallStarted { id, name } => {
                let tool_call_id = self.rename(id);
                EventBody::ToolCallStarted { tool_call_id, tool_name: name }
            }
            ModelEvent::ToolCallArgumentsDelta { id, delta } => {
                self.grow(delta.len())?;
                let tool_call_id = self.renamed.get(&id).cloned().unwrap_or(id);
                EventBody::ToolCallArgumentsDelta { tool_call_id, delta }
            }
            ModelEvent::ToolCallReady(call) => {
                let id = match self.renamed.get(&call.id) {
                    Some(id) => id.clone(),
                    None => self.rename(call.id),
                };
                let call = ToolCall { id, ..call };
                self.calls.push(call.clone());
                EventBody::ToolCallReady {
                    tool_call_id: call.id,
                    tool_name: call.name,
                    arguments: call.arguments,
                }
            }
            ModelEvent::Finished(finished) => {
                self.finished = Some(finished);
                return Ok(None);
            }
        };
        Ok(Some(shown))
    }

    fn grow(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > REPLY_BYTES_MAX {
            let message = format!("the model's answer is longer than {REPLY_BYTES_MAX} bytes");
            return Err(ModelError::permanent("answer_too_long", message));
        }
        Ok(())
    }

    /// An id that no other call of the conversation has: some providers count from zero each time.
    fn rename(&mut self, id: ToolCallId) -> ToolCallId {
        let mut unique = id.clone();
        let mut count = 2_u32;
        while self.taken_ids.contains(&unique) {
            let Ok(next) = ToolCallId::parse(&format!("{id}-{count}")) else { break };
            unique = next;
            count += 1;
        }
        self.taken_ids.insert(unique.clone());
        self.renamed.insert(id, unique.clone());
        unique
    }

    /// The whole answer as a message.
    pub fn message(&self, step: u32) -> NewMessage {
        let mut message = assistant(&self.text, step);
        message.tool_calls.clone_from(&self.calls);
        if let Some(finished) = &self.finished
            && !finished.continuation.is_null()
        {
            let continuation = self.renamed_keys(&finished.continuation);
            message.metadata.insert(CONTINUATION.into(), continuation);
        }
        message
    }

    /// What was said before it was cut off, if anything.
    pub fn partial(&self, step: u32) -> Option<NewMessage> {
        if self.text.is_empty() {
            return None;
        }
        let mut message = assistant(&self.text, step);
        message.metadata.insert(PARTIAL.into(), Value::Bool(true));
        Some(message)
    }

    /// A continuation may go by call ids: they follow the renaming.
    fn renamed_keys(&self, continuation: &Value) -> Value {
        let Value::Object(fields) = continuation else { return continuation.clone() };
        let rename = |(key, value): (&String, &Value)| {
            let id = ToolCallId::parse(key).ok().and_then(|id| self.renamed.get(&id));
            let key = id.map_or_else(|| key.clone(), ToString::to_string);
            (key, self.renamed_keys(value))
        };
        Value::Object(fields.iter().map(rename).collect())
    }
}

fn assistant(text: &str, step: u32) -> NewMessage {
    let mut metadata = Metadata::new();
    metadata.insert(STEP.into(), step.into());
    NewMessage { metadata, ..NewMessage::text(Role::Assistant, text) }
}

/// The message of a run that makes one call, as a model would have made it.
pub(crate) fn calling(call: &ToolCall, step: u32) -> NewMessage {
    NewMessage { tool_calls: vec![call.clone()], ..assistant("", step) }
}
