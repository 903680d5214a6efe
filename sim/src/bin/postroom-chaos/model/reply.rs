//! What the model answers.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Directive, answer_text, directive_in};
use crate::told::token_in;

/// How long pieces of a slow answer are apart, and of any other.
const SLOW: Duration = Duration::from_millis(700);
const QUICK: Duration = Duration::from_millis(15);

/// What is asked, as far as it matters here.
pub(super) struct Prompt {
    /// All letters that it shows.
    pub tokens: Vec<u64>,
    /// The last of them.
    pub token: u64,
    directive: Directive,
    /// A tool has answered since.
    has_result: bool,
}

impl Prompt {
    /// Reads a request's messages.
    pub(super) fn read(body: &Value) -> Self {
        let mut prompt =
            Self { tokens: Vec::new(), token: 0, directive: Directive::Hello, has_result: false };
        for message in body["messages"].as_array().into_iter().flatten() {
            match message["role"].as_str() {
                Some("user") => {
                    let text = text(&message["content"]);
                    let Some(token) = token_in(&text) else { continue };
                    prompt.tokens.push(token);
                    prompt.token = token;
                    prompt.directive = directive_in(&text).unwrap_or(Directive::Hello);
                    prompt.has_result = false;
                }
                Some("tool") => prompt.has_result = true,
                _ => {}
            }
        }
        prompt
    }
}

/// Content is one text, or pieces of it.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        pieces => {
            let pieces = pieces.as_array().into_iter().flatten();
            pieces.filter_map(|piece| piece["text"].as_str()).collect()
        }
    }
}

/// An answer: a status that says no, or pieces that come one after the other.
pub(super) enum Reply {
    Fails(u16),
    Streams { pieces: Vec<Value>, pause: Duration },
}

/// What the model answers to the `tries`th request about a letter.
pub(super) fn reply(prompt: &Prompt, number: u64, tries: u64) -> Reply {
    match prompt.directive {
        Directive::Poison => return Reply::Fails(500),
        Directive::Refuse => return Reply::Fails(400),
        Directive::Flaky if tries == 1 => return Reply::Fails(503),
        _ => {}
    }
    let text = answer_text(number, prompt.token);
    let (head, tail) = text.split_at(text.len() / 2);
    let mut pieces = vec![says(head), says(tail)];
    let tool = match prompt.directive {
        Directive::Tool => Some(("clock", "{}")),
        Directive::Ask => Some(("demo_action", "{\"request\":\"please\"}")),
        _ => None,
    };
    match tool.filter(|_| !prompt.has_result) {
        Some((name, arguments)) => {
            let call = json!([{"index": 0, "id": format!("call-{number}"), "type": "function",
                "function": {"name": name, "arguments": arguments}}]);
            pieces.push(chunk(&json!({"tool_calls": call}), None));
            pieces.push(chunk(&json!({}), Some("tool_calls")));
        }
        None => pieces.push(chunk(&json!({}), Some("stop"))),
    }
    pieces.push(json!({"choices": [],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}));
    let pause = if prompt.directive == Directive::Slow { SLOW } else { QUICK };
    Reply::Streams { pieces, pause }
}

fn says(text: &str) -> Value {
    chunk(&json!({"content": text}), None)
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "x", "object": "chat.completion.chunk", "model": "ledger",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}
