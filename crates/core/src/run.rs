//! Runs: one user intent each, from its first message to its outcome.

use std::fmt;
use std::ops::AddAssign;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::id::{AgentId, DispatchId, RunId, TaskId, TenantId, ThreadId, ToolCallId};
use crate::message::Metadata;
use crate::report::{Report, ReportTo};
use crate::ticket::Ticket;
use crate::time::Timestamp;
use crate::trace::{self, TraceParent};

/// What brought a run about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A person or a program through the API.
    #[default]
    User,
    /// Another agent.
    A2a,
    /// The system itself: a background task that ended.
    Internal,
    /// A schedule.
    Schedule,
}

/// A range of a thread's log, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeqRange {
    /// The first message's `seq`.
    pub first: u64,
    /// The last message's `seq`.
    pub last: u64,
}

/// Why a run waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// Tool calls want a decision.
    ToolPermission,
    /// The agent asked a question.
    UserInput,
    /// Background tasks are under way.
    BackgroundTasks,
    /// Something outside must happen.
    ExternalEvent,
    /// A model's limit was reached; a resume dispatch is queued for later.
    RateLimit,
    /// An operator paused it.
    ManualPause,
}

impl WaitReason {
    /// The word for it, as in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToolPermission => "tool_permission",
            Self::UserInput => "user_input",
            Self::BackgroundTasks => "background_tasks",
            Self::ExternalEvent => "external_event",
            Self::RateLimit => "rate_limit",
            Self::ManualPause => "manual_pause",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Termination {
    /// The agent had nothing more to do.
    NaturalEnd,
    /// Somebody cancelled, interrupted or superseded it.
    Cancelled,
    /// A policy forbade it to go on.
    Blocked(Box<Reason>),
    /// A limit ended it: `max_steps`, `token_budget`, `time_limit` …
    Stopped(Box<Reason>),
    /// It failed.
    Error(Box<Reason>),
}

/// Why a run ended other than by itself. Few do, so every row and event has only room to point at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reason {
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Reason {
    /// A reason to put into a [`Termination`].
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { code: code.into(), message: message.into() })
    }
}

impl Termination {
    /// The word for its kind, as in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NaturalEnd => "natural_end",
            Self::Cancelled => "cancelled",
            Self::Blocked(_) => "blocked",
            Self::Stopped(_) => "stopped",
            Self::Error(_) => "error",
        }
    }

    /// Why, where that is not plain from the kind.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::NaturalEnd | Self::Cancelled => None,
            Self::Blocked(reason) | Self::Stopped(reason) | Self::Error(reason) => Some(reason),
        }
    }
}

/// Where a run is in its life; each variant holds only its own data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum RunStatus {
    /// Accepted, not yet started.
    Created,
    /// Started. Between two attempts it is still this.
    Running,
    /// Given up its executor until something happens.
    Waiting {
        /// What it waits for.
        reason: WaitReason,
        /// The background tasks it waits for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tasks: Vec<TaskId>,
    },
    /// Ended.
    Done {
        /// How.
        termination: Termination,
        /// When.
        finished_at: Timestamp,
    },
}

/// The status alone, for filters and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// See [`RunStatus::Created`].
    Created,
    /// See [`RunStatus::Running`].
    Running,
    /// See [`RunStatus::Waiting`].
    Waiting,
    /// See [`RunStatus::Done`].
    Done,
}

impl RunState {
    /// All of them, in the order of a run's life.
    pub const ALL: [Self; 4] = [Self::Created, Self::Running, Self::Waiting, Self::Done];

    /// The word for it, as in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
        }
    }

    /// The state that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a run was asked to be; fixed when it is accepted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// Settings for this run alone (a model's name …), for the agent to read.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub overrides: Value,
    /// Tools that the caller's front end executes, for the agent to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frontend_tools: Vec<Value>,
    /// Free data.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// Where to post what becomes of it: that it waits for somebody, and its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Who is told when the run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_to: Option<ReportTo>,
    /// The span that brought it about: what is done for the run, on whatever node and whenever, is in
    /// the same trace. With the run's other data in one JSON, so that nodes of earlier versions read it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "trace::kept")]
    pub trace: Option<TraceParent>,
}

impl RunSpec {
    /// The spec of a run that was asked to be nothing in particular: most are, and share this one.
    pub fn plain() -> Arc<Self> {
        static PLAIN: LazyLock<Arc<RunSpec>> = LazyLock::new(Arc::default);
        PLAIN.clone()
    }

