//! Pictures and files in the client's words.
//!
//! What a provider can't be handed is told to the model in words: the client would leave it out
//! without any, and the message stays in the log for every later question.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use genai::chat::ContentPart;
use serde_json::json;

use super::protocol::Protocol;

/// A picture.
pub(super) fn image(protocol: Protocol, url: &str) -> ContentPart {
    match inline(url) {
        Some((kind, data)) => ContentPart::from_binary_base64(kind, data, None),
        // The client knows only Anthropic's pictures that are sent along.
        None if protocol == Protocol::Anthropic => {
            let source = json!({"type": "url", "url": url});
            ContentPart::from_custom(json!({"type": "image", "source": source}), None)
        }
        None if matches!(protocol, Protocol::Ollama | Protocol::Other) => unseen("picture", url),
        None => ContentPart::from_binary_url(kind_by_name(url, "image/jpeg"), url, None),
    }
}

/// A file. Text is read here, since few providers take it as a file.
pub(super) fn file(protocol: Protocol, url: &str, name: Option<&str>) -> ContentPart {
    let Some((kind, data)) = inline(url) else {
        return match protocol {
            Protocol::Responses | Protocol::Anthropic | Protocol::Gemini => {
                let kind = kind_by_name(name.unwrap_or(url), "application/pdf");
                ContentPart::from_binary_url(kind, url, name.map(str::to_owned))
            }
            Protocol::Chat | Protocol::Ollama | Protocol::Other => {
                unseen(&called("file", name), url)
            }
        };
    };
    if is_text(kind) {
        let text =
            BASE64_STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        return match text {
            Some(text) => ContentPart::from_text(format!("{}:\n{text}", called("The file", name))),
            None => ContentPart::from_text(format!("[{} can't be read]", called("The file", name))),
        };
    }
    let is_image = kind.starts_with("image/");
    let can_take = match protocol {
        Protocol::Gemini | Protocol::Responses | Protocol::Chat => true,
        Protocol::Anthropic => is_image || kind == "application/pdf",
        Protocol::Ollama | Protocol::Other => is_image,
    };
    if !can_take {
        return unseen(&called("file", name), &format!("type {kind}, in this message"));
    }
    // A file without a name is refused by some.
    let name = name.unwrap_or("file").to_owned();
    ContentPart::from_binary_base64(kind, data, Some(name))
}

fn called(noun: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{noun} {name}"),
        None => noun.to_owned(),
    }
}

fn unseen(noun: &str, at: &str) -> ContentPart {
    ContentPart::from_text(format!("[a {noun} that you can't be shown: {at}]"))
}

/// Media type and data of a `data:` URL with base64.
fn inline(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let kind = head.strip_suffix(";base64")?;
    let kind = kind.split(';').next().filter(|kind| !kind.is_empty()).unwrap_or("text/plain");
    Some((kind, data))
}

fn is_text(kind: &str) -> bool {
    let named = ["application/json", "application/xml", "application/yaml", "application/toml"];
    kind.starts_with("text/") || named.contains(&kind)
}

fn kind_by_name(url: &str, otherwise: &'static str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    match path.rsplit('.').next() {
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("pdf") => "application/pdf",
        Some("txt" | "md" | "csv" | "log") => "text/plain",
        Some("json") => "application/json",
        Some("mp3") => "audio/mpeg",
        Some("wav") => "audio/wav",
        Some("mp4") => "video/mp4",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => otherwise,
    }
}
