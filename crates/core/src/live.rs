//! Live commands: for a run that executes right now, on whatever node.

use serde::{Deserialize, Serialize};

use crate::id::{DispatchId, RunId, ThreadId};

/// Which execution a live command is for: exact enough that a stale listener can't take it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LiveTarget {
    /// The thread.
    pub thread_id: ThreadId,
    /// The run.
    pub run_id: RunId,
    /// The dispatch, where the sender knows it.
    pub dispatch_id: Option<DispatchId>,
}

/// What to do, now. Each is a nudge to look: the store holds the decisions and the wish to stop, so
/// that a nudge that comes twice, late or never changes nothing but latency. Messages need none: a
/// run takes them in with its next commit, and can't do so sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveCommand {
    /// Stop at once.
    Cancel,
    /// A ticket was decided.
    Decision,
}

/// What became of a live command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveReceipt {
    /// The executing run has taken it.
    Delivered,
    /// Nobody there, or no receipt in time: use the durable way.
    NoSubscriber,
}
