//! The verdict on a run: the first broken invariant, if there is one.

use std::fmt;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which, by the number that the design gives it; 0 for what no number says (a panic, a damaged
    /// store).
    pub invariant: u8,
    /// The facts.
    pub facts: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.invariant == 0 {
            return write!(f, "{}", self.facts);
        }
        write!(f, "invariant {}: {}", self.invariant, self.facts)
    }
}

/// Keeps the first violation, and ends the run.
#[derive(Debug, Default)]
pub struct Verdict {
    first: Mutex<Option<Violation>>,
    found: Notify,
}

impl Verdict {
    /// An invariant is broken. What follows from it is not told.
    pub fn broken(&self, invariant: u8, facts: String) {
        let mut first = self.first.lock();
        if first.is_none() {
            *first = Some(Violation { invariant, facts });
            self.found.notify_one();
        }
    }

    /// The first violation.
    pub fn violation(&self) -> Option<Violation> {
        self.first.lock().clone()
    }

    /// Whether there is one.
    pub fn is_broken(&self) -> bool {
        self.first.lock().is_some()
    }

    /// Resolves when there is one.
    pub async fn found(&self) {
        while !self.is_broken() {
            self.found.notified().await;
        }
    }
}
