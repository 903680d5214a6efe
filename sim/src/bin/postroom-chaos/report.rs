//! The report.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::check::Findings;
use crate::fate::Deeds;
use crate::told::{Answer, Book};

/// So many violations are shown.
const SHOWN_MAX: usize = 25;

/// What a run was, and what was found.
#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    pub took: Duration,
    /// How long it took after healing until everything was done.
    pub healed: Duration,
    pub deeds: Deeds,
    pub starts: u32,
    pub replies_lost: u64,
    pub calls: usize,
    pub book: Book,
    pub findings: Findings,
}

impl Report {
    pub fn is_broken(&self) -> bool {
        !self.findings.violations().is_empty()
    }

    /// How often each answer was given to a submission.
    fn answers(&self) -> BTreeMap<String, u64> {
        let mut answers = BTreeMap::new();
        for answer in self.book.letters.values().flat_map(|letter| &letter.answers) {
            let word = match answer {
                Answer::Accepted { .. } => "accepted".to_owned(),
                Answer::Refused { status, code } => format!("refused, {status} {code}"),
                Answer::NothingWritten { .. } => "failed, and nothing was written".to_owned(),
                Answer::Unknown { .. } => "failed, and the outcome is unknown".to_owned(),
                Answer::Undocumented { status, .. } => format!("undocumented, {status}"),
            };
            *answers.entry(word).or_default() += 1;
        }
        answers
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nFaults")?;
        for (fault, times) in &self.deeds.faults {
            writeln!(f, "{times:8}  {fault}")?;
        }
        writeln!(f, "{:8}  replies to COMMIT that were indeed lost", self.replies_lost)?;
        writeln!(f, "{:8}  starts of nodes", self.starts)?;
        writeln!(f, "\nWhat clients were told")?;
        for (answer, times) in self.answers() {
            writeln!(f, "{times:8}  {answer}")?;
        }
        for ((what, status), times) in &self.book.others {
            writeln!(f, "{times:8}  {what}: {status}")?;
        }
        writeln!(f, "{:8}  calls of the model", self.calls)?;
        writeln!(f, "\nWhat was checked, by invariant")?;
        for ((invariant, check), times) in self.findings.looked() {
            writeln!(f, "{invariant}{times:7}  {check}")?;
        }
        let violations = self.findings.violations();
        if self.is_broken() {
            writeln!(f, "\nVIOLATIONS")?;
        }
        for violation in violations.iter().take(SHOWN_MAX) {
            writeln!(f, "  {violation}")?;
        }
        writeln!(
            f,
            "\nseed {}, {:.0} s, all done {:.1} s after healing, {} letters: {}",
            self.seed,
            self.took.as_secs_f64(),
            self.healed.as_secs_f64(),
            self.book.letters.len(),
            match violations.len() {
                0 => "no violation".to_owned(),
                some => format!("{some} VIOLATIONS"),
            },
        )
    }
}
