//! Names that are Postroom's own.

/// What ids begin with that are Postroom's own: of threads, of runs and of agents. Nobody else may use
/// them.
pub const RESERVED: &str = "postroom:";

/// The agent that posts what becomes of runs. See [`crate::run::RunSpec::webhook`].
pub const WEBHOOK_AGENT: &str = "postroom:webhook";

/// The agent that keeps a schedule.
pub const SCHEDULE_AGENT: &str = "postroom:schedule";

/// What the id of a thread of such posts begins with.
pub const WEBHOOK_THREAD: &str = "postroom:webhook:";
