//! Which other nodes there are, as far as they have said so lately.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::id::ThreadId;
use tokio::time::Instant;

/// How often a node says that it is there.
pub(super) const HELLO_EVERY: Duration = Duration::from_secs(2);
/// A node that was silent for so long is not counted on.
const GONE_AFTER: Duration = Duration::from_secs(7);

#[derive(Default)]
pub(super) struct Peers {
    by_node: Mutex<BTreeMap<u64, Peer>>,
}

struct Peer {
    heard: Instant,
    depends: bool,
}

impl Peers {
    pub(super) fn heard(&self, node: u64, depends: bool) {
        self.by_node.lock().insert(node, Peer { heard: Instant::now(), depends });
    }

    pub(super) fn gone(&self, node: u64) {
        self.by_node.lock().remove(&node);
    }

    /// Forgets who has been silent.
    pub(super) fn forget_the_silent(&self) {
        self.by_node.lock().retain(|_, peer| peer.heard.elapsed() < GONE_AFTER);
    }

    /// Those that are there.
    pub(super) fn nodes(&self) -> Vec<u64> {
        let by_node = self.by_node.lock();
        let here = by_node.iter().filter(|(_, peer)| peer.heard.elapsed() < GONE_AFTER);
        here.map(|(node, _)| *node).collect()
    }

    /// Whether one of them is reached in no other way.
    pub(super) fn some_depend(&self) -> bool {
        self.by_node.lock().values().any(|peer| peer.depends && peer.heard.elapsed() < GONE_AFTER)
    }
}

/// How many of `nodes` are to look at a signal before `me`: each thread has an order of its own, the
/// same on every node, in which whoever published it, and has no room, comes last.
pub(super) fn rank(thread_id: &ThreadId, publisher: u64, me: u64, nodes: &[u64]) -> usize {
    let thread = thread_id.with_str(|text| fnv(text.as_bytes()));
    let turn = |node: u64| (node == publisher, mix(thread ^ node), node);
    nodes.iter().filter(|node| **node != me && turn(**node) < turn(me)).count()
}

/// FNV-1a: the same in every version of every node.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Spreads what differs in a few bits over all of them.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_an_order_of_its_own_and_all_nodes_agree() {
        let nodes = [11, 22, 33, 44];
        let mut first = BTreeMap::<u64, u32>::new();
        for n in 0..1_000 {
            let thread_id = ThreadId::parse(&format!("t{n}")).unwrap();
            let mut ranks: Vec<(usize, u64)> =
                nodes.iter().map(|me| (rank(&thread_id, 44, *me, &nodes), *me)).collect();
            ranks.sort_unstable();
            assert_eq!(ranks.iter().map(|(rank, _)| *rank).collect::<Vec<_>>(), [0, 1, 2, 3]);
            assert_eq!(ranks[3].1, 44, "who published it comes last");
            *first.entry(ranks[0].1).or_default() += 1;
        }
        assert!(first.values().all(|count| (200..500).contains(count)), "{first:?}");
    }
}
