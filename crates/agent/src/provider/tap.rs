//! What passes on the wire, seen before the client reads it: how much it is, and what the client
//! would leave out.

use std::collections::VecDeque;

use genai::chat::{ChatFrameSink, FrameCtx, RawFrameRef};
use parking_lot::Mutex;
use serde_json::Value;

use super::protocol::Protocol;

/// The longest stream that is read, in bytes: the longest answer of today's models, many times.
const STREAM_BYTES_MAX: usize = 256 << 20;

/// Sees the frames of one answer.
pub(super) struct Tap {
    protocol: Protocol,
    seen: Mutex<Seen>,
}

/// What was seen.
#[derive(Default)]
struct Seen {
    frames: u64,
    events: u64,
    bytes: usize,
    places: VecDeque<Place>,
    failure: Option<Value>,
    is_filtered: bool,
}

/// Which call a piece of chat completions belongs to. The client shows the piece without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub index: u64,
    /// Only the first piece of a call has to have it.
    pub id: Option<String>,
}

impl Tap {
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, seen: Mutex::default() }
    }

    /// How many frames have come, comments that only keep the connection alive among them.
    pub fn frames(&self) -> u64 {
        self.seen.lock().frames
    }

    /// Whether anything came that could be a part of an answer.
    pub fn has_events(&self) -> bool {
        self.seen.lock().events > 0
    }

    /// Whether more came than any answer needs.
    pub fn is_too_much(&self) -> bool {
        self.seen.lock().bytes > STREAM_BYTES_MAX
    }

    /// The place of the next piece of a call.
    pub fn next_place(&self) -> Option<Place> {
        self.seen.lock().places.pop_front()
    }

    /// The provider's own words on why it gave up.
    pub fn failure(&self) -> Option<Value> {
        self.seen.lock().failure.take()
    }

    /// Whether the answer was cut off by the provider's policy.
    pub fn is_filtered(&self) -> bool {
        self.seen.lock().is_filtered
    }
}

impl ChatFrameSink for Tap {
    fn on_frame(&self, _: &FrameCtx, frame: RawFrameRef<'_>) {
        let mut seen = self.seen.lock();
        seen.frames += 1;
        seen.events += u64::from(!frame.data.is_empty());
        seen.bytes = seen.bytes.saturating_add(frame.data.len());
        let mentions = |word: &str| frame.data.contains(word);
        match self.protocol {
            Protocol::Chat if mentions("\"tool_calls\"") => {
                seen.places.extend(frame.json().iter().flat_map(places));
            }
            Protocol::Responses
                if mentions("\"response.failed\"") || mentions("\"response.incomplete\"") =>
            {
                let Some(data) = frame.json() else { return };
                let error = data.pointer("/response/error").filter(|error| !error.is_null());
                seen.failure = error.cloned().or(seen.failure.take());
                let reason = data.pointer("/response/incomplete_details/reason");
                seen.is_filtered |= reason.is_some_and(|reason| reason == "content_filter");
            }
            Protocol::Gemini if mentions("\"blockReason\"") => {
                let Some(data) = frame.json() else { return };
                let feedback = data.get("promptFeedback");
                seen.failure = feedback.cloned().or(seen.failure.take());
            }
            _ => {}
        }
    }
}

/// The pieces that the client will show, in its order: it leaves out those without a place or a
/// function.
fn places(data: &Value) -> Vec<Place> {
    let pieces = data.pointer("/choices/0/delta/tool_calls").and_then(Value::as_array);
    let place = |piece: &Value| {
        let index = piece.get("index")?.as_u64().filter(|index| u32::try_from(*index).is_ok())?;
        piece.get("function")?;
        let id = piece.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        Some(Place { index, id: id.map(str::to_owned) })
    };
    pieces.into_iter().flatten().filter_map(place).collect()
}
