//! The conversation as it stands in the log, and as a model wants to see it.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use postroom_core::id::ToolCallId;
use postroom_core::message::{Block, Content, LogMessage, Message, Role, ToolCall, Visibility};
use postroom_core::run::Run;
use postroom_core::time::Timestamp;
use serde_json::{Value, json};

/// Metadata key on every message that an agent wrote: the step it was written in.
pub(crate) const STEP: &str = "step";
/// Metadata key on an answer that was cut off.
pub(crate) const PARTIAL: &str = "partial";

/// What a model reads before an internal message.
const INTERNAL_MARK: &str = "(This is from the system, not from the user.)";

/// A run's prompt, grown as the run goes on.
pub(crate) struct Prompt {
    messages: Vec<LogMessage>,
}

/// A message as a model is shown it.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// Its place in the log; of a result, that of its call.
    pub seq: u64,
    pub message: Arc<Message>,
}

/// How far an earlier attempt of the run got.
#[derive(Debug, PartialEq)]
pub(crate) enum Tail {
    /// It is the model's turn.
    Model,
    /// These tool calls are committed and have no result yet.
    Calls(Vec<ToolCall>),
    /// The last word is committed; the run only has to end.
    Final(String),
}

impl Prompt {
    pub fn new(messages: Vec<LogMessage>) -> Self {
        Self { messages }
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub fn extend(&mut self, messages: Vec<LogMessage>) {
        self.messages.extend(messages);
    }

    /// Ids of all tool calls so far: a new one must differ, since tickets and results go by it.
    pub fn call_ids(&self) -> HashSet<ToolCallId> {
        let calls = self.messages.iter().flat_map(|logged| &logged.message.tool_calls);
        calls.map(|call| call.id.clone()).collect()
    }

    /// When the message that makes the call was committed.
    pub fn asked_at(&self, id: &ToolCallId) -> Option<Timestamp> {
        self.messages.get(self.place_of(id)?).map(|logged| logged.created_at)
    }

    /// Whether a person has said something to the run since it made the call.
    pub fn is_answered(&self, run: &Run, id: &ToolCallId) -> bool {
        self.said_since(run, id).any(|message| message.visibility == Visibility::All)
    }

    /// Whether anything was said to the run since it made the call, be it by the system.
    pub fn is_interrupted(&self, run: &Run, id: &ToolCallId) -> bool {
        self.said_since(run, id).next().is_some()
    }

    fn said_since(&self, run: &Run, id: &ToolCallId) -> impl Iterator<Item = &Message> {
        let after = self.place_of(id).map_or(&[][..], |place| &self.messages[place + 1..]);
        let own = after.iter().filter(move |logged| logged.run_id == run.id);
        own.map(|logged| &*logged.message).filter(|message| message.role == Role::User)
    }

    /// The message that makes the call. A call's id is unique in its thread.
    fn place_of(&self, id: &ToolCallId) -> Option<usize> {
        let makes =
            |logged: &LogMessage| logged.message.tool_calls.iter().any(|call| call.id == *id);
        self.messages.iter().rposition(makes)
    }

    /// How many answers of the run before this one, without another between, made the same calls.
    pub fn repetitions(&self, run: &Run, calls: &[ToolCall]) -> u32 {
        let same = |other: &[ToolCall]| {
            other.len() == calls.len()
                && other
                    .iter()
                    .zip(calls)
                    .all(|(a, b)| a.name == b.name && a.arguments == b.arguments)
        };
        let answers = self.messages.iter().rev().take_while(|logged| logged.run_id == run.id);
        let answers = answers.filter(|logged| logged.message.role == Role::Assistant);
        let times = answers.take_while(|logged| same(&logged.message.tool_calls)).count();
        u32::try_from(times).unwrap_or(u32::MAX)
    }

    /// The result of a call, if it has one: the output, and whether it is an error.
    pub fn result_of(&self, id: &ToolCallId) -> Option<(Value, bool)> {
        let results = self.messages.iter().rev().flat_map(|logged| results(&logged.message));
        let mut own = results.filter(|(answered, ..)| *answered == id);
        own.next().map(|(_, output, is_error)| (output.clone(), is_error))
    }

    /// How far the run got.
    pub fn tail(&self, run: &Run) -> Tail {
        let own = |logged: &LogMessage| {
            let message = &logged.message;
            let given =
                run.input.iter().any(|range| (range.first..=range.last).contains(&logged.seq));
            logged.run_id == run.id
                && !given
                && message.role == Role::Assistant
                && message.metadata.contains_key(STEP)
        };
        let Some(last) = self.messages.iter().rposition(own) else { return Tail::Model };
        let (message, after) = (&self.messages[last].message, &self.messages[last + 1..]);
        let open: Vec<ToolCall> = message
            .tool_calls
            .iter()
            .filter(|call| !after.iter().any(|logged| answers(&logged.message, &call.id)))
            .cloned()
            .collect();
        if !open.is_empty() {
            return Tail::Calls(open);
        }
        let is_last_word = after.is_empty() && message.tool_calls.is_empty();
        if is_last_word && !message.metadata.contains_key(PARTIAL) {
            return Tail::Final(message.content.text());
        }
        Tail::Model
    }

    /// The conversation as providers insist on it: every tool call is followed at once by its
    /// result. What lies between goes after it; a call that was cut off gets a result saying so; a
    /// result without a call is shown as text.
    pub fn for_model(&self) -> Vec<Shown> {
        let mut shown = Vec::with_capacity(self.messages.len());
        let mut used = HashSet::new();
        for (at, logged) in self.messages.iter().enumerate() {
            let message = &logged.message;
            let mut show = |message| shown.push(Shown { seq: logged.seq, message });
            match message.role {
                Role::Tool if used.contains(&at) => {}
                Role::Tool => show(Arc::new(as_text(message))),
                Role::Assistant => {
                    show(message.clone());
                    for call in &message.tool_calls {
                        match self.result_after(at, &call.id) {
                            Some(found) if used.insert(found) => {
                                show(self.messages[found].message.clone());
                            }
                            Some(_) => {}
                            None => show(Arc::new(cut_off(message, &call.id))),
                        }
                    }
                }
                Role::User if message.visibility == Visibility::Internal => {
                    show(Arc::new(marked(message)));
                }
                Role::User | Role::System => show(message.clone()),
            }
        }
        shown
    }

    /// Where the result of a call made at `at` stands. It comes before the next answer, so that
    /// the same id used again by a later run is not taken for it.
    fn result_after(&self, at: usize, id: &ToolCallId) -> Option<usize> {
        let rest = self.messages.iter().enumerate().skip(at + 1);
        rest.take_while(|(_, logged)| logged.message.role != Role::Assistant)
            .find(|(_, logged)| answers(&logged.message, id))
            .map(|(found, _)| found)
    }
}

fn answers(message: &Message, id: &ToolCallId) -> bool {
    message.role == Role::Tool && results(message).any(|(answered, ..)| answered == id)
}

/// The tool results in a message: call, output, whether it is an error.
pub(crate) fn results(message: &Message) -> impl Iterator<Item = (&ToolCallId, &Value, bool)> {
    let blocks = match &message.content {
        Content::Blocks(blocks) => blocks.as_slice(),
        Content::Text(_) => &[],
    };
    blocks.iter().filter_map(|block| match block {
        Block::ToolResult { tool_call_id, output, is_error } => {
            Some((tool_call_id, output, *is_error))
        }
        _ => None,
    })
}

fn as_text(message: &Message) -> Message {
    let mut text = message.content.text();
    for (_, output, _) in results(message) {
        // Writing to a string does not fail.
        let _ = write!(text, "A tool answered: {output}");
    }
    Message { role: Role::User, content: text.as_str().into(), ..message.clone() }
}

/// An internal message comes from the system, and must not be taken for the person's word.
fn marked(message: &Message) -> Message {
    let mut blocks = vec![Block::Text { text: INTERNAL_MARK.to_owned() }];
    match &message.content {
        Content::Text(text) => blocks.push(Block::Text { text: text.clone() }),
        Content::Blocks(own) => blocks.extend(own.iter().cloned()),
    }
    Message { content: Content::Blocks(blocks), ..message.clone() }
}

fn cut_off(message: &Message, id: &ToolCallId) -> Message {
    Message {
        role: Role::Tool,
        content: Content::Blocks(vec![Block::ToolResult {
            tool_call_id: id.clone(),
            output: json!({"error": "the run was stopped before this call had a result"}),
            is_error: true,
        }]),
        tool_calls: Vec::new(),
        ..message.clone()
    }
}
