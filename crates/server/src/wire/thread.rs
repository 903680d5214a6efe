//! Threads.

use std::sync::Arc;

use postroom_core::id::{Epoch, RunId, ThreadId};
use postroom_core::message::Metadata;
use postroom_core::thread::Thread;
use schemars::JsonSchema;
use serde::Serialize;

use super::time::{Moment, moment};

/// A thread with its pointers and counters.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ThreadView {
    thread_id: ThreadId,
    parent_thread_id: Option<ThreadId>,
    metadata: Arc<Metadata>,
    active_run_id: Option<RunId>,
    open_run_id: Option<RunId>,
    latest_run_id: Option<RunId>,
    dispatch_epoch: Epoch,
    message_count: u64,
    event_count: u64,
    queued: u64,
    pending: u64,
    created_at: Moment,
    updated_at: Moment,
}

impl From<Thread> for ThreadView {
    fn from(thread: Thread) -> Self {
        Self {
            thread_id: thread.id,
            parent_thread_id: thread.parent,
            metadata: thread.metadata,
            active_run_id: thread.active_run_id,
            open_run_id: thread.open_run_id,
            latest_run_id: thread.latest_run_id,
            dispatch_epoch: thread.epoch,
            message_count: thread.message_seq,
            event_count: thread.event_seq,
            queued: thread.queued,
            pending: thread.pending,
            created_at: moment(thread.created_at),
            updated_at: moment(thread.updated_at),
        }
    }
}