    /// What a run of this spec owes before it ends.
    pub fn report(&self) -> Report {
        let is_wanted = self.report_to.is_some() || self.webhook.is_some();
        if is_wanted { Report::Wanted } else { Report::None }
    }
}

/// Tokens that models have taken and given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Those of the tokens read that the provider had cached.
    #[serde(default)]
    pub cached_tokens: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, more: Self) {
        self.input_tokens += more.input_tokens;
        self.output_tokens += more.output_tokens;
        self.cached_tokens += more.cached_tokens;
    }
}

/// The agent's own state: JSON that the mailbox stores and never reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentState(Arc<RawValue>);

impl AgentState {
    /// Takes the JSON text as it is.
    ///
    /// # Errors
    /// Where `json` is not JSON.
    pub fn from_json(json: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(json).map(|raw| Self(raw.into()))
    }

    /// The JSON text.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for AgentState {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

/// One user intent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// The thread it belongs to.
    pub thread_id: ThreadId,
    /// Whose it is: the thread's.
    #[serde(default, skip_serializing_if = "TenantId::is_default")]
    pub tenant: TenantId,
    /// The agent that executes it.
    pub agent_id: AgentId,
    /// The agent version it was resolved with, once it was: a retry or a resume replays it.
    pub agent_version: Option<String>,
    /// What brought it about.
    pub origin: Origin,
    /// The run that asked for it.
    pub parent_run_id: Option<RunId>,
    /// Its input: ranges of the log, never copied bodies.
    pub input: Vec<SeqRange>,
    /// What it was asked to be.
    pub spec: Arc<RunSpec>,
    /// Where it is in its life.
    #[serde(flatten)]
    pub status: RunStatus,
    /// Its newest dispatch.
    pub dispatch_id: Option<DispatchId>,
    /// Every ticket it ever raised.
    pub tickets: Vec<Ticket>,
    /// Background tasks that ended while it was executing, so that it need not wait for them.
    pub ended_tasks: Vec<TaskId>,
    /// Somebody asked it to stop; it does so at the next opportunity, on whatever node.
    pub stop_requested: bool,
    /// Rolled back: later prompts leave its messages out.
    pub hidden: bool,
    /// Whether its end, and where that is wanted its waits, are reported.
    #[serde(default)]
    pub report: Report,
    /// The agent's own state.
    pub state: Option<AgentState>,
    /// The final text: the same one that its last event and attempt hold.
    pub output: Option<Arc<str>>,
    /// What went wrong, for people.
    pub error: Option<Arc<str>>,
    /// Tokens so far.
    pub usage: Usage,
    /// Steps so far.
    pub steps: u32,
    /// How many attempts were started.
    pub attempt: u32,
    /// `seq` of the thread's last event before the run's first.
    pub events_after: u64,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it was first started.
    pub started_at: Option<Timestamp>,
}

impl Run {
    /// The status alone.
    pub fn run_state(&self) -> RunState {
        match self.status {
            RunStatus::Created => RunState::Created,
            RunStatus::Running => RunState::Running,
            RunStatus::Waiting { .. } => RunState::Waiting,
            RunStatus::Done { .. } => RunState::Done,
        }
    }

    /// Whether it ended.
    pub fn is_done(&self) -> bool {
        self.run_state() == RunState::Done
    }

    /// How it ended, if it did.
    pub fn termination(&self) -> Option<&Termination> {
        match &self.status {
            RunStatus::Done { termination, .. } => Some(termination),
            _ => None,
        }
    }

    /// When it ended, if it did.
    pub fn finished_at(&self) -> Option<Timestamp> {
        match self.status {
            RunStatus::Done { finished_at, .. } => Some(finished_at),
            _ => None,
        }
    }

    /// What it waits for, if it does.
    pub fn wait_reason(&self) -> Option<WaitReason> {
        match self.status {
            RunStatus::Waiting { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// The ticket of `tool_call_id`.
    pub fn ticket(&self, tool_call_id: &ToolCallId) -> Option<&Ticket> {
        self.tickets.iter().find(|ticket| ticket.tool_call_id == *tool_call_id)
    }

    /// Whether a ticket still waits for its decision.
    pub fn has_open_ticket(&self) -> bool {
        self.tickets.iter().any(Ticket::is_open)
    }
}
