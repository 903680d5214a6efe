//! The client's stream in our words.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{StreamExt, stream};
use genai::adapter::AdapterKind;
use genai::chat::{ChatStream, ChatStreamEvent, StopReason, StreamEnd, ToolCall as SentCall};
use postroom_core::id::ToolCallId;
use postroom_core::message::ToolCall;
use postroom_core::run::Usage;
use serde_json::{Map, Value};

use super::error::model_error;
use crate::model::{Finished, ModelError, ModelEvent, ModelStream, Stop};

/// What the stream says, until its end or its first error.
pub(super) fn events(kind: AdapterKind, answer: ChatStream, key: Option<Arc<str>>) -> ModelStream {
    let reader =
        Reader { kind, answer, key, calls: Vec::new(), ready: VecDeque::new(), over: false };
    stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((event, reader))
    })
    .boxed()
}

struct Reader {
    kind: AdapterKind,
    answer: ChatStream,
    key: Option<Arc<str>>,
    /// The calls so far. The client sends each with all of its arguments in every piece.
    calls: Vec<Call>,
    ready: VecDeque<ModelEvent>,
    over: bool,
}

struct Call {
    sent_id: String,
    id: ToolCallId,
    shown_bytes: usize,
    is_ready: bool,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.over {
                return None;
            }
            match self.answer.next().await {
                Some(Ok(event)) => {
                    if let Err(error) = self.read(event) {
                        self.over = true;
                        return Some(Err(error));
                    }
                }
                Some(Err(error)) => {
                    self.over = true;
                    return Some(Err(model_error(&error, self.key.as_deref())));
                }
                None => {
                    self.over = true;
                    return Some(Err(cut_off()));
                }
            }
        }
    }

    fn read(&mut self, event: ChatStreamEvent) -> Result<(), ModelError> {
        match event {
            ChatStreamEvent::Chunk(chunk) if !chunk.content.is_empty() => {
                self.ready.push_back(ModelEvent::TextDelta(chunk.content));
            }
            ChatStreamEvent::ReasoningChunk(chunk) if !chunk.content.is_empty() => {
                self.ready.push_back(ModelEvent::ReasoningDelta(chunk.content));
            }
            ChatStreamEvent::ToolCallChunk(chunk) => self.read_call(&chunk.tool_call),
            ChatStreamEvent::End(end) => {
                self.over = true;
                self.read_end(end)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn read_call(&mut self, sent: &SentCall) {
        // Text grows from piece to piece; anything else is a whole call, even under an id that was
        // there before.
        let known = match &sent.fn_arguments {
            Value::String(_) => self.calls.iter().rposition(|call| call.sent_id == sent.call_id),
            _ => None,
        };
        let at = known.unwrap_or_else(|| self.start_call(sent));
        let call = &mut self.calls[at];
        let text = match &sent.fn_arguments {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            whole => whole.to_string(),
        };
        // A piece that is shorter than what was shown has nothing new to show.
        if let Some(delta) = text.get(call.shown_bytes..).filter(|delta| !delta.is_empty()) {
            call.shown_bytes = text.len();
            let (id, delta) = (call.id.clone(), delta.to_owned());
            self.ready.push_back(ModelEvent::ToolCallArgumentsDelta { id, delta });
        }
    }

    fn start_call(&mut self, sent: &SentCall) -> usize {
        let id = self.name_call(&sent.call_id);
        let name = sent.fn_name.clone();
        self.ready.push_back(ModelEvent::ToolCallStarted { id: id.clone(), name });
        let sent_id = sent.call_id.clone();
        self.calls.push(Call { sent_id, id, shown_bytes: 0, is_ready: false });
        self.calls.len() - 1
    }

    /// The provider's id for the call, if it can be one of ours and no other call of the answer has
    /// it; else its place in the answer.
    fn name_call(&self, sent: &str) -> ToolCallId {
        let place = self.calls.len();
        match ToolCallId::parse(sent) {
            Ok(id) if self.calls.iter().all(|call| call.id != id) => id,
            _ => ToolCallId::from(uuid::Uuid::from_u128(place as u128)),
        }
    }

    fn read_end(&mut self, end: StreamEnd) -> Result<(), ModelError> {
        if !is_real_end(self.kind, &end) {
            return Err(cut_off());
        }
        let stop = match &end.captured_stop_reason {
            Some(StopReason::MaxTokens(_)) => Stop::TooLong,
            Some(StopReason::ContentFilter(_)) => Stop::Filtered,
            _ => Stop::Complete,
        };
        let usage = end.captured_usage.as_ref();
        let tokens = |count: Option<i32>| count.and_then(|count| u64::try_from(count).ok());
        let usage = Usage {
            input_tokens: usage.and_then(|usage| tokens(usage.prompt_tokens)).unwrap_or(0),
            output_tokens: usage.and_then(|usage| tokens(usage.completion_tokens)).unwrap_or(0),
            ..Usage::default()
        };
        let mut continuation = Map::new();
        let sent = end.captured_into_tool_calls().unwrap_or_default();
        for call in sent {
            self.finish_call(call, &mut continuation);
        }
        let continuation =
            if continuation.is_empty() { Value::Null } else { Value::Object(continuation) };
        self.ready.push_back(ModelEvent::Finished(Finished { usage, stop, continuation }));
        Ok(())
    }

    fn finish_call(&mut self, sent: SentCall, continuation: &mut Map<String, Value>) {
        let is_it = |call: &Call| !call.is_ready && call.sent_id == sent.call_id;
        let at = match self.calls.iter().position(is_it) {
            Some(at) => at,
            // It came without pieces: it begins now.
            None => self.start_call(&sent),
        };
        let call = &mut self.calls[at];
        call.is_ready = true;
        let id = call.id.clone();
        if let Some(signatures) = sent.thought_signatures {
            continuation.insert(id.to_string(), signatures.into());
        }
        let call = ToolCall { id, name: sent.fn_name, arguments: sent.fn_arguments };
        self.ready.push_back(ModelEvent::ToolCallReady(call));
    }
}

/// These adapters make an end of a lost connection too; a real one says why, or what it cost.
fn is_real_end(kind: AdapterKind, end: &StreamEnd) -> bool {
    let has_reason = end.captured_stop_reason.is_some();
    match kind {
        AdapterKind::Gemini | AdapterKind::Vertex => has_reason,
        AdapterKind::Ollama | AdapterKind::OllamaCloud => {
            has_reason || end.captured_usage.is_some()
        }
        _ => true,
    }
}

fn cut_off() -> ModelError {
    ModelError::transient("the model's answer ended in the middle: the connection was lost")
}
