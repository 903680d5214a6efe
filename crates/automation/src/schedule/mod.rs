//! Schedules: a run that submits at its times, and waits in between.
//!
//! A schedule is a thread of its own with one run, which waits until its next time. The mailbox's own
//! machinery does the rest: one node at a time executes it, a crash has it tried again, and the ids of
//! what it submits follow from the time that it is for, so that a repetition submits nothing twice.

mod control;
mod execute;
mod slots;
mod spec;
mod state;

use postroom_core::command::{Mode, Start, Submit};
use postroom_core::id::{InvalidId, RunId, TenantId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::run::{Origin, RunSpec};

pub use control::Control;
pub(crate) use execute::execute;
pub use slots::{InvalidTimes, Times};
pub use spec::{Missed, Schedule, Task};
pub use state::ScheduleState;

pub use postroom_core::reserved::SCHEDULE_AGENT as AGENT;

/// The run that all schedules name as their parent, which makes their list. There is no such run.
pub const PARENT: &str = "postroom:schedules";

/// What the id of a schedule's thread begins with.
const THREAD: &str = "postroom:schedule:";

/// The longest id of a schedule, in bytes.
pub const ID_BYTES_MAX: usize = 100;

/// The thread of a tenant's schedule of this id: each tenant has ids of its own.
///
/// # Errors
/// [`InvalidId`] where the id is blank, too long, or has control characters.
pub fn thread_of(tenant: &TenantId, id: &str) -> Result<ThreadId, InvalidId> {
    let id = id.trim();
    if id.is_empty() {
        return Err(InvalidId::Blank { noun: "schedule" });
    }
    if id.len() > ID_BYTES_MAX {
        let (noun, bytes) = ("schedule", id.len());
        return Err(InvalidId::TooLong { noun, bytes, max: ID_BYTES_MAX });
    }
    ThreadId::parse(&format!("{THREAD}{tenant}:{id}"))
}

/// The id of the schedule that has this thread, if it is one's.
pub fn id_of(thread_id: &ThreadId) -> Option<String> {
    // No tenant's name has a colon.
    let id = |text: &str| Some(text.strip_prefix(THREAD)?.split_once(':')?.1.to_owned());
    thread_id.with_str(id)
}

/// The run that all schedules name as their parent.
pub fn parent() -> Option<RunId> {
    RunId::parse(PARENT).ok()
}

/// What begins `schedule`, in the thread of its id. It is refused there if that has one already.
pub fn submission(schedule: &Schedule) -> Submit {
    let said = format!("{} ({}): submit as planned.", schedule.cron, schedule.time_zone);
    Submit {
        agent_id: AGENT.parse().ok(),
        parent_run_id: parent(),
        // An unfinished run always waits here, and only for its time.
        max_attempts: u32::MAX,
        origin: Origin::Internal,
        start: Start::Now,
        spec: RunSpec { overrides: schedule.to_overrides(), ..RunSpec::default() }.into(),
        ..Submit::new(Mode::Reject, vec![NewMessage::user(&said)])
    }
}
