//! The tally: how often each thing that the simulation is for has happened.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::Mutex;

/// All that a hundred seeds must reach.
pub const ALL: &[&str] = &[
    // Ways in, and what came of them.
    "submit enqueue",
    "submit interrupt",
    "submit steer",
    "submit reject",
    "submit rollback",
    "submission accepted",
    "submission replayed",
    "submission refused",
    "submission refused: thread busy",
    "submission refused: active run",
    "submission refused: duplicate key",
    "submission unanswered",
    "submission given up",
    "submitted in a batch",
    "submitted for later",
    "submitted with an idempotency key",
    "delivered to a run",
    "pending edited",
    "pending retracted",
    "pending reordered",
    "pending already consumed",
    "cancelled queued",
    "cancelled waiting",
    "cancelled executing",
    "interrupted",
    "superseded",
    "decided live",
    "decided durably",
    "dead letter requeued",
    // What executors did.
    "attempt started",
    "attempt after another",
    "attempt dropped",
    "executor failed for now",
    "executor failed for good",
    "executor panicked",
    "executor cancelled",
    "executor ignored a cancel",
    "executor parked",
    "executor suspended",
    "executor waited: tool_permission",
    "executor waited: user_input",
    "executor waited: background_tasks",
    "executor waited: rate_limit",
    "executor waited: external_event",
    "executor waited: child",
    "executor waited: manual_pause",
    "child started as a task",
    "child started to send a message",
    "child cancelled with its parent",
    "report came as a message",
    "background task started",
    "background task ended",
    "steering taken at a step",
    "steering taken at the end",
    "steering became a dispatch",
    "commit answer lost",
    // How it ended.
    "run ended: natural_end",
    "run ended: cancelled",
    "run ended: stopped",
    "run ended: error",
    "dead letter",
    "attempt reset",
    "lease expired",
    "stale claim refused",
    // What went wrong.
    "store failed before the write",
    "store lost the request",
    "store lost the reply",
    "store was slow",
    "store was slower than a lease",
    "store was out of reach",
    "write after its node's death",
    "node killed",
    "node killed before a write",
    "node killed after a write",
    "node frozen",
    "node frozen beyond its lease",
    "node thawed",
    "node shut down",
    "node restarted",
    "clock jumped forward",
    "clock jumped back",
    "signal lost",
    "signal doubled",
    "signal late",
    "signal pull failed",
    "live command taken",
    "live command lost",
    "live receipt lost",
    "live command doubled",
    "hint taken",
    "hint lost",
    "hint late",
    "hint doubled",
    // Who looked on.
    "reader subscribed",
    "reader resubscribed",
    "reader caught up",
    "only one node",
    "several nodes",
];

/// Counts.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

/// How often each thing happened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Tally {
    /// It happened.
    pub fn mark(&self, what: &'static str) {
        *self.0.lock().0.entry(what).or_default() += 1;
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.0.lock().clone()
    }
}

impl Counts {
    /// How often it happened.
    pub fn get(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// What should have happened and never did.
    pub fn missing(&self) -> Vec<&'static str> {
        ALL.iter().copied().filter(|what| self.get(what) == 0).collect()
    }

    /// What happened and is not on the list: a word misspelt.
    pub fn unlisted(&self) -> Vec<&'static str> {
        self.0.keys().copied().filter(|what| !ALL.contains(what)).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in ALL {
            writeln!(f, "{:>10}  {what}", self.get(what))?;
        }
        Ok(())
    }
}
