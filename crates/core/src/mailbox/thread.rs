//! The thread itself: created, patched, removed.

use std::sync::Arc;

use crate::command::{CreateThread, Reply};
use crate::error::Refusal;
use crate::message::Metadata;
use crate::report::Report;

use super::work::Work;

impl Work<'_> {
    pub(super) fn create_thread(&mut self, create: CreateThread) -> Result<Reply, Refusal> {
        if !self.thread_is_new() {
            return Err(Refusal::ThreadExists { thread_id: self.thread.id.clone() });
        }
        self.create_thread = true;
        self.thread.metadata = Arc::new(create.metadata);
        self.thread.parent = create.parent;
        Ok(Reply::Done)
    }

    pub(super) fn patch_thread(&mut self, patch: Metadata) -> Result<Reply, Refusal> {
        self.known_thread()?;
        let metadata = Arc::make_mut(&mut self.thread.metadata);
        for (key, value) in patch {
            if value.is_null() {
                metadata.remove(&key);
            } else {
                metadata.insert(key, value);
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn delete_thread(&mut self) -> Result<Reply, Refusal> {
        self.known_thread()?;
        if self.is_busy() || self.thread.queued > 0 {
            return Err(Refusal::ThreadBusy {
                queued: self.thread.queued,
                executing: self.is_busy(),
            });
        }
        // Who waits for its end would never hear of it.
        if let Some(run) = self.runs.iter().find(|run| run.report != Report::None) {
            return Err(Refusal::ReportOwed { run_id: run.id.clone() });
        }
        self.delete_thread = true;
        Ok(Reply::Done)
    }
}
