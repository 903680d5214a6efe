//! The checker: reads all that was recorded, and decides the design's nine invariants. Every part is
//! a pure function of the records, so that a test can show it a history that breaks an invariant.

pub mod answers;
pub mod ends;
pub mod letters;
pub mod readers;
pub mod state;
pub mod transitions;

use std::collections::BTreeMap;
use std::fmt;

/// A broken promise: an invariant by the number that the design gives it, or 0 for what clients are
/// promised beside those.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub invariant: u8,
    pub facts: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.invariant {
            0 => write!(f, "a promise to clients: {}", self.facts),
            number => write!(f, "invariant {number}: {}", self.facts),
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    violations: Vec<Violation>,
    /// How often each check had something to look at: one that never had proves nothing.
    looked: BTreeMap<(u8, &'static str), u64>,
}

impl Findings {
    /// Notes that a check was made, and a violation if it does not hold.
    pub fn that(
        &mut self,
        invariant: u8,
        check: &'static str,
        holds: bool,
        otherwise: impl FnOnce() -> String,
    ) {
        *self.looked.entry((invariant, check)).or_default() += 1;
        if !holds {
            self.violations.push(Violation { invariant, facts: otherwise() });
        }
    }

    pub fn broken(&mut self, invariant: u8, facts: String) {
        self.violations.push(Violation { invariant, facts });
    }

    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The invariants and their checks, each with how often it was made.
    pub fn looked(&self) -> &BTreeMap<(u8, &'static str), u64> {
        &self.looked
    }

    /// The numbers of the invariants that are broken.
    #[cfg(test)]
    pub fn numbers(&self) -> Vec<u8> {
        let mut numbers: Vec<u8> = self.violations.iter().map(|found| found.invariant).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}
