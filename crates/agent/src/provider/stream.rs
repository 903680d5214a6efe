//! The client's stream in our words.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures::{StreamExt, stream};
use genai::adapter::AdapterKind;
use genai::chat::{
    ChatStream, ChatStreamEvent, ContentPart, StopReason, StreamEnd, Usage as SentUsage,
};
use postroom_core::run::Usage;
use tokio::time::timeout;

use super::SILENCE_TIMEOUT;
use super::calls::Calls;
use super::continuation::Continuation;
use super::error::{broken_off, model_error};
use super::names::WireNames;
use super::protocol::Protocol;
use super::secret::{Redactor, Secret};
use super::tap::Tap;
use crate::model::{Finished, ModelError, ModelEvent, ModelStream, Stop};

/// One answer, as it comes in.
pub(super) struct Reader {
    kind: AdapterKind,
    protocol: Protocol,
    /// Who answers.
    by: String,
    answer: ChatStream,
    tap: Arc<Tap>,
    key: Option<Secret>,
    text: Redactor,
    thought: Redactor,
    calls: Calls,
    ready: VecDeque<ModelEvent>,
    over: bool,
}

impl Reader {
    pub fn new(
        kind: AdapterKind,
        by: String,
        names: WireNames,
        key: Option<Secret>,
        tap: Arc<Tap>,
        answer: ChatStream,
    ) -> Self {
        Self {
            kind,
            protocol: Protocol::of(kind),
            by,
            answer,
            tap,
            text: Redactor::new(key.as_ref()),
            thought: Redactor::new(key.as_ref()),
            calls: Calls::new(names, key.clone()),
            key,
            ready: VecDeque::new(),
            over: false,
        }
    }

