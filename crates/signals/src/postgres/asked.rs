//! Live commands that wait for an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use postroom_core::live::LiveReceipt;
use tokio::sync::oneshot;

#[derive(Clone, Default)]
pub(super) struct Asked {
    shared: Arc<Mutex<Questions>>,
}

#[derive(Default)]
struct Questions {
    open: BTreeMap<u64, Question>,
    last_number: u64,
}

struct Question {
    /// Who has not answered yet, of those that were there.
    silent: BTreeSet<u64>,
    answer: oneshot::Sender<LiveReceipt>,
}

/// One question. Dropping it forgets it.
pub(super) struct Open {
    pub(super) number: u64,
    pub(super) answer: oneshot::Receiver<LiveReceipt>,
    asked: Asked,
}

impl Asked {
    /// Opens a question to `nodes`.
    pub(super) fn open(&self, nodes: Vec<u64>) -> Open {
        let (answer, answered) = oneshot::channel();
        let mut questions = self.shared.lock();
        questions.last_number += 1;
        let number = questions.last_number;
        questions.open.insert(number, Question { silent: nodes.into_iter().collect(), answer });
        Open { number, answer: answered, asked: self.clone() }
    }

    /// A node has answered. One that has taken the command decides it; that none of those that were
    /// there has taken it is known once all have said so.
    pub(super) fn answered(&self, number: u64, node: u64, taken: bool) {
        let mut questions = self.shared.lock();
        let Some(question) = questions.open.get_mut(&number) else { return };
        let was_silent = question.silent.remove(&node);
        let receipt = match (taken, was_silent && question.silent.is_empty()) {
            (true, _) => LiveReceipt::Delivered,
            (false, true) => LiveReceipt::NoSubscriber,
            (false, false) => return,
        };
        if let Some(question) = questions.open.remove(&number) {
            // Who asked may have given up.
            let _ = question.answer.send(receipt);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.asked.shared.lock().open.remove(&self.number);
    }
}
