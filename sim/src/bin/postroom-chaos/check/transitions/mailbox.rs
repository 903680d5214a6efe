//! One thread, as its transitions make it.

use std::collections::BTreeMap;

use super::commit::{Commit, Held};
use crate::check::Findings;
use crate::transitions::{Change, ClaimRow, Delta, DispatchRow, RunRow, ThreadRow, Transition};

/// What is in the database, as far as the log tells.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    pub(super) thread_no: u64,
    pub(super) thread: Option<ThreadRow>,
    /// Those that are queued or claimed.
    pub(super) dispatches: BTreeMap<String, DispatchRow>,
    pub(super) runs: BTreeMap<String, RunRow>,
    pub(super) claim: Option<ClaimRow>,
    /// The claim that is held, and who took it.
    pub(super) held: Option<Held>,
    /// The greatest number that a claim has had.
    pub(super) number: u64,
    commit: Option<Commit>,
}

impl Mailbox {
    pub(super) fn new(thread_no: u64) -> Self {
        Self { thread_no, ..Self::default() }
    }

    /// Takes one change in, and checks what must hold of it.
    pub(super) fn follow(&mut self, transition: &Transition, findings: &mut Findings) {
        if self.commit.as_ref().is_some_and(|commit| commit.txid != transition.txid) {
            self.close(findings);
        }
        let held = self.held.clone();
        let epoch = self.thread.as_ref().map(|thread| thread.epoch);
        let commit = self.commit.get_or_insert_with(|| Commit::new(transition, held, epoch));
        commit.at_ms = transition.at_ms;
        match &transition.change {
            Change::Thread(delta) => {
                self.thread_moves(delta, findings);
                self.thread.clone_from(&delta.becomes);
            }
            Change::Run(delta) => {
                commit.runs.push(delta.clone());
                put(&mut self.runs, delta, |run| &run.id, |_| true);
            }
            Change::Dispatch(delta) => {
                commit.dispatches.push(delta.clone());
                self.dispatch_moves(delta, findings);
                put(&mut self.dispatches, delta, |row| &row.id, |row| !row.is_terminal());
            }
            Change::Claim(delta) => self.claim.clone_from(&delta.becomes),
            Change::Message(delta) => commit.messages.extend(delta.becomes.clone()),
        }
    }

    /// The transaction is complete: checks what must hold at its commit.
    pub(super) fn close(&mut self, findings: &mut Findings) {
        if let Some(commit) = self.commit.take() {
            self.committed(&commit, findings);
        }
    }

    /// 5, 3: numbers only grow.
    fn thread_moves(&self, delta: &Delta<ThreadRow>, findings: &mut Findings) {
        let (Some(was), Some(becomes)) = (&delta.was, &delta.becomes) else { return };
        let no = self.thread_no;
        findings.that(5, "epochs that grow", was.epoch <= becomes.epoch, || {
            format!("thread {no}: epoch {} after {}", becomes.epoch, was.epoch)
        });
        findings.that(3, "claim numbers", was.claim_number <= becomes.claim_number, || {
            format!("thread {no}: claim {} after {}", becomes.claim_number, was.claim_number)
        });
    }

    /// 5: what has ended stays so; 6: attempts are counted, and within the budget.
    fn dispatch_moves(&self, delta: &Delta<DispatchRow>, findings: &mut Findings) {
        let Some(becomes) = &delta.becomes else { return };
        let (no, id) = (self.thread_no, &becomes.id);
        findings.that(6, "budgets", becomes.attempt_count <= becomes.max_attempts, || {
            format!("thread {no}: {id} has failed {} times", becomes.attempt_count)
        });
        let Some(was) = &delta.was else { return };
        let stays = !was.is_terminal() || was.status == becomes.status;
        findings.that(5, "ends that last", stays, || {
            format!("thread {no}: {id} was {}, and is {}", was.status, becomes.status)
        });
        let grows = was.attempt_count <= becomes.attempt_count;
        findings.that(6, "attempts that grow", grows, || {
            format!("thread {no}: {id} has lost attempts")
        });
        let failed = was.status == "claimed"
            && becomes.last_error.is_some()
            && was.last_error != becomes.last_error;
        if failed {
            let counted = was.attempt_count < becomes.attempt_count;
            findings.that(6, "failed attempts", counted, || {
                format!("thread {no}: a failed attempt of {id} was not counted")
            });
        }
    }
}

fn put<R: Clone>(
    rows: &mut BTreeMap<String, R>,
    delta: &Delta<R>,
    id: fn(&R) -> &String,
    is_kept: fn(&R) -> bool,
) {
    match (&delta.was, &delta.becomes) {
        (_, Some(becomes)) if is_kept(becomes) => {
            rows.insert(id(becomes).clone(), becomes.clone());
        }
        (_, Some(row)) | (Some(row), None) => {
            rows.remove(id(row));
        }
        (None, None) => {}
    }
}
