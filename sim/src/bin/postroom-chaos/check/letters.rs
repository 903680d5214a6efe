//! 1: what was accepted is in its thread's log exactly once, in the order of its sender; what was
//! refused, or failed without having been written, is not; and nothing else is there.

use std::collections::BTreeMap;

use postroom_core::message::Role;

use super::Findings;
use super::state::{Logged, ThreadEnd};
use crate::told::{Book, Fate, Letter, Mode};

pub fn check(book: &Book, threads: &[ThreadEnd], findings: &mut Findings) {
    for facts in &book.undocumented {
        findings.broken(0, facts.clone());
    }
    let mut letters: BTreeMap<&str, Vec<&Letter>> = BTreeMap::new();
    for letter in book.letters.values() {
        letters.entry(&letter.thread_id).or_default().push(letter);
    }
    let empty = ThreadEnd::default();
    for (thread_id, letters) in letters {
        let thread = threads.iter().find(|thread| thread.id == thread_id).unwrap_or(&empty);
        counted(thread_id, &letters, thread, findings);
        in_order(&letters, thread, findings);
    }
}

fn counted(thread_id: &str, letters: &[&Letter], thread: &ThreadEnd, findings: &mut Findings) {
    let logged = thread.log.iter().filter(|row| row.role == Role::User);
    let mut there: BTreeMap<&str, u64> = BTreeMap::new();
    for id in logged.map(|row| &row.message_id).chain(&thread.pending) {
        *there.entry(id).or_default() += 1;
    }
    for letter in letters {
        let times = there.remove(letter.message_id.as_str()).unwrap_or_default();
        let (check, holds) = match letter.fate() {
            Fate::Accepted => ("accepted letters", times == 1),
            Fate::NotWritten => ("letters that were not written", times == 0),
            Fate::Unknown => ("letters of unknown fate", times <= 1),
        };
        findings.that(1, check, holds, || {
            let (id, answers) = (&letter.message_id, &letter.answers);
            format!("{thread_id} has {id} {times} times, and its sender was told {answers:?}")
        });
    }
    for id in there.keys() {
        findings.broken(1, format!("{thread_id} has {id}, which nobody sent there"));
    }
}

/// Letters of one sender that became runs of their own, and were read: a run that is cancelled
/// before it starts has its message put into the log at once.
fn in_order(letters: &[&Letter], thread: &ThreadEnd, findings: &mut Findings) {
    let rows: BTreeMap<&str, &Logged> =
        thread.log.iter().map(|row| (row.message_id.as_str(), row)).collect();
    // A run that waited may have taken several in: the order among runs is that of their first.
    let mut firsts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in thread.log.iter().filter(|row| row.role == Role::User) {
        firsts.entry(&row.run_id).or_insert(row.seq);
    }
    let mut last: BTreeMap<usize, &Logged> = BTreeMap::new();
    for letter in letters.iter().filter(|letter| letter.mode == Mode::Enqueue) {
        let Some(row) = rows.get(letter.message_id.as_str()) else { continue };
        let is_own = letter.run_id() == Some(&row.run_id)
            && firsts.get(row.run_id.as_str()) == Some(&row.seq)
            && thread.runs.get(&row.run_id).is_some_and(|run| run.started);
        if !is_own {
            continue;
        }
        if let Some(before) = last.insert(letter.sender, row) {
            findings.that(1, "pairs of letters in order", before.seq < row.seq, || {
                let (id, seq) = (&row.message_id, row.seq);
                let (earlier, at) = (&before.message_id, before.seq);
                format!("{}: {id} is at {seq}, {earlier} sent before it at {at}", thread.id)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use postroom_core::run::RunState;

    use super::super::state::RunEnd;
    use super::*;
    use crate::told::Answer;

    /// Two accepted letters, as they should be.
    fn story() -> (Book, ThreadEnd) {
        let mut book = Book::default();
        let mut thread = ThreadEnd { id: "t".to_owned(), ..ThreadEnd::default() };
        for seq in 1..=2 {
            let letter = book.write("t", 0, Mode::Enqueue);
            let run_id = format!("run {seq}");
            book.answered(letter.token, Answer::Accepted { run_id: run_id.clone() });
            let run = RunEnd { state: RunState::Done, termination: None, started: true };
            thread.runs.insert(run_id.clone(), run);
            thread.log.push(Logged {
                seq,
                role: Role::User,
                message_id: letter.message_id,
                run_id,
                text: String::new(),
            });
        }
        (book, thread)
    }

    fn found(book: &Book, thread: ThreadEnd) -> Vec<u8> {
        let mut findings = Findings::default();
        check(book, &[thread], &mut findings);
        findings.numbers()
    }

    #[test]
    fn all_is_well() {
        let (book, thread) = story();
        assert_eq!(found(&book, thread), [0_u8; 0]);
    }

    #[test]
    fn an_accepted_letter_is_lost_or_doubled() {
        let (book, mut thread) = story();
        thread.log.pop();
        assert_eq!(found(&book, thread), [1]);
        let (book, mut thread) = story();
        thread.pending.push("letter-2".to_owned());
        assert_eq!(found(&book, thread), [1]);
        let (book, _) = story();
        assert_eq!(found(&book, ThreadEnd::default()), [1]);
    }

    #[test]
    fn a_letter_that_was_not_written_is_there() {
        let answers = [
            Answer::Refused { status: 409, code: "active_run".to_owned() },
            Answer::NothingWritten { code: "store_unavailable".to_owned() },
        ];
        for answer in answers {
            let (mut book, thread) = story();
            book.letters.get_mut(&2).unwrap().answers = vec![answer.clone()];
            assert_eq!(found(&book, thread), [1]);
            // Unless another try may have been carried out.
            let (mut book, thread) = story();
            let unknown = Answer::Unknown { why: "no answer".to_owned() };
            book.letters.get_mut(&2).unwrap().answers = vec![unknown, answer];
            assert_eq!(found(&book, thread), [0_u8; 0]);
        }
    }

    #[test]
    fn a_message_that_nobody_sent() {
        let (mut book, thread) = story();
        book.letters.get_mut(&1).unwrap().message_id = "another".to_owned();
        assert_eq!(found(&book, thread), [1]);
    }

    #[test]
    fn letters_overtake_each_other() {
        let (book, mut thread) = story();
        thread.log[0].seq = 2;
        thread.log[1].seq = 1;
        thread.log.reverse();
        assert_eq!(found(&book, thread), [1]);
    }

    #[test]
    fn an_answer_that_is_not_documented() {
        let (mut book, thread) = story();
        book.answered(1, Answer::Undocumented { status: 500, body: "oops".to_owned() });
        assert_eq!(found(&book, thread), [0]);
    }
}
