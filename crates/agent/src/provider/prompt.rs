//! Our conversation in the client's words.

use std::collections::HashMap;

use genai::chat::{
    ChatMessage, ChatRequest, ContentPart, MessageContent, Tool, ToolCall, ToolResponse,
};
use postroom_core::id::ToolCallId;
use postroom_core::message::{Block, Content, Message, Role};
use serde_json::Value;

use crate::model::ModelRequest;
use crate::prompt::results;
use crate::reply::CONTINUATION;

/// The request for what `request` asks.
pub(super) fn chat_request(request: &ModelRequest) -> ChatRequest {
    let mut messages: Vec<ChatMessage> = Vec::with_capacity(request.messages.len());
    let mut names: HashMap<&ToolCallId, &str> = HashMap::new();
    // Results that stand together go together: Anthropic wants all of an answer's in one message.
    let mut answers: Vec<ToolResponse> = Vec::new();
    for message in &request.messages {
        if message.role == Role::Tool {
            answers.extend(responses(message, &names));
            continue;
        }
        if !answers.is_empty() {
            messages.push(tool_message(std::mem::take(&mut answers)));
        }
        names.extend(message.tool_calls.iter().map(|call| (&call.id, call.name.as_str())));
        let parts = parts(message);
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
    if request.tools.is_empty() {
        return chat;
    }
    chat.with_tools(request.tools.iter().map(|spec| {
        Tool::new(spec.name.clone())
            .with_description(&spec.description)
            .with_schema(spec.schema.clone())
    }))
}

fn tool_message(answers: Vec<ToolResponse>) -> ChatMessage {
    ChatMessage::tool(MessageContent::from_tool_responses(answers))
}

fn responses(
    message: &Message,
    names: &HashMap<&ToolCallId, &str>,
) -> impl Iterator<Item = ToolResponse> {
    results(message).map(|(id, output, _)| {
        let text = match output {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let response = ToolResponse::new(id.to_string(), text);
        match names.get(id) {
            Some(name) => response.with_fn_name(*name),
            None => response,
        }
    })
}

fn parts(message: &Message) -> Vec<ContentPart> {
    let mut parts = match &message.content {
        Content::Text(text) if text.is_empty() => Vec::new(),
        Content::Text(text) => vec![ContentPart::from_text(text)],
        Content::Blocks(blocks) => blocks.iter().filter_map(part).collect(),
    };
    let continuation = message.metadata.get(CONTINUATION);
    parts.extend(message.tool_calls.iter().map(|call| {
        let signatures = continuation.and_then(|kept| kept.get(call.id.to_string()));
        ContentPart::ToolCall(ToolCall {
            call_id: call.id.to_string(),
            fn_name: call.name.clone(),
            fn_arguments: arguments(&call.arguments),
            thought_signatures: signatures
                .and_then(|kept| serde_json::from_value(kept.clone()).ok()),
        })
    }));
    parts
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

fn part(block: &Block) -> Option<ContentPart> {
    match block {
        Block::Text { text } if text.is_empty() => None,
        Block::Text { text } => Some(ContentPart::from_text(text)),
        Block::Image { url } => Some(image(url)),
        Block::ToolResult { output, .. } => Some(ContentPart::from_text(output.to_string())),
        Block::Data { value } => Some(ContentPart::from_text(value.to_string())),
    }
}

fn image(url: &str) -> ContentPart {
    let inline = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match inline {
        Some((kind, data)) => ContentPart::from_binary_base64(kind, data, None),
        None => ContentPart::from_binary_url(kind_by_name(url), url, None),
    }
}

fn kind_by_name(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    match path.rsplit('.').next() {
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => "image/jpeg",
    }
}
