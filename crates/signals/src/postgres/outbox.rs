//! What is to be said, until the connection has a moment.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::frame::{Frame, pack};

/// How much may wait. What does not fit is lost, as every hint may be.
const WAITING_MAX: usize = 20_000;
/// How much is said with one statement.
const AT_ONCE_MAX: usize = 2_000;

/// Who is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    /// Every node, the one that says it included.
    All,
    /// One node.
    Node(u64),
}

#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<VecDeque<(To, Frame)>>,
    arrived: Notify,
}

impl Outbox {
    /// Adds what is to be said. Never waits.
    pub(super) fn put(&self, to: To, frame: Frame) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < WAITING_MAX {
            waiting.push_back((to, frame));
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Resolves once there may be something.
    pub(super) async fn filled(&self) {
        loop {
            let arrived = self.arrived.notified();
            if !self.waiting.lock().is_empty() {
                return;
            }
            arrived.await;
        }
    }

    /// Takes some of it: whom to tell, and with which payload.
    pub(super) fn take(&self, from: u64) -> Vec<(To, String)> {
        let mut by_receiver: BTreeMap<To, Vec<Frame>> = BTreeMap::new();
        {
            let mut waiting = self.waiting.lock();
            let count = waiting.len().min(AT_ONCE_MAX);
            for (to, frame) in waiting.drain(..count) {
                by_receiver.entry(to).or_default().push(frame);
            }
        }
        let packed = by_receiver.into_iter().flat_map(|(to, frames)| {
            pack(from, frames.iter()).into_iter().map(move |payload| (to, payload))
        });
        packed.collect()
    }

    /// Forgets all of it: nobody was there to say it to.
    pub(super) fn clear(&self) {
        self.waiting.lock().clear();
    }
}
