//! What brings work into a mailbox, and takes it up or away.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dispatch::Priority;
use crate::id::{
    AgentId, DedupeKey, DispatchId, IdempotencyKey, NodeId, RunId, TenantId, ThreadId,
};
use crate::message::{Metadata, NewMessage};
use crate::pending::Delivery;
use crate::run::{Origin, RunSpec};
use crate::ticket::Decision;
use crate::time::Timestamp;

/// A thread to create.
#[derive(Debug, Clone, Default)]
pub struct CreateThread {
    /// Free data.
    pub metadata: Metadata,
    /// The thread it is opened from.
    pub parent: Option<ThreadId>,
}

/// What happens when the thread already has work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Wait for its turn.
    #[default]
    Enqueue,
    /// Supersede what is queued; refused while a run executes.
    Interrupt,
    /// Join the executing run at its next step.
    Steer,
    /// Be refused.
    Reject,
    /// Interrupt, and hide the cancelled run's messages from later prompts.
    Rollback,
}

/// A submission. [`Submit::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct Submit {
    /// What happens when the thread already has work.
    pub mode: Mode,
    /// The messages; may be empty only if there are decisions.
    pub messages: Vec<NewMessage>,
    /// Decisions on the open run's tickets.
    pub decisions: Vec<Decision>,
    /// The agent; left out, that of the thread's previous run, else `default`.
    pub agent_id: Option<AgentId>,
    /// The run to continue, or the name of a new one.
    pub run_id: Option<RunId>,
    /// Refuse unless this is the thread's active, open or latest run.
    pub expected_run_id: Option<RunId>,
    /// The run that asks for this one.
    pub parent_run_id: Option<RunId>,
    /// Refuse while an unfinished dispatch of the thread has the same key.
    pub dedupe_key: Option<DedupeKey>,
    /// Repeating it returns the first answer.
    pub idempotency_key: Option<IdempotencyKey>,
    /// How urgent it is.
    pub priority: Priority,
    /// When it may start.
    pub start: Start,
    /// After how many failed attempts it is given up.
    pub max_attempts: u32,
    /// When and how a running agent takes the messages in.
    pub delivery: Delivery,
    /// What brought it about.
    pub origin: Origin,
    /// What the new run is asked to be.
    pub spec: Arc<RunSpec>,
    /// For a new thread: the thread it is opened from.
    pub parent_thread_id: Option<ThreadId>,
    /// For `rollback`: the run that was asked to stop before; hidden if it was cancelled.
    pub stopped_run_id: Option<RunId>,
    /// How much the thread may hold.
    pub limits: Limits,
    /// To claim the new dispatch at once, if nothing is in its way.
    pub claim: Option<ClaimRequest>,
}

impl Submit {
    /// `messages` in `mode`, everything else by default.
    pub fn new(mode: Mode, messages: Vec<NewMessage>) -> Self {
        Self {
            mode,
            messages,
            decisions: Vec::new(),
            agent_id: None,
            run_id: None,
            expected_run_id: None,
            parent_run_id: None,
            dedupe_key: None,
            idempotency_key: None,
            priority: Priority::default(),
            start: Start::Now,
            max_attempts: DEFAULT_MAX_ATTEMPTS,
            delivery: Delivery::default(),
            origin: Origin::User,
            spec: RunSpec::plain(),
            parent_thread_id: None,
            stopped_run_id: None,
            limits: Limits::default(),
            claim: None,
        }
    }
}

/// How many attempts a dispatch has unless told otherwise.
pub const DEFAULT_MAX_ATTEMPTS: u32 = 5;

/// When a dispatch may start, in the store's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At once.
    #[default]
    Now,
    /// After a while.
    In(Duration),
    /// At a moment.
    At(Timestamp),
}

impl Start {
    /// The moment, seen from `now`.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Now => now,
            Self::In(delay) => now + delay,
            Self::At(moment) => moment,
        }
    }
}

/// How much a thread may hold; more is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Queued dispatches.
    pub max_queued: u64,
    /// Pending messages.
    pub max_pending: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_queued: 100_000, max_pending: 1_000 }
    }
}

/// A delivery of a run, without messages.
#[derive(Debug, Clone)]
pub struct Enqueue {
    /// The run; created if unknown.
    pub run_id: RunId,
    /// The dispatch's name; left out, a new one is made.
    pub dispatch_id: Option<DispatchId>,
    /// The agent of a run that is created.
    pub agent_id: Option<AgentId>,
    /// Refuse while an unfinished dispatch of the thread has the same key.
    pub dedupe_key: Option<DedupeKey>,
    /// How urgent it is.
    pub priority: Priority,
    /// When it may start.
    pub start: Start,
    /// After how many failed attempts it is given up.
    pub max_attempts: u32,
}

/// Who claims, for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The node.
    pub node: NodeId,
    /// How long the claim holds without renewal.
    pub lease: Duration,
    /// Whether the run begins in the same transaction.
    pub begin: bool,
    /// Agents that the node has no room for.
    pub except_agents: Arc<[AgentId]>,
    /// How much room the node has for tenants.
    pub tenants: TenantRooms,
    /// Across threads: the tenant that was served last. Tenants take turns, the next one after it
    /// first.
    pub after_tenant: Option<TenantId>,
}

/// How many more runs of each tenant a node has room for. By default there is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRooms {
    /// Of these tenants, each named once.
    pub named: Arc<[(TenantId, usize)]>,
    /// Of each that is not named.
    pub others: usize,
}

impl Default for TenantRooms {
    fn default() -> Self {
        Self { named: Arc::default(), others: usize::MAX }
    }
}

impl TenantRooms {
    /// How many more runs of `tenant` there is room for.
    pub fn of(&self, tenant: &TenantId) -> usize {
        let named = self.named.iter().find(|(named, _)| named == tenant);
        named.map_or(self.others, |(_, room)| *room)
    }

    /// A run of `tenant` takes some of the room.
    pub fn take(&mut self, tenant: &TenantId) {
        let named = self.named.iter().position(|(named, _)| named == tenant);
        match named {
            Some(place) => {
                let room = &mut Arc::make_mut(&mut self.named)[place].1;
                *room = room.saturating_sub(1);
            }
            None if self.others == usize::MAX => {}
            None => {
                let taken = (tenant.clone(), self.others.saturating_sub(1));
                self.named = self.named.iter().cloned().chain([taken]).collect();
            }
        }
    }

    /// The same without any room for `tenant`.
    pub fn without(&self, tenant: &TenantId) -> Self {
        let others = self.named.iter().filter(|(named, _)| named != tenant).cloned();
        Self { named: others.chain([(tenant.clone(), 0)]).collect(), others: self.others }
    }

    /// The tenants that are named because there is no room for them.
    pub fn full(&self) -> impl Iterator<Item = &TenantId> {
        self.named.iter().filter(|(_, room)| *room == 0).map(|(tenant, _)| tenant)
    }
}

/// What to cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelTarget {
    /// This delivery, and its run.
    Dispatch(DispatchId),
    /// This run.
    Run(RunId),
    /// The thread's executing run; else the head of its queue; else its waiting run.
    Thread,
}
