//! The model's ledger against the logs. 8: what a run took in was read by the model before the run
//! ended well. 3: an answer that was given is in one place at most.

use std::collections::BTreeMap;

use postroom_core::message::Role;

use super::Findings;
use super::state::{Logged, ThreadEnd};
use crate::model::{Call, number_in};
use crate::told::token_in;

pub fn check(calls: &[Call], threads: &[ThreadEnd], findings: &mut Findings) {
    let calls: BTreeMap<u64, &Call> = calls.iter().map(|call| (call.number, call)).collect();
    let mut places: BTreeMap<u64, (&str, u64)> = BTreeMap::new();
    for thread in threads {
        for row in thread.log.iter().filter(|row| row.role == Role::Assistant) {
            let Some(number) = number_in(&row.text) else { continue };
            let place = (thread.id.as_str(), row.seq);
            let before = places.insert(number, place);
            findings.that(3, "answers in the log", before.is_none(), || {
                format!("answer {number} is at {before:?} and at {place:?}")
            });
            match calls.get(&number) {
                Some(call) => read(call, row, thread, findings),
                None => findings.broken(3, format!("answer {number} was never given")),
            }
        }
        unread(thread, findings);
    }
}

/// What the run has in the log before an answer, whoever gave it had read.
fn read(call: &Call, answer: &Logged, thread: &ThreadEnd, findings: &mut Findings) {
    let own = thread.log.iter().filter(|row| {
        row.role == Role::User && row.run_id == answer.run_id && row.seq < answer.seq
    });
    let missing: Vec<u64> = own
        .filter_map(|row| token_in(&row.text))
        .filter(|token| !call.tokens.contains(token))
        .collect();
    findings.that(8, "answers that had read everything", missing.is_empty(), || {
        let (number, run_id) = (call.number, &answer.run_id);
        format!("{}: answer {number} of run {run_id} had not read {missing:?}", thread.id)
    });
}

/// A run that ended by itself has said the last word.
fn unread(thread: &ThreadEnd, findings: &mut Findings) {
    let mut last: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in &thread.log {
        let (said, heard) = last.entry(&row.run_id).or_default();
        match row.role {
            Role::Assistant => *said = row.seq,
            Role::User => *heard = row.seq,
            Role::System | Role::Tool => {}
        }
    }
    for (run_id, (said, heard)) in last {
        let run = thread.runs.get(run_id);
        let ended_well = run.is_some_and(|run| run.termination.as_deref() == Some("natural_end"));
        if ended_well {
            findings.that(8, "runs that ended by themselves", said > heard, || {
                format!("{}: run {run_id} ended without having read its last message", thread.id)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use postroom_core::run::RunState;

    use super::super::state::RunEnd;
    use super::*;
    use crate::told::text_of;

    fn row(seq: u64, role: Role, text: &str) -> Logged {
        Logged {
            seq,
            role,
            message_id: seq.to_string(),
            run_id: "run".to_owned(),
            text: text.to_owned(),
        }
    }

    /// One run that took in a second message, and answered both.
    fn story() -> (Vec<Call>, ThreadEnd) {
        let call = |number, tokens: &[u64]| Call { number, tokens: tokens.to_vec(), ended: true };
        let log = vec![
            row(1, Role::User, &text_of(1, "hello")),
            row(2, Role::Assistant, "answer #1; to m1"),
            row(3, Role::User, &text_of(2, "hello")),
            row(4, Role::Assistant, "answer #2; to m2"),
        ];
        let run = RunEnd {
            state: RunState::Done,
            termination: Some("natural_end".to_owned()),
            started: true,
        };
        let runs = BTreeMap::from([("run".to_owned(), run)]);
        let thread = ThreadEnd { id: "t".to_owned(), log, pending: Vec::new(), runs };
        (vec![call(1, &[1]), call(2, &[1, 2])], thread)
    }

    fn found(calls: &[Call], thread: ThreadEnd) -> Vec<u8> {
        let mut findings = Findings::default();
        check(calls, &[thread], &mut findings);
        findings.numbers()
    }

    #[test]
    fn all_is_well() {
        let (calls, thread) = story();
        assert_eq!(found(&calls, thread), [0_u8; 0]);
    }

    #[test]
    fn steering_that_the_model_never_saw() {
        let (mut calls, thread) = story();
        calls[1].tokens.pop();
        assert_eq!(found(&calls, thread), [8]);
    }

    #[test]
    fn a_run_that_ends_without_reading_its_last_message() {
        let (calls, mut thread) = story();
        thread.log.pop();
        assert_eq!(found(&calls, thread), [8]);
    }

    #[test]
    fn an_answer_that_is_written_twice() {
        let (calls, mut thread) = story();
        thread.log.push(row(5, Role::Assistant, "answer #2; to m2"));
        assert_eq!(found(&calls, thread), [3]);
    }

    #[test]
    fn an_answer_that_nobody_gave() {
        let (calls, mut thread) = story();
        thread.log.push(row(5, Role::Assistant, "answer #3; to m2"));
        assert_eq!(found(&calls, thread), [3]);
    }
}
