//! Threads: one conversation each, and the root that every change of its mailbox goes through.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dispatch::Priority;
use crate::id::{AgentId, DispatchId, Epoch, RunId, TenantId, ThreadId};
use crate::message::Metadata;
use crate::time::Timestamp;

/// One conversation. Counters are kept here so that nothing ever has to be counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// Its name.
    pub id: ThreadId,
    /// Whose it is; fixed when it is created.
    #[serde(default, skip_serializing_if = "TenantId::is_default")]
    pub tenant: TenantId,
    /// The thread it was opened from, if any.
    pub parent: Option<ThreadId>,
    /// Free data.
    pub metadata: Arc<Metadata>,
    /// Counts interrupts.
    pub epoch: Epoch,
    /// The number of the newest claim; the next one is larger. See [`crate::dispatch::Claim`].
    pub claim_number: u64,
    /// The dispatch that is claimed now.
    pub claimed_dispatch_id: Option<DispatchId>,
    /// The run that is executing now.
    pub active_run_id: Option<RunId>,
    /// The run that is unfinished and can be continued.
    pub open_run_id: Option<RunId>,
    /// The newest run.
    pub latest_run_id: Option<RunId>,
    /// The run that ended last; a new run inherits its agent state.
    pub ended_run_id: Option<RunId>,
    /// `seq` of the newest message; also how many there are.
    pub message_seq: u64,
    /// `seq` of the newest event; also how many there were.
    pub event_seq: u64,
    /// Ordinal of the newest dispatch.
    pub dispatch_ordinal: u64,
    /// Position of the newest pending message.
    pub pending_position: u64,
    /// How many dispatches are queued.
    pub queued: u64,
    /// How many messages are pending.
    pub pending: u64,
    /// Whether, and since when, a node could claim here.
    pub readiness: Readiness,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its mailbox last changed.
    pub updated_at: Timestamp,
}

impl Thread {
    /// A thread without history, of the default tenant.
    pub fn new(id: ThreadId, now: Timestamp) -> Self {
        Self {
            id,
            tenant: TenantId::default(),
            parent: None,
            metadata: Arc::default(),
            epoch: Epoch::default(),
            claim_number: 0,
            claimed_dispatch_id: None,
            active_run_id: None,
            open_run_id: None,
            latest_run_id: None,
            ended_run_id: None,
            message_seq: 0,
            event_seq: 0,
            dispatch_ordinal: 0,
            pending_position: 0,
            queued: 0,
            pending: 0,
            readiness: Readiness::Idle,
            created_at: now,
            updated_at: now,
        }
    }
}

/// What a node that looks for work needs to know of a thread, kept up to date by every command,
/// so that finding work costs the same however much is queued, blocked or finished.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Readiness {
    /// Nothing is queued.
    Idle,
    /// A dispatch is claimed: nothing else may start.
    Busy,
    /// The head of the queue may start.
    Ready {
        /// Of the head.
        priority: Priority,
        /// When the head could first have started: what waits longest goes first.
        since: Timestamp,
        /// Of the head, so that a node passes over agents it has no room for.
        agent_id: AgentId,
    },
    /// All that is queued is for later.
    Delayed {
        /// When the first of it is due.
        until: Timestamp,
    },
}
