//! What an executor has shown and is not written yet.

use std::mem;

use postroom_core::event::EventBody;

/// Events in their order; neighbouring deltas of the same kind are one.
#[derive(Default)]
pub(crate) struct Shown {
    events: Vec<EventBody>,
    bytes: usize,
    /// Somebody will write them soon.
    flush_is_due: bool,
}

/// What is to be done after an event was added.
pub(crate) enum Flush {
    /// Nothing: somebody will write it soon.
    IsDue,
    /// See to it that it is written soon.
    Soon,
    /// Write it now.
    Now,
}

impl Shown {
    pub(crate) fn push(&mut self, event: EventBody, bytes_max: usize) -> Flush {
        self.bytes += weight(&event);
        let separate = match self.events.last_mut() {
            Some(last) => merge(last, event),
            None => Some(event),
        };
        self.events.extend(separate);
        if self.bytes >= bytes_max {
            return Flush::Now;
        }
        if mem::replace(&mut self.flush_is_due, true) { Flush::IsDue } else { Flush::Soon }
    }

    /// Takes all of it, to be written.
    pub(crate) fn take(&mut self) -> Vec<EventBody> {
        self.bytes = 0;
        mem::take(&mut self.events)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The write that was due has begun: the next event needs another.
    pub(crate) fn flush_began(&mut self) {
        self.flush_is_due = false;
    }
}

/// How much an event adds; only text can grow.
fn weight(event: &EventBody) -> usize {
    match event {
        EventBody::TextDelta { text } | EventBody::ReasoningDelta { text } => text.len(),
        EventBody::ToolCallArgumentsDelta { delta, .. }
        | EventBody::ToolCallOutputDelta { delta, .. } => delta.len(),
        _ => 64,
    }
}

/// Adds `event` to `last` if both are parts of the same text; otherwise gives it back.
fn merge(last: &mut EventBody, event: EventBody) -> Option<EventBody> {
    match (last, event) {
        (EventBody::TextDelta { text }, EventBody::TextDelta { text: more })
        | (EventBody::ReasoningDelta { text }, EventBody::ReasoningDelta { text: more }) => {
            text.push_str(&more);
            None
        }
        (
            EventBody::ToolCallArgumentsDelta { tool_call_id, delta },
            EventBody::ToolCallArgumentsDelta { tool_call_id: same, delta: more },
        )
        | (
            EventBody::ToolCallOutputDelta { tool_call_id, delta },
            EventBody::ToolCallOutputDelta { tool_call_id: same, delta: more },
        ) if *tool_call_id == same => {
            delta.push_str(&more);
            None
        }
        (_, event) => Some(event),
    }
}
