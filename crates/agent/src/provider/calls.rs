//! The tool calls of one answer, put together from their pieces.

use std::collections::VecDeque;

use genai::chat::ToolCall as SentCall;
use postroom_core::id::ToolCallId;
use postroom_core::message::ToolCall;
use serde_json::{Map, Value};

use super::continuation::Continuation;
use super::names::WireNames;
use super::secret::{Redactor, Secret};
use super::tap::Place;
use crate::model::{ModelError, ModelEvent, Stop};

/// The most calls in one answer; no model makes as many.
const CALLS_MAX: usize = 128;
/// The longest arguments of one call, in bytes.
const ARGUMENTS_BYTES_MAX: usize = 1 << 20;

/// The calls so far.
pub(super) struct Calls {
    names: WireNames,
    key: Option<Secret>,
    all: Vec<Call>,
}

struct Call {
    /// Its place in the answer, where the provider gives one.
    index: u64,
    sent_id: String,
    id: ToolCallId,
    /// Our name of the tool; empty until it is known.
    name: String,
    arguments: String,
    shown: Redactor,
    shown_bytes: usize,
    is_ready: bool,
}

type Events = VecDeque<ModelEvent>;

impl Calls {
    pub fn new(names: WireNames, key: Option<Secret>) -> Self {
        Self { names, key, all: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes a piece of chat completions: more arguments for the call at `place`. The pieces of
    /// several calls may be mixed, and the name may come late.
    pub fn add_piece(
        &mut self,
        place: Option<Place>,
        sent: SentCall,
        events: &mut Events,
    ) -> Result<(), ModelError> {
        let name = self.names.ours(sent.fn_name);
        let place = place.unwrap_or(Place { index: 0, id: None });
        let known = self.all.iter().rposition(|call| call.index == place.index);
        // Some servers give every call the same place: then a new id with a name is a new call.
        let is_new = |call: &Call| {
            let other = place.id.as_ref().is_some_and(|id| *id != call.sent_id);
            other && !call.sent_id.is_empty() && !call.name.is_empty() && !name.is_empty()
        };
        let at = match known.filter(|at| !is_new(&self.all[*at])) {
            Some(at) => at,
            None => self.start(place.index, place.id.as_deref().unwrap_or_default())?,
        };
        let delta = match sent.fn_arguments {
            Value::String(delta) => delta,
            Value::Null => String::new(),
            whole => whole.to_string(),
        };
        let call = &mut self.all[at];
        call.arguments.push_str(&delta);
        check_arguments(call.arguments.len())?;
        if !call.name.is_empty() {
            call.show(delta, events);
        } else if !name.is_empty() {
            call.name = name;
            events.push_back(ModelEvent::ToolCallStarted {
                id: call.id.clone(),
                name: call.name.clone(),
            });
            let all = call.arguments.clone();
            call.show(all, events);
        }
        Ok(())
    }

    /// Takes a piece that has all of the call so far.
    pub fn add_so_far(&mut self, sent: &SentCall, events: &mut Events) -> Result<(), ModelError> {
        // Text grows from piece to piece; anything else is a whole call, even under an id that was
        // there before.
        let known = match &sent.fn_arguments {
            Value::String(_) => self.all.iter().rposition(|call| call.sent_id == sent.call_id),
            _ => None,
        };
        let at = match known {
            Some(at) => at,
            None => self.start_named(sent, events)?,
        };
        let text = match &sent.fn_arguments {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            whole => whole.to_string(),
        };
        check_arguments(text.len())?;
        let call = &mut self.all[at];
        // A piece that is shorter than what was shown has nothing new to show.
        if let Some(delta) = text.get(call.shown_bytes..).map(str::to_owned) {
            call.shown_bytes = text.len();
            call.show(delta, events);
        }
        Ok(())
    }

    /// The calls of chat completions are complete, unless the answer was cut off.
    pub fn finish_pieces(&mut self, stop: Stop, events: &mut Events) -> Result<(), ModelError> {
        for call in &mut self.all {
            if call.name.is_empty() {
                if stop != Stop::Complete {
                    continue;
                }
                let message = "the provider's answer can't be read: it calls a tool without a name";
                return Err(ModelError::transient(message));
            }
            let text = std::mem::take(&mut call.arguments);
            let arguments = match text.trim() {
                "" => Value::Object(Map::new()),
                _ => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            };
            call.finish(call.name.clone(), arguments, self.key.as_ref(), events);
        }
        Ok(())
    }

    /// These are the calls, complete.
    pub fn finish(
        &mut self,
        sent: Vec<SentCall>,
        continuation: &mut Continuation,
        events: &mut Events,
    ) -> Result<(), ModelError> {
        for sent in sent {
            let is_it = |call: &Call| !call.is_ready && call.sent_id == sent.call_id;
            let at = match self.all.iter().position(is_it) {
                Some(at) => at,
                // It came without pieces: it begins now.
                None => self.start_named(&sent, events)?,
            };
            if let Value::String(text) = &sent.fn_arguments {
                check_arguments(text.len())?;
            }
            let name = self.names.ours(sent.fn_name);
            let call = &mut self.all[at];
            if let Some(signatures) = sent.thought_signatures
                && continuation.thoughts.is_empty()
            {
                continuation.calls.insert(call.id.to_string(), signatures);
            }
            call.finish(name, sent.fn_arguments, self.key.as_ref(), events);
        }
        Ok(())
    }

    fn start_named(&mut self, sent: &SentCall, events: &mut Events) -> Result<usize, ModelError> {
        let at = self.start(0, &sent.call_id)?;
        let call = &mut self.all[at];
        call.name = self.names.ours(sent.fn_name.clone());
        events.push_back(ModelEvent::ToolCallStarted {
            id: call.id.clone(),
            name: call.name.clone(),
        });
        Ok(at)
    }

    fn start(&mut self, index: u64, sent_id: &str) -> Result<usize, ModelError> {
        if self.all.len() == CALLS_MAX {
            let message = format!("the model's answer has more than {CALLS_MAX} tool calls");
            return Err(ModelError::permanent(ModelError::ANSWER_TOO_LONG, message));
        }
        self.all.push(Call {
            index,
            sent_id: sent_id.to_owned(),
            id: self.id(sent_id),
            name: String::new(),
            arguments: String::new(),
            shown: Redactor::new(self.key.as_ref()),
            shown_bytes: 0,
            is_ready: false,
        });
        Ok(self.all.len() - 1)
    }

    /// The provider's id for the call, if it can be one of ours and no other call of the answer has
    /// it; else its place in the answer.
    fn id(&self, sent: &str) -> ToolCallId {
        let place = self.all.len();
        match ToolCallId::parse(sent) {
            Ok(id) if self.all.iter().all(|call| call.id != id) => id,
            _ => ToolCallId::from(uuid::Uuid::from_u128(place as u128)),
        }
    }
}

impl Call {
    fn show(&mut self, delta: String, events: &mut Events) {
        let delta = self.shown.push(delta);
        if !delta.is_empty() {
            events.push_back(ModelEvent::ToolCallArgumentsDelta { id: self.id.clone(), delta });
        }
    }

    fn finish(
        &mut self,
        name: String,
        arguments: Value,
        key: Option<&Secret>,
        events: &mut Events,
    ) {
        let rest = self.shown.rest();
        if !rest.is_empty() {
            let id = self.id.clone();
            events.push_back(ModelEvent::ToolCallArgumentsDelta { id, delta: rest });
        }
        self.is_ready = true;
        let arguments = match key {
            Some(key) => key.cut_out_of_value(arguments),
            None => arguments,
        };
        let call = ToolCall { id: self.id.clone(), name, arguments };
        events.push_back(ModelEvent::ToolCallReady(call));
    }
}

fn check_arguments(bytes: usize) -> Result<(), ModelError> {
    if bytes <= ARGUMENTS_BYTES_MAX {
        return Ok(());
    }
    let message =
        format!("the arguments of a tool call are longer than {ARGUMENTS_BYTES_MAX} bytes");
    Err(ModelError::permanent(ModelError::ANSWER_TOO_LONG, message))
}
