//! How many tokens something costs, without a tokenizer.
//!
//! The rule: four ASCII characters are a token, and so is any other character. A message costs 4
//! more, a call or a tool 8 more. A picture costs 1600; a file a token for every 8 characters of
//! its `data:` URL, at least 1600. [`Scale`](super::Scale) corrects it by what a model counted.

use std::io;

use postroom_core::message::{Block, Content, Message};
use serde::Serialize;

use crate::model::ModelRequest;
use crate::prompt::results;
use crate::reply::CONTINUATION;

const MESSAGE: u64 = 4;
const CALL: u64 = 8;
const PICTURE: u64 = 1600;
const FILE_CHARS: u64 = 8;

/// What a message is estimated to cost, in tokens.
pub fn estimate(message: &Message) -> u64 {
    let content = match &message.content {
        Content::Text(text) => of_text(text),
        Content::Blocks(blocks) => blocks.iter().map(of_block).sum(),
    };
    let calls = message.tool_calls.iter();
    let calls: u64 = calls.map(|call| CALL + of_text(&call.name) + of_json(&call.arguments)).sum();
    // Thoughts that a provider wants back are read again.
    let continuation = message.metadata.get(CONTINUATION).map_or(0, of_json);
    MESSAGE + content + calls + continuation
}

/// What a request is estimated to cost, in tokens: instructions, tools and messages.
pub fn estimate_request(request: &ModelRequest) -> u64 {
    let system = request.system.as_deref().map_or(0, |text| MESSAGE + of_text(text));
    let tools = request.tools.iter();
    let tools: u64 = tools
        .map(|tool| CALL + of_text(&tool.name) + of_text(&tool.description) + of_json(&tool.schema))
        .sum();
    let form = request.options.response_schema.as_ref().map_or(0, |form| of_json(&form.schema));
    let messages: u64 = request.messages.iter().map(|message| estimate(message)).sum();
    system + tools + form + messages
}

fn of_block(block: &Block) -> u64 {
    match block {
        Block::Text { text } => of_text(text),
        Block::Image { .. } => PICTURE,
        Block::File { url, .. } => PICTURE.max(url.len() as u64 / FILE_CHARS),
        Block::ToolResult { output, .. } => MESSAGE + of_json(output),
        Block::Data { value } => of_json(value),
    }
}

fn of_text(text: &str) -> u64 {
    let mut count = Count::default();
    count.add(text.as_bytes());
    count.tokens()
}

fn of_json(value: &impl Serialize) -> u64 {
    let mut count = Count::default();
    // Counting does not fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.tokens()
}

/// How long a message's longest tool result is, in bytes of its text.
pub(super) fn longest_result(message: &Message) -> usize {
    let length = |output: &serde_json::Value| match output {
        serde_json::Value::String(text) => text.len(),
        other => other.to_string().len(),
    };
    results(message).map(|(_, output, _)| length(output)).max().unwrap_or(0)
}

/// Characters, as they are written.
#[derive(Default)]
struct Count {
    ascii: u64,
    others: u64,
}

impl Count {
    fn add(&mut self, bytes: &[u8]) {
        let ascii = bytes.iter().filter(|byte| byte.is_ascii()).count();
        // Each other character begins with one such byte.
        let others = bytes.iter().filter(|byte| **byte >= 0xC0).count();
        self.ascii += ascii as u64;
        self.others += others as u64;
    }

    fn tokens(&self) -> u64 {
        self.ascii.div_ceil(4) + self.others
    }
}

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_holds() {
        assert_eq!(of_text(""), 0);
        assert_eq!(of_text("abcd"), 1);
        assert_eq!(of_text("abcde"), 2);
        assert_eq!(of_text("日本"), 2);
        assert_eq!(of_text("abcdé"), 2);
        assert_eq!(of_json(&serde_json::json!({"a": "日"})), 2 + 1);
    }
}
