//! What a run sends to other threads: who it is from, under ids that a repetition gives again.

use std::fmt::Display;

use postroom_core::id::{AgentId, RunId, ThreadId};
use postroom_core::message::Metadata;
use serde_json::json;
use uuid::Uuid;

/// Names what runs start and send.
const SENT_BY_RUNS: Uuid = Uuid::from_u128(0x1c9f_3d0a_52e8_4b67_8a11_7d3e_90bb_46c5);

/// An id that every attempt of the run makes again for the same thing.
pub(crate) fn derived(noun: &str, run_id: &RunId, what: impl Display) -> Uuid {
    Uuid::new_v5(&SENT_BY_RUNS, format!("{noun} of {run_id} {what}").as_bytes())
}

/// Says who sends a message to another thread, in its metadata.
pub(crate) fn sender(agent_id: &AgentId, thread_id: &ThreadId, run_id: &RunId) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("sender_agent".to_owned(), json!(agent_id));
    metadata.insert("sender_thread".to_owned(), json!(thread_id));
    metadata.insert("sender_run".to_owned(), json!(run_id));
    metadata
}
