//! Our conversation in the client's words.

use std::collections::HashMap;

use genai::adapter::AdapterKind;
use genai::chat::{
    ChatMessage, ChatRequest, ContentPart, MessageContent, Tool, ToolCall, ToolResponse,
};
use postroom_core::id::ToolCallId;
use postroom_core::message::{Block, Content, Message, Role};
use serde_json::Value;

use super::attachment::{file, image};
use super::continuation::Continuation;
use super::names::{WireNames, wire_id};
use super::options::Target;
use super::protocol::Protocol;
use crate::model::{ModelRequest, ToolChoice};
use crate::prompt::results;
use crate::reply::CONTINUATION;

/// Writes a request for one model.
pub(super) struct Writer<'a> {
    pub target: Target<'a>,
    pub names: &'a WireNames,
    /// Who is asked: what another model wants back is none of its business.
    pub asked: &'a str,
}

impl Writer<'_> {
    /// The request for what `request` asks.
    pub fn chat_request(&self, request: &ModelRequest) -> ChatRequest {
        let mut messages: Vec<ChatMessage> = Vec::with_capacity(request.messages.len());
        let mut names: HashMap<&ToolCallId, &str> = HashMap::new();
        // Results that stand together go together: Anthropic wants all of an answer's in one
        // message. Ollama takes one result a message.
        let mut answers: Vec<ToolResponse> = Vec::new();
        for message in &request.messages {
            if message.role == Role::Tool {
                answers.extend(self.responses(message, &names));
                if self.target.protocol == Protocol::Ollama {
                    messages.extend(answers.drain(..).map(|answer| tool_message(vec![answer])));
                }
                continue;
            }
            if !answers.is_empty() {
                messages.push(tool_message(std::mem::take(&mut answers)));
            }
            names.extend(message.tool_calls.iter().map(|call| (&call.id, call.name.as_str())));
            let parts = self.parts(message);
            // A message that says nothing is refused by some providers.
            if parts.is_empty() {
                continue;
            }
            let content = MessageContent::from_parts(parts);
            messages.push(match message.role {
                Role::Assistant => ChatMessage::assistant(content),
                Role::System => ChatMessage::system(content),
                Role::User | Role::Tool => ChatMessage::user(content),
            });
        }
        if !answers.is_empty() {
            messages.push(tool_message(answers));
        }
        let mut chat = ChatRequest::new(messages);
        if let Some(system) = &request.system {
            chat = chat.with_system(system);
        }
        if request.tools.is_empty() || self.must_not_call(request) {
            return chat;
        }
        chat.with_tools(request.tools.iter().map(|spec| {
            Tool::new(self.names.wire(&spec.name))
                .with_description(&spec.description)
                .with_schema(spec.schema.clone())
        }))
    }

    /// Ollama can't be told to call no tool; it calls none that it is not offered.
    fn must_not_call(&self, request: &ModelRequest) -> bool {
        self.target.protocol == Protocol::Ollama
            && request.options.tool_choice == Some(ToolChoice::None)
    }

    fn responses(
        &self,
        message: &Message,
        names: &HashMap<&ToolCallId, &str>,
    ) -> impl Iterator<Item = ToolResponse> {
        results(message).map(|(id, output, _)| {
            let text = match output {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let response = ToolResponse::new(self.id(id), text);
            match names.get(id) {
                Some(name) => response.with_fn_name(self.names.wire(name)),
                None => response,
            }
        })
    }

    fn parts(&self, message: &Message) -> Vec<ContentPart> {
        let continuation = message
            .metadata
            .get(CONTINUATION)
            .and_then(|kept| Continuation::read(kept, self.asked))
            .unwrap_or_default();
        let mut parts = continuation.thoughts;
        match &message.content {
            Content::Text(text) if text.is_empty() => {}
            Content::Text(text) => parts.push(ContentPart::from_text(text)),
            Content::Blocks(blocks) => {
                parts.extend(blocks.iter().filter_map(|block| self.part(block)));
            }
        }
        parts.extend(message.tool_calls.iter().map(|call| {
            ContentPart::ToolCall(ToolCall {
                call_id: self.id(&call.id),
                fn_name: self.names.wire(&call.name).to_owned(),
                fn_arguments: arguments(&call.arguments),
                thought_signatures: continuation.calls.get(&call.id.to_string()).cloned(),
            })
        }));
        parts
    }

    fn id(&self, id: &ToolCallId) -> String {
        match self.target.kind {
            // These ask for no id, and give none.
            AdapterKind::Gemini | AdapterKind::Ollama => id.to_string(),
            kind => wire_id(kind, id),
        }
    }

    fn part(&self, block: &Block) -> Option<ContentPart> {
        match block {
            Block::Text { text } if text.is_empty() => None,
            Block::Text { text } => Some(ContentPart::from_text(text)),
            Block::Image { url } => Some(image(self.target.protocol, url)),
            Block::File { url, name } => Some(file(self.target.protocol, url, name.as_deref())),
            Block::ToolResult { output, .. } => Some(ContentPart::from_text(output.to_string())),
            Block::Data { value } => Some(ContentPart::from_text(value.to_string())),
        }
    }
}

fn tool_message(answers: Vec<ToolResponse>) -> ChatMessage {
    ChatMessage::tool(MessageContent::from_tool_responses(answers))
}

/// Providers refuse a history whose arguments are not an object; the error in the call's result
/// tells the model what was wrong with them.
fn arguments(arguments: &Value) -> Value {
    match arguments {
        Value::Object(_) => arguments.clone(),
        Value::Null => serde_json::json!({}),
        other => serde_json::json!({"invalid": other}),
    }
}
