//! Where a schedule stands: what its run keeps from one time to the next.

use postroom_core::id::RunId;
use postroom_core::run::{AgentState, Run};
use postroom_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of what is kept, which a run has from its first commit on.
pub(super) const VERSION: &str = "1";

/// Where a schedule stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// It submits nothing until it is resumed.
    #[serde(default)]
    pub paused: bool,
    /// The next time, while it is not paused.
    #[serde(default)]
    pub next_at: Option<Timestamp>,
    /// The time that was submitted for last.
    #[serde(default)]
    pub last_at: Option<Timestamp>,
    /// The run of that submission.
    #[serde(default)]
    pub last_run_id: Option<RunId>,
    /// Why the last submission was refused, if it was.
    #[serde(default)]
    pub last_error: Option<String>,
    /// How many times it has submitted.
    #[serde(default)]
    pub fired: u64,
    /// `seq` of the last message that it has heard.
    #[serde(default)]
    pub(super) heard: u64,
}

impl ScheduleState {
    /// What the run has kept; nothing yet, if it has not begun.
    pub fn of(run: &Run) -> Self {
        let state = run.state.as_ref().filter(|_| !Self::is_new(run));
        state.and_then(|state| serde_json::from_str(state.as_json()).ok()).unwrap_or_default()
    }

    /// Whether the run has kept nothing yet. A new run has the state of the one before it, which is none
    /// of its own.
    pub(super) fn is_new(run: &Run) -> bool {
        run.agent_version.is_none()
    }

    pub(super) fn to_state(&self) -> Option<AgentState> {
        AgentState::from_json(serde_json::to_string(self).ok()?).ok()
    }
}
