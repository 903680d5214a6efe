//! Schedules.

use postroom_automation::schedule::{self, Missed, Schedule, ScheduleState, Task};
use postroom_core::id::RunId;
use postroom_core::run::Run;
use schemars::JsonSchema;
use serde::Serialize;

use super::time::{Moment, moment};

/// A schedule.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ScheduleView {
    schedule_id: String,
    status: ScheduleStatus,
    cron: String,
    time_zone: String,
    missed: Missed,
    /// Unless it is paused or over.
    next_at: Option<Moment>,
    /// The time that was submitted for last.
    last_at: Option<Moment>,
    last_run_id: Option<RunId>,
    /// Why the last submission was refused, if it was.
    last_error: Option<String>,
    fired: u64,
    run: Task,
    created_at: Moment,
}

/// Where a schedule stands.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ScheduleStatus {
    Active,
    Paused,
    Ended,
}

impl ScheduleView {
    /// The schedule whose run this is; `None` if it is no schedule's.
    pub fn of(run: &Run) -> Option<Self> {
        let schedule_id = schedule::id_of(&run.thread_id)?;
        let Schedule { cron, time_zone, missed, task } = Schedule::of(run)?;
        let state = ScheduleState::of(run);
        let status = match (run.is_done(), state.paused) {
            (true, _) => ScheduleStatus::Ended,
            (false, true) => ScheduleStatus::Paused,
            (false, false) => ScheduleStatus::Active,
        };
        // Until it was executed for the first time, it knows nothing of its times.
        let first = || {
            let times = schedule::Times::parse(&cron, &time_zone).ok()?;
            times.next_after(run.created_at)
        };
        let next_at = match status {
            ScheduleStatus::Active => state.next_at.or_else(first),
            ScheduleStatus::Paused | ScheduleStatus::Ended => None,
        };
        Some(Self {
            schedule_id,
            status,
            next_at: next_at.map(moment),
            last_at: state.last_at.map(moment),
            last_run_id: state.last_run_id,
            last_error: state.last_error,
            fired: state.fired,
            cron,
            time_zone,
            missed,
            run: task,
            created_at: moment(run.created_at),
        })
    }
}
