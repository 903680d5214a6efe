//! What each thread has come to, in the words of the checks.

use std::collections::BTreeMap;

use postroom_conformance::invariants::violations;
use postroom_conformance::snapshot::Snapshot;
use postroom_core::message::Role;
use postroom_core::run::{RunState, Termination};

use super::Findings;

/// A message in a thread's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    pub seq: u64,
    pub role: Role,
    pub message_id: String,
    pub run_id: String,
    pub text: String,
}

/// A run at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    pub state: RunState,
    /// As the API says it: `natural_end`, `cancelled` …
    pub termination: Option<String>,
    pub started: bool,
}

/// A thread at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreadEnd {
    pub id: String,
    pub log: Vec<Logged>,
    /// Ids of messages that nobody has read.
    pub pending: Vec<String>,
    pub runs: BTreeMap<String, RunEnd>,
}

impl From<&Snapshot> for ThreadEnd {
    fn from(snapshot: &Snapshot) -> Self {
        let logged = |row: &postroom_core::message::LogMessage| Logged {
            seq: row.seq,
            role: row.message.role,
            message_id: row.message.id.to_string(),
            run_id: row.run_id.to_string(),
            text: row.message.content.text(),
        };
        let run = |run: &postroom_core::run::Run| {
            let end = RunEnd {
                state: run.run_state(),
                termination: run.termination().map(word),
                started: run.started_at.is_some(),
            };
            (run.id.to_string(), end)
        };
        Self {
            id: snapshot.thread.as_ref().map(|thread| thread.id.to_string()).unwrap_or_default(),
            log: snapshot.messages.iter().map(logged).collect(),
            pending: snapshot.pending.iter().map(|row| row.message.id.to_string()).collect(),
            runs: snapshot.runs.iter().map(run).collect(),
        }
    }
}

fn word(termination: &Termination) -> String {
    match termination {
        Termination::NaturalEnd => "natural_end".to_owned(),
        Termination::Cancelled => "cancelled".to_owned(),
        Termination::Blocked(reason) => format!("blocked {}", reason.code),
        Termination::Stopped(reason) => format!("stopped {}", reason.code),
        Termination::Error(reason) => format!("error {}", reason.code),
    }
}

/// What the conformance suite asks of a thread at any moment holds at the end.
pub fn check(snapshots: &[Snapshot], findings: &mut Findings) {
    for snapshot in snapshots {
        let found = violations(snapshot);
        findings.that(9, "threads read whole", true, String::new);
        for violation in found {
            // The number comes first: `thread t: 5: …`.
            let number = violation.split(": ").find_map(|part| part.parse().ok());
            findings.broken(number.unwrap_or(9), violation);
        }
    }
}
