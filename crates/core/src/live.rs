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

/// What to do, now. Each is a nudge to look: the store holds the messages, the decisions and the
/// wish to stop, so that a nudge that comes twice, late or never changes nothing but latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveCommand {
    /// Pending messages are there for the next step.
    Messages,
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
