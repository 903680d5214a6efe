//! Dispatches: one delivery of a run to an executor.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{
    AgentId, DedupeKey, DispatchId, Epoch, InstanceId, NodeId, RunId, TenantId, ThreadId,
};
use crate::run::Termination;
use crate::time::Timestamp;

/// How urgent a dispatch is: 0 first, 255 last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Priority(pub u8);

impl Default for Priority {
    fn default() -> Self {
        Self(128)
    }
}

/// The fence: names one attempt. The number grows with every claim of the thread, for ever, so
/// that a tool or another system can refuse an older one too.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// Grows with every claim of the thread.
    pub number: u64,
    /// The node that holds it.
    pub node: NodeId,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.number, self.node)
    }
}

/// Where a dispatch is in its life; each variant holds only its own data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum DispatchStatus {
    /// Waits to be claimed.
    Queued {
        /// Whether `available_at` had passed when the mailbox was last looked at: only what is due
        /// takes part in the order of the queue, so that delayed work is never in its way.
        due: bool,
    },
    /// A node executes it.
    Claimed {
        /// Who, and which attempt.
        claim: Claim,
        /// The claim ends then unless it is renewed.
        lease_until: Timestamp,
    },
    /// The delivery was consumed. It says nothing of the run's success.
    Acked,
    /// Taken out of the queue by a person.
    Cancelled,
    /// Overtaken by an interrupt.
    Superseded,
    /// Given up after too many attempts, or at once after a permanent error.
    DeadLetter {
        /// The dispatch that an operator's requeue made of it.
        requeued_as: Option<DispatchId>,
    },
}

/// The status alone, for filters, counters and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DispatchState {
    /// See [`DispatchStatus::Queued`].
    Queued,
    /// See [`DispatchStatus::Claimed`].
    Claimed,
    /// See [`DispatchStatus::Acked`].
    Acked,
    /// See [`DispatchStatus::Cancelled`].
    Cancelled,
    /// See [`DispatchStatus::Superseded`].
    Superseded,
    /// See [`DispatchStatus::DeadLetter`].
    DeadLetter,
}

impl DispatchState {
    /// All of them, in the order of a dispatch's life.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Claimed,
        Self::Acked,
        Self::Cancelled,
        Self::Superseded,
        Self::DeadLetter,
    ];

    /// Those that nothing leaves.
    pub const TERMINAL: [Self; 4] =
        [Self::Acked, Self::Cancelled, Self::Superseded, Self::DeadLetter];

    /// Whether nothing leaves it.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Claimed)
    }

    /// The word for it, as in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Acked => "acked",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::DeadLetter => "dead_letter",
        }
    }

    /// The state that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for DispatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The trace of the current attempt. A new attempt begins with a clean one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Names the attempt.
    pub instance_id: InstanceId,
    /// How the run stands in this attempt.
    pub run_status: AttemptStatus,
    /// How the run ended, if it did.
    pub termination: Option<Termination>,
    /// The run's final text.
    pub run_response: Option<Arc<str>>,
    /// What went wrong.
    pub run_error: Option<Arc<str>>,
    /// When the result was recorded.
    pub completed_at: Option<Timestamp>,
}

impl Attempt {
    /// An attempt that has just started.
    pub fn started(instance_id: InstanceId) -> Self {
        Self {
            instance_id,
            run_status: AttemptStatus::Running,
            termination: None,
            run_response: None,
            run_error: None,
            completed_at: None,
        }
    }
}

/// How the run stands in one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttemptStatus {
    /// Executing.
    Running,
    /// Given up until something happens.
    Waiting,
    /// Ended.
    Done,
    /// The attempt failed; the run may be tried again.
    Failed,
}

/// One delivery of a run. It holds no message bodies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dispatch {
    /// Its name: UUID v7.
    pub id: DispatchId,
    /// The thread it belongs to.
    pub thread_id: ThreadId,
    /// Whose it is: the thread's.
    #[serde(default, skip_serializing_if = "TenantId::is_default")]
    pub tenant: TenantId,
    /// The run it delivers.
    pub run_id: RunId,
    /// The run's agent, so that a node can pass over agents it has no room for.
    pub agent_id: AgentId,
    /// How urgent it is.
    pub priority: Priority,
    /// Its place among dispatches of the same priority in this thread. Timestamps tie and clocks go
    /// back; this does neither.
    pub ordinal: u64,
    /// The caller's name for the work.
    pub dedupe_key: Option<DedupeKey>,
    /// The thread's epoch when it was queued.
    pub epoch: Epoch,
    /// Where it is in its life.
    #[serde(flatten)]
    pub status: DispatchStatus,
    /// Not to be claimed before.
    pub available_at: Timestamp,
    /// How many attempts have failed.
    pub attempt_count: u32,
    /// After how many failed attempts it is given up.
    pub max_attempts: u32,
    /// What the last failed attempt said.
    pub last_error: Option<String>,
    /// The trace of the current attempt.
    pub attempt: Option<Attempt>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Dispatch {
    /// The status alone.
    pub fn state(&self) -> DispatchState {
        match self.status {
            DispatchStatus::Queued { .. } => DispatchState::Queued,
            DispatchStatus::Claimed { .. } => DispatchState::Claimed,
            DispatchStatus::Acked => DispatchState::Acked,
            DispatchStatus::Cancelled => DispatchState::Cancelled,
            DispatchStatus::Superseded => DispatchState::Superseded,
            DispatchStatus::DeadLetter { .. } => DispatchState::DeadLetter,
        }
    }

    /// The claim that holds it, if one does.
    pub fn claim(&self) -> Option<&Claim> {
        match &self.status {
            DispatchStatus::Claimed { claim, .. } => Some(claim),
            _ => None,
        }
    }

    /// When its lease ends, if it has one.
    pub fn lease_until(&self) -> Option<Timestamp> {
        match self.status {
            DispatchStatus::Claimed { lease_until, .. } => Some(lease_until),
            _ => None,
        }
    }

    /// The key that orders a thread's queue.
    pub fn queue_key(&self) -> (Priority, u64) {
        (self.priority, self.ordinal)
    }
}
