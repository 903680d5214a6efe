//! Nodes: the processes that work on a store, as they say of themselves from time to time.

use std::time::Duration;

use crate::id::NodeId;
use crate::time::Timestamp;

/// What a node says of itself: that it lives, and how it is. Not fenced and not a promise: a node
/// that can't say it may still work, until its leases end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The node.
    pub id: NodeId,
    /// The version of its binary.
    pub version: String,
    /// Under which others reach it, where it knows: what they are told, not what it is bound to.
    pub address: Option<String>,
    /// For how long its process has been working, by its own clock.
    pub up_for: Duration,
    /// How many runs execute there.
    pub active_runs: u64,
    /// How many it has room for.
    pub max_concurrent_runs: u64,
    /// It lets runs finish and begins no more.
    pub is_draining: bool,
}

/// A node in the list of nodes: what it last said, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// The node.
    pub id: NodeId,
    /// See [`Heartbeat::version`].
    pub version: String,
    /// See [`Heartbeat::address`].
    pub address: Option<String>,
    /// Since when its process works, in the store's time: worked out at its first heartbeat.
    pub started_at: Timestamp,
    /// The store's time when it last said so.
    pub seen_at: Timestamp,
    /// See [`Heartbeat::active_runs`].
    pub active_runs: u64,
    /// See [`Heartbeat::max_concurrent_runs`].
    pub max_concurrent_runs: u64,
    /// See [`Heartbeat::is_draining`].
    pub is_draining: bool,
}

impl NodeRecord {
    /// What the list holds of a node that says `beat` at `now`, the store's time, where it held
    /// `known` of it before.
    pub fn of(beat: Heartbeat, now: Timestamp, known: Option<&Self>) -> Self {
        let Heartbeat { id, version, address, up_for, .. } = beat;
        let Heartbeat { active_runs, max_concurrent_runs, is_draining, .. } = beat;
        Self {
            id,
            version,
            address,
            started_at: known.map_or_else(|| now.before(up_for), |known| known.started_at),
            seen_at: now,
            active_runs,
            max_concurrent_runs,
            is_draining,
        }
    }
}
