//! What a decision changes: row-sized, grouped by table, ready to be written.

use std::sync::Arc;

use crate::command::{Reply, Submitted};
use crate::dispatch::{Dispatch, DispatchState};
use crate::event::SharedEvent;
use crate::id::{IdempotencyKey, MessageId, RunId};
use crate::message::LogMessage;
use crate::pending::Pending;
use crate::run::Run;
use crate::thread::Thread;

/// What a command does.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What to write.
    pub changes: Changes,
    /// What to answer once it is written.
    pub reply: Reply,
}

/// A row to write.
#[derive(Debug, Clone, PartialEq)]
pub enum Write<T> {
    /// The row is new.
    Insert(T),
    /// The row is there and gets these values.
    Update(T),
}

impl<T> Write<T> {
    /// The row.
    pub fn row(&self) -> &T {
        match self {
            Self::Insert(row) | Self::Update(row) => row,
        }
    }
}

/// A change to the pending messages.
#[derive(Debug, Clone, PartialEq)]
pub enum PendingWrite {
    /// Insert it, or replace the one with the same message id.
    Put(Pending),
    /// Take it away.
    Remove(MessageId),
}

/// What to write, in one transaction. Nothing in it depends on anything else in the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// The thread's row.
    pub thread: Option<Write<Arc<Thread>>>,
    /// Runs.
    pub runs: Vec<Write<Arc<Run>>>,
    /// Runs to take away. None of them is among `runs`.
    pub collected_runs: Vec<RunId>,
    /// Dispatches.
    pub dispatches: Vec<Write<Arc<Dispatch>>>,
    /// Messages to append to the log, in order.
    pub messages: Vec<LogMessage>,
    /// Changes to the pending messages, in order.
    pub pending: Vec<PendingWrite>,
    /// Events to append to the log, in order.
    pub events: Vec<SharedEvent>,
    /// The answer to keep for a repetition of the submission.
    pub submission: Option<(IdempotencyKey, Submitted)>,
    /// How the number of dispatches in each state changes.
    pub depth: DepthDelta,
    /// Remove the thread and all that belongs to it; nothing else is set then but `depth`, which
    /// leaves the terminal dispatches to the store: it counts those it removes.
    pub delete_thread: bool,
}

impl Changes {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How the number of dispatches in each state changes, by the order of [`DispatchState::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DepthDelta(pub [i64; 6]);

impl DepthDelta {
    /// A dispatch moves from a state (`None`: it is new) to another.
    pub(super) fn moved(&mut self, from: Option<DispatchState>, to: DispatchState) {
        if let Some(from) = from {
            self.0[from as usize] -= 1;
        }
        self.0[to as usize] += 1;
    }
}
