//! What nodes say to each other on core subjects.

use std::sync::Arc;

use bytes::Bytes;
use postroom_core::event::Event;
use postroom_core::ports::FeedHint;
use serde::{Deserialize, Serialize};

/// Larger events are only announced: whoever wants them reads them.
const EVENT_BYTES_MAX: usize = 256 * 1024;

/// Something that a node tells of a thread.
#[derive(Serialize, Deserialize)]
struct Told {
    from: u64,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// There are events up to here.
    UpTo(u64),
    /// An event, whole.
    Event(Arc<Event>),
}

/// A hint as it travels; `None` if it has no form.
pub(super) fn encode(from: u64, hint: &FeedHint) -> Option<Bytes> {
    let json = |what| serde_json::to_vec(&Told { from, what }).ok();
    let whole = match hint {
        FeedHint::Event(event) => json(What::Event(event.clone()))
            .filter(|json| json.len() <= EVENT_BYTES_MAX)
            .or_else(|| json(What::UpTo(event.seq))),
        FeedHint::UpTo(seq) => json(What::UpTo(*seq)),
        FeedHint::Look => None,
    };
    whole.map(Bytes::from)
}

/// Who told it, and what; `None` if it is not understood.
pub(super) fn decode(payload: &[u8]) -> Option<(u64, FeedHint)> {
    let Told { from, what } = serde_json::from_slice(payload).ok()?;
    let hint = match what {
        What::UpTo(seq) => FeedHint::UpTo(seq),
        What::Event(event) => FeedHint::Event(event),
    };
    Some((from, hint))
}

#[cfg(test)]
mod tests {
    use postroom_core::event::EventBody;
    use postroom_core::id::ThreadId;
    use postroom_core::time::Timestamp;

    use super::*;

    fn delta(text: String) -> FeedHint {
        FeedHint::Event(Arc::new(Event {
            seq: 7,
            thread_id: ThreadId::parse("t").unwrap(),
            run_id: None,
            at: Timestamp(1),
            body: EventBody::TextDelta { text },
        }))
    }

    #[test]
    fn what_is_told_is_heard() {
        for hint in [FeedHint::UpTo(u64::MAX), delta("\"ü\"\n".to_owned())] {
            assert_eq!(decode(&encode(u64::MAX, &hint).unwrap()), Some((u64::MAX, hint)));
        }
    }

    #[test]
    fn a_large_event_is_announced() {
        let told = encode(1, &delta("x".repeat(EVENT_BYTES_MAX))).unwrap();
        assert_eq!(decode(&told), Some((1, FeedHint::UpTo(7))));
    }

    #[test]
    fn what_is_not_understood_is_nothing() {
        for strange in [&b""[..], b"{}", b"[]", b"\xff", br#"{"from":1,"new":2}"#] {
            assert_eq!(decode(strange), None);
        }
    }
}