    /// What the stream says, until its end or its first error.
    pub fn events(self) -> ModelStream {
        stream::unfold(self, |mut reader| async move {
            let event = reader.next().await?;
            Some((event, reader))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.over {
                return None;
            }
            let read = match self.sent().await {
                Ok(Some(Ok(event))) => self.read(event),
                Ok(Some(Err(error))) => Err(match self.tap.failure() {
                    Some(account) => broken_off(&account, self.key.as_ref()),
                    None => model_error(&error, self.key.as_ref()),
                }),
                Ok(None) => Err(self.cut_off()),
                Err(error) => Err(error),
            };
            if let Err(error) = read {
                self.over = true;
                return Some(Err(error));
            }
        }
    }

    /// What the client has next. It waits for a whole event however long that gets, so the waiting
    /// has its limits here: frames must keep coming, and not without end.
    async fn sent(&mut self) -> Result<Option<genai::Result<ChatStreamEvent>>, ModelError> {
        loop {
            let frames = self.tap.frames();
            let (answer, tap) = (&mut self.answer, &self.tap);
            let next = poll_fn(|context| {
                let polled = answer.poll_next_unpin(context);
                if tap.is_too_much() { Poll::Ready(Err(too_much())) } else { polled.map(Ok) }
            });
            match timeout(SILENCE_TIMEOUT, next).await {
                Ok(sent) => return sent,
                Err(_) if self.tap.frames() > frames => {}
                Err(_) => {
                    let seconds = SILENCE_TIMEOUT.as_secs();
                    let message = format!("the provider said nothing for {seconds} seconds");
                    return Err(ModelError::transient(message));
                }
            }
        }
    }

    fn read(&mut self, event: ChatStreamEvent) -> Result<(), ModelError> {
        match event {
            ChatStreamEvent::Chunk(chunk) => {
                let text = self.text.push(chunk.content);
                self.say(ModelEvent::TextDelta(text));
            }
            ChatStreamEvent::ReasoningChunk(chunk) => {
                let text = self.thought.push(chunk.content);
                self.say(ModelEvent::ReasoningDelta(text));
            }
            ChatStreamEvent::ToolCallChunk(chunk) => match self.protocol {
                Protocol::Chat => {
                    let place = self.tap.next_place();
                    self.calls.add_piece(place, chunk.tool_call, &mut self.ready)?;
                }
                _ => self.calls.add_so_far(&chunk.tool_call, &mut self.ready)?,
            },
            ChatStreamEvent::End(end) => {
                self.over = true;
                self.read_end(end)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn say(&mut self, event: ModelEvent) {
        let is_empty = match &event {
            ModelEvent::TextDelta(text) | ModelEvent::ReasoningDelta(text) => text.is_empty(),
            _ => false,
        };
        if !is_empty {
            self.ready.push_back(event);
        }
    }

    fn read_end(&mut self, end: StreamEnd) -> Result<(), ModelError> {
        if !self.is_real_end(&end) {
            return Err(self.cut_off());
        }
        let stop = match &end.captured_stop_reason {
            _ if self.tap.is_filtered() => Stop::Filtered,
            Some(StopReason::MaxTokens(_)) => Stop::TooLong,
            Some(StopReason::ContentFilter(_)) => Stop::Filtered,
            _ => Stop::Complete,
        };
        let (thought, text) = (self.thought.rest(), self.text.rest());
        self.say(ModelEvent::ReasoningDelta(thought));
        self.say(ModelEvent::TextDelta(text));
        let usage = usage(end.captured_usage.as_ref());
        let mut continuation = Continuation::of(&self.by);
        continuation.thoughts = self.thoughts(&end);
        match self.protocol {
            Protocol::Chat => self.calls.finish_pieces(stop, &mut self.ready)?,
            _ => {
                let sent = end.captured_into_tool_calls().unwrap_or_default();
                self.calls.finish(sent, &mut continuation, &mut self.ready)?;
            }
        }
        self.ready.push_back(ModelEvent::Finished(Finished {
            usage,
            stop,
            model: Some(self.by.clone()),
            continuation: continuation.into_value(),
        }));
        Ok(())
    }

    /// The thoughts that the provider wants back.
    fn thoughts(&self, end: &StreamEnd) -> Vec<ContentPart> {
        match self.kind {
            AdapterKind::Anthropic | AdapterKind::MiniMax | AdapterKind::OpenAIResp => {
                let is_thought = |part: &&ContentPart| {
                    matches!(
                        part,
                        ContentPart::ThoughtSignature(_)
                            | ContentPart::ReasoningContent(_)
                            | ContentPart::Custom(_)
                    )
                };
                let parts = end.captured_content.iter().flat_map(|content| content.iter());
                parts.filter(is_thought).cloned().collect()
            }
            // These want their thoughts back until the tools have answered.
            AdapterKind::DeepSeek
            | AdapterKind::Kimi
            | AdapterKind::Moonshot
            | AdapterKind::Mimo
                if !self.calls.is_empty() =>
            {
                let thought = end.captured_reasoning_content.clone();
                thought.map(ContentPart::ReasoningContent).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// These adapters make an end of a lost connection too; a real one says why, or what it cost.
    fn is_real_end(&self, end: &StreamEnd) -> bool {
        let has_reason = end.captured_stop_reason.is_some();
        match self.kind {
            AdapterKind::OpenAIResp | AdapterKind::Gemini | AdapterKind::Vertex => has_reason,
            AdapterKind::Ollama | AdapterKind::OllamaCloud => {
                has_reason || end.captured_usage.is_some()
            }
            _ => true,
        }
    }

    fn cut_off(&self) -> ModelError {
        if let Some(account) = self.tap.failure() {
            return broken_off(&account, self.key.as_ref());
        }
        ModelError::transient(if self.tap.has_events() {
            "the model's answer ended in the middle: the connection was lost"
        } else {
            "the provider sent no answer that can be read: is base_url its API's address?"
        })
    }
}

fn usage(sent: Option<&SentUsage>) -> Usage {
    let tokens = |count: Option<i32>| count.and_then(|count| u64::try_from(count).ok());
    let Some(sent) = sent else { return Usage::default() };
    let cached = sent.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
    Usage {
        input_tokens: tokens(sent.prompt_tokens).unwrap_or(0),
        output_tokens: tokens(sent.completion_tokens).unwrap_or(0),
        cached_tokens: tokens(cached).unwrap_or(0),
    }
}

fn too_much() -> ModelError {
    let message = "the provider's answer does not end: it was given up";
    ModelError::permanent(ModelError::ANSWER_TOO_LONG, message)
}
