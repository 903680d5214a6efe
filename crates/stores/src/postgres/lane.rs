//! A lane: carries out together what arrived while it was committing.

use std::collections::BTreeSet;
use std::sync::Arc;

use postroom_core::command::{Command, Envelope};
use postroom_core::error::StoreError;
use postroom_core::id::ThreadId;

use super::drawn::Drawn;
use super::error::Fault;
use super::jobs::{Batch, Job, Jobs};
use super::optimistic::{self, Tried};
use super::save::{Failed, Races};
use super::shared::Shared;
use super::transaction::{Mailboxes, Outcome, Transaction};

/// Counts as a lane for as long as it is there.
pub(super) struct Lane(pub(super) Arc<Jobs>);

impl Drop for Lane {
    fn drop(&mut self) {
        self.0.lane_ended();
    }
}

/// Carries jobs out until none come any more.
pub(super) async fn run(shared: Arc<Shared>, lane: Lane) {
    while let Some(batch) = lane.0.take().await {
        carry_out(&shared, batch).await;
    }
}

async fn carry_out(shared: &Shared, mut batch: Batch) {
    let alone = batch.taken.iter().any(Job::deletes);
    let mut envelopes = Vec::new();
    let mut waiting = Vec::with_capacity(batch.taken.len());
    for job in batch.taken.drain(..) {
        waiting.push((job.envelopes.len(), job.reply));
        envelopes.extend(job.envelopes);
    }
    let outcomes = if alone {
        one_by_one(shared, &envelopes).await
    } else {
        together(shared, &envelopes).await
    };
    // Before anybody is answered: what is asked next may be taken at once.
    drop(batch);
    let mut outcomes = outcomes.into_iter();
    for (count, reply) in waiting {
        // Who does not wait any more needs no answer.
        let _ = reply.send(outcomes.by_ref().take(count).collect());
    }
}

/// All of them in one transaction; if one of them breaks it, each in its own, so that it fails alone.
async fn together(shared: &Shared, envelopes: &[Envelope]) -> Vec<Outcome> {
    let ids = shared.ids.batch();
    let mut believes = shared.names.may_try();
    if shared.versions_known.may_try() {
        match optimistic::carry_out(shared, envelopes, &ids, believes).await {
            Tried::Done(outcomes) => return outcomes,
            Tried::Wrong(fault) => believes = believes && names_may_be_new(shared, &fault),
            Tried::Not => {}
        }
    }
    let mut races = Races::default();
    loop {
        match transaction(shared, envelopes, &ids, believes).await {
            Ok(outcomes) => {
                if believes {
                    shared.names.proved(true);
                }
                return outcomes;
            }
            Err(failed) if races.go_on(&failed) => {
                believes = believes && names_may_be_new(shared, failed.fault());
            }
            Err(Failed::Inside(fault)) if fault.is_of_statement() && envelopes.len() > 1 => {
                tracing::warn!(fault = fault.said(), "a transaction was rolled back: one by one");
                return one_by_one(shared, envelopes).await;
            }
            Err(failed) => {
                let error = failed.answer();
                return envelopes.iter().map(|_| Err(error.clone())).collect();
            }
        }
    }
}

/// Whether the names in a transaction that was refused may be as new as was believed: a thread that
/// another node has written says nothing of them.
fn names_may_be_new(shared: &Shared, refused: &Fault) -> bool {
    let may_be = refused.is_outdated();
    if !may_be {
        shared.names.proved(false);
    }
    may_be
}

async fn one_by_one(shared: &Shared, envelopes: &[Envelope]) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(envelopes.len());
    for envelope in envelopes {
        let ids = shared.ids.batch();
        let mut races = Races::default();
        let outcome = loop {
            match transaction(shared, std::slice::from_ref(envelope), &ids, false).await {
                Ok(mut outcomes) => break outcomes.pop().unwrap_or_else(no_answer),
                Err(failed) if races.go_on(&failed) => {}
                Err(failed) => break Err(failed.answer()),
            }
        };
        outcomes.push(outcome);
    }
    outcomes
}

fn no_answer() -> Outcome {
    Err(StoreError::Corrupt { reason: "no answer was made; please report it".to_owned() })
}

/// Whether the commit of `envelopes` waits for the disk, whatever they write.
pub(super) fn is_durable(envelopes: &[Envelope]) -> bool {
    envelopes.iter().any(|envelope| envelope.command.is_promise())
}

/// Their threads, each once, in the order in which they are locked.
pub(super) fn thread_ids(envelopes: &[Envelope]) -> Vec<&ThreadId> {
    let ids: BTreeSet<&ThreadId> = envelopes.iter().map(|envelope| &envelope.thread_id).collect();
    ids.into_iter().collect()
}

/// The same, with what this node most likely does not know of them: those it has not written lately, and
/// while other nodes write the same threads, any.
fn mailboxes<'e>(shared: &Shared, envelopes: &'e [Envelope]) -> Mailboxes<'e> {
    let ids = thread_ids(envelopes);
    let others_write = shared.versions_known.was_wrong();
    let is_strange = |id: &&ThreadId| others_write || shared.cache.get(id).is_none();
    let all_known = !ids.iter().any(is_strange);
    let submitted_to: BTreeSet<&ThreadId> = envelopes
        .iter()
        .filter(|envelope| matches!(envelope.command, Command::Submit(_)))
        .map(|envelope| &envelope.thread_id)
        .filter(is_strange)
        .collect();
    Mailboxes { ids, all_known, strange: submitted_to.into_iter().collect() }
}

/// One transaction for `envelopes`; it `believes` that what is most likely new is new, or has a look.
async fn transaction(
    shared: &Shared,
    envelopes: &[Envelope],
    ids: &Drawn,
    believes: bool,
) -> Result<Vec<Outcome>, Failed> {
    let (durable, mailboxes) = (is_durable(envelopes), mailboxes(shared, envelopes));
    let session = shared.sessions.get().await?;
    let tools = shared.tools(&session, ids);
    let decided = shared.in_time(async {
        let mut transaction = Transaction::of_threads(tools, durable, &mailboxes).await?;
        transaction.sheet.believes = believes;
        let outcomes = transaction.carry_out(envelopes).await?;
        Ok((transaction, outcomes))
    });
    shared.finish(&session, decided.await).await
}
