//! 4: every accepted run ends, each as it should; 6: only what is poison ends in the dead letters.

use std::collections::BTreeSet;

use postroom_core::run::RunState;

use super::Findings;
use super::state::ThreadEnd;
use crate::model::{Directive, directive_in};
use crate::told::{Book, Fate};

pub fn check(book: &Book, threads: &[ThreadEnd], findings: &mut Findings) {
    for thread in threads {
        for (id, run) in &thread.runs {
            findings.that(4, "runs that ended", run.state == RunState::Done, || {
                format!("{}: run {id} is still {:?}", thread.id, run.state)
            });
            let Some(termination) = &run.termination else { continue };
            let may_fail = thread
                .log
                .iter()
                .filter(|row| row.run_id == *id)
                .any(|row| directive_in(&row.text).is_some_and(Directive::may_fail));
            let well = matches!(termination.as_str(), "natural_end" | "cancelled");
            findings.that(6, "runs that failed for a reason", well || may_fail, || {
                format!("{}: run {id} ended with {termination}, and had no reason to", thread.id)
            });
        }
        findings.that(8, "threads with nothing pending", thread.pending.is_empty(), || {
            format!("{}: {:?} are pending, and nothing goes on", thread.id, thread.pending)
        });
    }
    accepted_runs(book, threads, findings);
}

/// Whoever was told of a run finds it.
fn accepted_runs(book: &Book, threads: &[ThreadEnd], findings: &mut Findings) {
    let known: BTreeSet<&str> =
        threads.iter().flat_map(|thread| thread.runs.keys().map(String::as_str)).collect();
    let accepted = book.letters.values().filter(|letter| letter.fate() == Fate::Accepted);
    let told = accepted.filter_map(|letter| letter.run_id());
    for id in told.chain(book.cancelled.iter().map(String::as_str)) {
        findings.that(4, "runs that clients know of", known.contains(id), || {
            format!("run {id} was accepted, and does not exist")
        });
    }
}

#[cfg(test)]
mod tests {
    use postroom_core::message::Role;

    use super::super::state::{Logged, RunEnd};
    use super::*;
    use crate::told::{Answer, Mode, text_of};

    fn story(directive: Directive, termination: Option<&str>) -> (Book, ThreadEnd) {
        let mut book = Book::default();
        let letter = book.write("t", 0, Mode::Enqueue);
        book.answered(letter.token, Answer::Accepted { run_id: "run".to_owned() });
        let state = if termination.is_some() { RunState::Done } else { RunState::Created };
        let run = RunEnd { state, termination: termination.map(str::to_owned), started: true };
        let mut thread = ThreadEnd { id: "t".to_owned(), ..ThreadEnd::default() };
        thread.runs.insert("run".to_owned(), run);
        thread.log.push(Logged {
            seq: 1,
            role: Role::User,
            message_id: letter.message_id,
            run_id: "run".to_owned(),
            text: text_of(letter.token, directive.word()),
        });
        (book, thread)
    }

    fn found((book, thread): (Book, ThreadEnd)) -> Vec<u8> {
        let mut findings = Findings::default();
        check(&book, &[thread], &mut findings);
        findings.numbers()
    }

    #[test]
    fn a_run_that_does_not_end() {
        assert_eq!(found(story(Directive::Hello, Some("natural_end"))), [0_u8; 0]);
        assert_eq!(found(story(Directive::Hello, None)), [4]);
    }

    #[test]
    fn a_run_that_fails_without_reason() {
        assert_eq!(found(story(Directive::Poison, Some("error attempts_exhausted"))), [0_u8; 0]);
        assert_eq!(found(story(Directive::Hello, Some("error attempts_exhausted"))), [6]);
    }

    #[test]
    fn a_run_that_was_promised_and_is_not_there() {
        let (book, mut thread) = story(Directive::Hello, Some("natural_end"));
        thread.runs.clear();
        assert_eq!(found((book, thread)), [4]);
    }

    #[test]
    fn a_message_that_nobody_will_read() {
        let (book, mut thread) = story(Directive::Hello, Some("natural_end"));
        thread.pending.push("letter-1".to_owned());
        assert_eq!(found((book, thread)), [8]);
    }
}
