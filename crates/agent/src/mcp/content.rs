//! What a server answered, as a value for a model.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::{Value, json};

/// The value of a result: what is structured as it is, a single text as text, anything else as the
/// list of its blocks.
pub(super) fn value(result: CallToolResult) -> Value {
    if let Some(structured) = result.structured_content {
        return structured;
    }
    let mut blocks: Vec<Value> = result.content.into_iter().map(block).collect();
    match blocks.as_mut_slice() {
        [] => Value::Null,
        [only] if only["type"] == "text" => only["text"].take(),
        _ => blocks.into(),
    }
}

/// The text of an error.
pub(super) fn error(result: CallToolResult) -> String {
    match value(result) {
        Value::Null => "the tool failed and does not say why".to_owned(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Images and the like are data in base64, which a model that reads JSON can't see: their kind and
/// size are said instead.
fn block(block: ContentBlock) -> Value {
    match block {
        ContentBlock::Text(text) => json!({"type": "text", "text": text.text}),
        ContentBlock::Image(image) => data("image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => data("audio", &audio.mime_type, &audio.data),
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { uri, mime_type, text, .. } => {
                json!({"type": "resource", "uri": uri, "media_type": mime_type, "text": text})
            }
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                let mut value = data("resource", mime_type.as_deref().unwrap_or_default(), &blob);
                value["uri"] = uri.into();
                value
            }
            _ => json!({"type": "unknown"}),
        },
        ContentBlock::ResourceLink(link) => {
            json!({"type": "resource_link", "uri": link.uri, "name": link.name})
        }
        // Of a later version of the protocol.
        _ => json!({"type": "unknown"}),
    }
}

fn data(kind: &str, media_type: &str, base64: &str) -> Value {
    json!({"type": kind, "media_type": media_type, "bytes": base64.len() / 4 * 3})
}
