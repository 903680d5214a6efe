//! The ledger: what executors did and were given, kept outside of the store.

use std::collections::{BTreeMap, BTreeSet};

use postroom_core::id::{DispatchId, MessageId, RunId, TaskId, ThreadId};

use crate::executor::Plan;

/// All attempts of all runs.
#[derive(Default)]
pub struct Ledger {
    /// In the order in which they started.
    pub attempts: Vec<Attempt>,
    /// What is known of each run.
    pub runs: BTreeMap<RunId, RunBook>,
    /// What is known of each dispatch.
    pub dispatches: BTreeMap<DispatchId, DispatchBook>,
    /// Background tasks that are under way.
    pub tasks: BTreeSet<TaskId>,
    claims: BTreeMap<ThreadId, u64>,
    newest: BTreeMap<ThreadId, usize>,
}

/// One attempt of an executor.
pub struct Attempt {
    /// Of which run.
    pub run_id: RunId,
    /// In which thread.
    pub thread_id: ThreadId,
    /// Under which claim.
    pub claim: u64,
    /// On which node.
    pub node: String,
    /// It has not ended.
    pub runs: bool,
    /// It read its prompt, so that it should know all that is its run's.
    pub reads: bool,
    /// The messages that it was given.
    pub seen: BTreeSet<MessageId>,
}

/// What is known of a run.
pub struct RunBook {
    /// What it does.
    pub plan: Plan,
    /// How far it has come, as far as a commit was confirmed.
    pub stage: usize,
    /// Its newest attempt.
    pub last: usize,
    /// Messages whose commit was confirmed.
    pub written: Vec<MessageId>,
}

/// What is known of a dispatch.
#[derive(Default)]
pub struct DispatchBook {
    /// How often an executor was started with it.
    pub started: u32,
    /// How often its claim was handed back, which costs no attempt.
    pub released: u32,
}

impl Ledger {
    /// A claim was given; says the number of the one before.
    pub fn granted(&mut self, thread_id: &ThreadId, number: u64) -> u64 {
        self.claims.insert(thread_id.clone(), number).unwrap_or_default()
    }

    /// A claim was handed back.
    pub fn released(&mut self, id: DispatchId) {
        self.dispatches.entry(id).or_default().released += 1;
    }

    /// An attempt starts; says its number.
    pub fn start(&mut self, attempt: Attempt) -> usize {
        let number = self.attempts.len();
        self.newest.insert(attempt.thread_id.clone(), number);
        self.attempts.push(attempt);
        number
    }

    /// The newest attempt in a thread.
    pub fn newest(&self, thread_id: &ThreadId) -> Option<&Attempt> {
        self.newest.get(thread_id).map(|number| &self.attempts[*number])
    }

    /// An attempt that runs although a newer one of its thread was started: the two.
    pub fn overtaken(&self, number: usize) -> Option<(&Attempt, &Attempt)> {
        let attempt = &self.attempts[number];
        let newest = self.newest(&attempt.thread_id)?;
        (newest.claim > attempt.claim).then_some((attempt, newest))
    }

    /// An attempt's run.
    pub fn run_of(&mut self, number: usize) -> Option<&mut RunBook> {
        self.runs.get_mut(&self.attempts[number].run_id)
    }

    /// What runs.
    pub fn running(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.runs)
    }
}
