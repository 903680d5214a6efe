//! What nodes say to each other, and how it fits into notifications.

use postroom_core::event::{Event, SharedEvent};
use postroom_core::id::ThreadId;
use postroom_core::live::{LiveCommand, LiveTarget};
use serde::{Deserialize, Serialize};

/// PostgreSQL takes payloads of less than 8000 bytes.
const PAYLOAD_BYTES_MAX: usize = 7_900;

/// One thing said. The names are short because many share a payload. A name that a node does not
/// know, from a newer one, is passed over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Frame {
    /// I am here.
    #[serde(rename = "hi")]
    Hello {
        /// This is the only way that reaches me.
        #[serde(rename = "d")]
        depends: bool,
        /// I am new: say who you are and what you listen to.
        #[serde(rename = "a", default)]
        asks: bool,
    },
    /// I am going.
    #[serde(rename = "bye")]
    Bye,
    /// The thread has work; this is the sender's n-th signal.
    #[serde(rename = "sig")]
    Signal(ThreadId, u64),
    /// The signal (of that node, with that number) is dealt with.
    #[serde(rename = "got")]
    Taken(ThreadId, u64, u64),
    /// A live command, by the sender's number.
    #[serde(rename = "ask")]
    Ask(u64, LiveTarget, LiveCommand),
    /// The answer to it: whether it was taken.
    #[serde(rename = "ans")]
    Answer(u64, bool),
    /// I listen to these threads; `true`: since now.
    #[serde(rename = "ear")]
    Listens(Vec<ThreadId>, bool),
    /// I do not listen to the thread any more.
    #[serde(rename = "deaf")]
    Ended(ThreadId),
    /// The thread has events up to here.
    #[serde(rename = "up")]
    UpTo(ThreadId, u64),
    /// An event, whole.
    #[serde(rename = "ev")]
    Event(Box<Event>),
}

impl Frame {
    pub(super) fn event(event: &SharedEvent) -> Self {
        Self::Event(Box::new((**event).clone()))
    }

    /// What says less in fewer bytes, where the whole does not fit.
    fn shorter(&self) -> Option<Self> {
        match self {
            Self::Event(event) => Some(Self::UpTo(event.thread_id.clone(), event.seq)),
            _ => None,
        }
    }

    fn json(&self) -> Option<String> {
        let fits = |json: &String| json.len() + FRAME_BYTES_MAX <= PAYLOAD_BYTES_MAX;
        let whole = serde_json::to_string(self).ok().filter(fits);
        whole.or_else(|| serde_json::to_string(&self.shorter()?).ok().filter(fits))
    }
}

/// The frame around a payload's frames, and a comma.
const FRAME_BYTES_MAX: usize = r#"{"from":18446744073709551615,"said":[,]}"#.len();

/// A payload as it is read.
#[derive(Deserialize)]
struct Payload {
    from: u64,
    said: Vec<serde_json::Value>,
}

/// Packs what is said into as few payloads as it needs. What does not fit into one is left out.
pub(super) fn pack<'a>(from: u64, frames: impl Iterator<Item = &'a Frame>) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    let mut open: Option<String> = None;
    for json in frames.filter_map(Frame::json) {
        let fits = |payload: &String| payload.len() + json.len() + "]},".len() <= PAYLOAD_BYTES_MAX;
        match open.as_mut().filter(|payload| fits(payload)) {
            Some(payload) => {
                payload.push(',');
                payload.push_str(&json);
            }
            None => {
                let next = format!(r#"{{"from":{from},"said":[{json}"#);
                payloads.extend(open.replace(next));
            }
        }
    }
    payloads.extend(open);
    for payload in &mut payloads {
        payload.push_str("]}");
    }
    payloads
}

/// Who said it, and what of it is understood. Nothing if it is not a payload of ours.
pub(super) fn unpack(payload: &str) -> Option<(u64, Vec<Frame>)> {
    let Payload { from, said } = serde_json::from_str(payload).ok()?;
    let frames = said.into_iter().filter_map(|frame| serde_json::from_value(frame).ok());
    Some((from, frames.collect()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use postroom_core::event::EventBody;
    use postroom_core::time::Timestamp;

    use super::*;

    fn delta(text: &str) -> Frame {
        Frame::event(&Arc::new(Event {
            seq: 7,
            thread_id: ThreadId::parse("a \"quoted\" thread").unwrap(),
            run_id: None,
            at: Timestamp(1),
            body: EventBody::TextDelta { text: text.to_owned() },
        }))
    }

    fn said(frames: &[Frame]) -> Vec<String> {
        frames.iter().map(|frame| format!("{frame:?}")).collect()
    }

    #[test]
    fn what_is_packed_is_unpacked_in_order() {
        let thread = |n: usize| ThreadId::parse(&format!("{n}{}", "ü".repeat(100))).unwrap();
        let mut frames: Vec<Frame> = (0..200).map(|n| Frame::Signal(thread(n), n as u64)).collect();
        frames.push(delta("some text"));
        let payloads = pack(u64::MAX, frames.iter());
        assert!(payloads.len() > 1 && payloads.iter().all(|it| it.len() < 8000));
        let unpacked: Vec<Frame> = payloads
            .iter()
            .flat_map(|payload| {
                let (from, frames) = unpack(payload).unwrap();
                assert_eq!(from, u64::MAX);
                frames
            })
            .collect();
        assert_eq!(said(&unpacked), said(&frames));
    }

    #[test]
    fn an_event_that_does_not_fit_is_only_announced() {
        let payloads = pack(1, [delta(&"\"".repeat(4_096))].iter());
        let (_, frames) = unpack(&payloads[0]).unwrap();
        assert!(matches!(&frames[..], [Frame::UpTo(_, 7)]), "{frames:?}");
    }

    #[test]
    fn every_length_keeps_to_the_limit() {
        for length in 7_000..7_900 {
            let frames = [Frame::Bye, delta(&"x".repeat(length)), Frame::Bye];
            let payloads = pack(u64::MAX, frames.iter());
            assert!(payloads.iter().all(|payload| payload.len() < 8_000));
            let count: usize = payloads.iter().map(|it| unpack(it).unwrap().1.len()).sum();
            assert_eq!(count, 3);
        }
    }

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let (from, frames) =
            unpack(r#"{"from":3,"said":[{"new":1},"bye",{"up":["t",4]}]}"#).unwrap();
        assert_eq!(from, 3);
        assert!(matches!(&frames[..], [Frame::Bye, Frame::UpTo(_, 4)]), "{frames:?}");
        for strange in ["", "x", "[]", "{}", r#"{"from":-1,"said":[]}"#, "\u{0}"] {
            assert!(unpack(strange).is_none());
        }
    }
}
