//! One attempt's entry in the ledger: made when it starts, closed when it ends or is dropped.

use std::collections::BTreeSet;
use std::sync::Arc;

use postroom_conformance::front::at_once;
use postroom_core::command::Activation;
use postroom_core::dispatch::Dispatch;
use postroom_core::id::MessageId;
use postroom_core::ports::{MailboxStore, RunOutcome};

use super::plan::Plan;
use crate::ledger::{Attempt, RunBook};
use crate::trace::Brief;
use crate::world::World;

/// An attempt that has started.
pub(super) struct Entry {
    pub(super) world: Arc<World>,
    pub(super) node: String,
    pub(super) number: usize,
    pub(super) plan: Plan,
    /// Which attempt of its dispatch it is, from 1.
    pub(super) turn: u32,
}

impl Entry {
    pub(super) fn begin(world: &Arc<World>, node: &str, activation: &Activation) -> Self {
        let Activation { claim, run, dispatch, .. } = activation;
        world.mark("attempt started");
        world.note(node, format_args!("run {} starts, claim {}", Brief(&run.id), claim.number));
        is_current(world, activation);
        let mut ledger = world.ledger.lock();
        if let Some(newest) = ledger.newest(&dispatch.thread_id)
            && newest.claim >= claim.number
            && !(world.shape.wild_clock && newest.claim > claim.number)
        {
            let facts = format!("claim {claim} starts an executor after claim {}", newest.claim);
            world.broken(2, facts);
        }
        let number = ledger.start(Attempt {
            run_id: run.id.clone(),
            thread_id: dispatch.thread_id.clone(),
            claim: claim.number,
            node: node.to_owned(),
            runs: true,
            reads: false,
            seen: BTreeSet::new(),
        });
        let book = ledger.dispatches.entry(dispatch.id).or_default();
        book.started += 1;
        let (turn, released) = (book.started, book.released);
        if turn > 1 {
            world.mark("attempt after another");
        }
        if turn > dispatch.max_attempts + released {
            let max = dispatch.max_attempts;
            let id = Brief(dispatch.id);
            let facts = format!("{id} is started {turn} times of {max}, {released} handed back");
            world.broken(6, facts);
        }
        let book = ledger.runs.entry(run.id.clone()).or_insert_with(|| RunBook {
            plan: match run.parent_run_id {
                Some(_) => Plan::draw_for_child(&world.chance),
                None => Plan::draw(&world.chance),
            },
            stage: 0,
            last: number,
            written: Vec::new(),
        });
        book.last = number;
        let plan = book.plan.clone();
        Self { world: world.clone(), node: node.to_owned(), number, plan, turn }
    }

    pub(super) fn ended(&self, outcome: &RunOutcome) {
        let what = match outcome {
            RunOutcome::Completed { result, .. } => result.termination.as_str(),
            RunOutcome::Waiting { wait, .. } => wait.reason.as_str(),
            RunOutcome::TransientError { .. } => "failed for now",
            RunOutcome::PermanentError { .. } => "failed for good",
        };
        self.close(what);
    }

    pub(super) fn reads(&self) {
        self.world.ledger.lock().attempts[self.number].reads = true;
    }

    /// The attempt is given messages, which it must not have been given before.
    pub(super) fn given(&self, ids: impl Iterator<Item = MessageId>) {
        for id in ids {
            let is_new = self.world.ledger.lock().attempts[self.number].seen.insert(id.clone());
            if !is_new {
                self.world.broken(8, format!("message {id} is given to one attempt twice"));
            }
        }
    }

    /// A step is written, and was confirmed.
    pub(super) fn confirmed(&self, stage: usize, written: Vec<MessageId>) {
        if let Some(book) = self.world.ledger.lock().run_of(self.number) {
            book.stage = book.stage.max(stage);
            book.written.extend(written);
        }
    }

    fn close(&self, how: &str) {
        let mut ledger = self.world.ledger.lock();
        let attempt = &mut ledger.attempts[self.number];
        if std::mem::replace(&mut attempt.runs, false) {
            let (run_id, claim) = (Brief(&attempt.run_id), attempt.claim);
            self.world.note(&self.node, format_args!("run {run_id} ends, claim {claim}: {how}"));
            if how == "dropped" {
                self.world.mark("attempt dropped");
            }
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.close("dropped");
    }
}

/// 5: an executor starts only under the claim that its dispatch has.
fn is_current(world: &World, activation: &Activation) {
    let dispatch = at_once(world.store.dispatch(activation.dispatch.id)).ok().flatten();
    let current = dispatch.as_ref().and_then(Dispatch::claim);
    if current != Some(&activation.claim) && !world.shape.wild_clock {
        let (id, claim) = (Brief(activation.dispatch.id), &activation.claim);
        let is = dispatch.as_ref().map(|dispatch| dispatch.state().to_string()).unwrap_or_default();
        world.broken(5, format!("{id} starts under claim {claim}, and it is {is} ({current:?})"));
    }
}
