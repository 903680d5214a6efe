//! Pending messages: delivered, not yet read by a model.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::message::Message;
use crate::time::Timestamp;

/// When a message may be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// At the executing run's next step.
    NextStep,
    /// When the executing run would end; it goes on instead.
    OnNaturalEnd,
    /// Only by a run of its own.
    NewRun,
}

/// How many messages a turn takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// This one alone.
    One,
    /// All that is pending together.
    #[default]
    Batch,
}

/// How a submission's messages shall be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Left out: `next_step` when steering, else `new_run`.
    pub boundary: Option<Boundary>,
    /// One at a time, or together.
    pub granularity: Granularity,
    /// Never overtaken by what was delivered after it.
    pub barrier: bool,
}

/// A message that no model has read yet: it may be edited, retracted, reordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Orders the thread's pending messages.
    pub position: u64,
    /// The body, as it would be committed now.
    pub message: Arc<Message>,
    /// When it may be taken in.
    pub boundary: Boundary,
    /// Alone, or with others.
    pub granularity: Granularity,
    /// Never overtaken by what was delivered after it.
    pub barrier: bool,
    /// The only run that may take it, while that run lives.
    pub target_run_id: Option<RunId>,
    /// When it was delivered.
    pub created_at: Timestamp,
}
