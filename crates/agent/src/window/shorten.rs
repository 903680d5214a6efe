//! Long tool results, shortened.

use std::sync::Arc;

use postroom_core::message::{Block, Content, Message};
use serde_json::Value;

use super::budget::Budget;
use super::estimate::longest_result;

/// No result is made shorter than this, in bytes: less would say nothing.
const RESULT_BYTES_MIN: usize = 400;

/// What stands in the place of a middle.
const GAP: &str = "\n[… a part was left out, since the whole is too long …]\n";

/// Shortens the longest results until all fits, or none can be shorter; answers what is left to
/// pay, in tokens.
pub(super) fn shorten_results(messages: &mut [Arc<Message>], budget: &Budget) -> u64 {
    let cost = |messages: &[Arc<Message>]| messages.iter().map(|m| budget.cost(m)).sum::<u64>();
    let mut longest = messages.iter().map(|m| longest_result(m)).max().unwrap_or(0);
    let mut tokens = cost(messages);
    while tokens > budget.for_messages() && longest > RESULT_BYTES_MIN {
        longest = (longest / 4 * 3).max(RESULT_BYTES_MIN);
        for message in messages.iter_mut().filter(|message| longest_result(message) > longest) {
            *message = Arc::new(with_results_of(message, longest));
        }
        tokens = cost(messages);
    }
    tokens
}

fn with_results_of(message: &Message, bytes_max: usize) -> Message {
    let mut message = message.clone();
    if let Content::Blocks(blocks) = &mut message.content {
        for block in blocks {
            if let Block::ToolResult { output, .. } = block {
                let text = match &*output {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                if text.len() > bytes_max {
                    *output = Value::String(shortened(&text, bytes_max));
                }
            }
        }
    }
    message
}

/// At most `bytes_max` of the text, its beginning and its end: errors stand at either.
pub(super) fn shortened(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let kept = bytes_max.saturating_sub(GAP.len());
    let head = text.floor_char_boundary(kept / 3 * 2);
    let tail = text.ceil_char_boundary(text.len() - (kept - kept / 3 * 2));
    format!("{}{GAP}{}", &text[..head], &text[tail..])
}
