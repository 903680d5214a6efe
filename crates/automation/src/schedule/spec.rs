//! What a schedule is: when, and what it submits.

use std::time::Duration;

use postroom_core::command::{DEFAULT_MAX_ATTEMPTS, Mode};
use postroom_core::dispatch::Priority;
use postroom_core::id::{AgentId, ThreadId};
use postroom_core::message::{Metadata, NewMessage};
use postroom_core::run::Run;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A schedule, as it was made: it does not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// When: five fields, or six with seconds first, or a nickname such as `@daily`.
    pub cron: String,
    /// Where: a name of the IANA time zone database, such as `Europe/Berlin`.
    pub time_zone: String,
    /// What becomes of times that passed while nobody could submit.
    #[serde(default)]
    pub missed: Missed,
    /// What is submitted.
    pub task: Task,
}

/// What becomes of times that passed while nobody could submit: no node was up, or the schedule could
/// not be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// The newest of them is made good, once.
    #[default]
    Once,
    /// None of them is, if it is older than [`Missed::GRACE`].
    Skip,
    /// Each is made good, the oldest first; at most [`Missed::ALL_MAX`] of them.
    All,
}

impl Missed {
    /// How late a time may be before it counts as missed.
    pub const GRACE: Duration = Duration::from_mins(1);

    /// How many missed times are made good at most: the newest ones.
    pub const ALL_MAX: usize = 1_000;
}

/// What a schedule submits at each of its times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Task {
    /// The thread; left out, each time has a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
    /// The agent; left out, as in every submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// What happens when the thread has work already.
    #[serde(default)]
    pub mode: Mode,
    /// The messages, without ids: each time gives them its own.
    pub messages: Vec<NewMessage>,
    /// How urgent it is.
    #[serde(default)]
    pub priority: Priority,
    /// After how many failed attempts it is given up.
    #[serde(default = "default_max_attempts")]
    pub max_attempts: u32,
    /// Settings for the runs, for the agent to read.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub overrides: Value,
    /// Free data of the runs.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// Where the outcome is posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
}

fn default_max_attempts() -> u32 {
    DEFAULT_MAX_ATTEMPTS
}

impl Schedule {
    /// The schedule whose run this is; `None` if it is no schedule's.
    pub fn of(run: &Run) -> Option<Self> {
        Self::deserialize(run.spec.overrides.get("schedule")?).ok()
    }

    pub(super) fn to_overrides(&self) -> Value {
        json!({"schedule": self})
    }
}
