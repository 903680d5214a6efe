//! The list of nodes of a store that one process has to itself: in memory, as its only node is.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use postroom_core::id::NodeId;
use postroom_core::node::{Heartbeat, NodeRecord};
use postroom_core::time::Timestamp;

#[derive(Debug, Default)]
pub(crate) struct NodeList(Mutex<BTreeMap<NodeId, NodeRecord>>);

impl NodeList {
    pub(crate) fn heartbeat(&self, beat: Heartbeat, now: Timestamp) {
        let mut nodes = self.0.lock();
        let id = beat.id.clone();
        let record = NodeRecord::of(beat, now, nodes.get(&id));
        nodes.insert(id, record);
    }

    pub(crate) fn all(&self) -> Vec<NodeRecord> {
        self.0.lock().values().cloned().collect()
    }

    pub(crate) fn forget(&self, id: &NodeId) {
        self.0.lock().remove(id);
    }

    pub(crate) fn forget_unseen(&self, since: Timestamp) -> u64 {
        let mut nodes = self.0.lock();
        let before = nodes.len();
        nodes.retain(|_, node| node.seen_at >= since);
        (before - nodes.len()) as u64
    }
}
