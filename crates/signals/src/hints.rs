//! What of events travels between nodes.

use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::ports::FeedHint;

/// The hints that stand for `events`, in their order: deltas whole; of neighbouring others of one
/// thread only that they are there.
pub(crate) fn hints(events: &[SharedEvent]) -> Vec<(&ThreadId, FeedHint)> {
    let mut hints: Vec<(&ThreadId, FeedHint)> = Vec::new();
    for event in events {
        if event.body.is_delta() {
            hints.push((&event.thread_id, FeedHint::Event(event.clone())));
            continue;
        }
        match hints.last_mut() {
            Some((thread_id, FeedHint::UpTo(seq))) if **thread_id == event.thread_id => {
                *seq = event.seq;
            }
            _ => hints.push((&event.thread_id, FeedHint::UpTo(event.seq))),
        }
    }
    hints
}
