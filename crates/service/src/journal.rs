//! The one way to the store for all that changes it: what is carried out is published and counted.

use std::time::Duration;

use postroom_core::command::{ClaimRequest, Command, Delivered, Envelope, Reply};
use postroom_core::error::StoreError;
use postroom_core::id::ThreadId;
use postroom_core::ports::{Applied, ClaimedReady, ReclaimScope, Reclaimed};
use postroom_core::sabotage::{Moment, passing};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::node::Node;
use crate::observe::{Operation, Outcome};

/// How often what is safe to repeat is tried while the store loses its answers.
const TRIES_MAX: u32 = 4;

/// An answer, and the moment before its command was sent: what was granted from "now" on, was
/// granted from that moment on at the earliest.
pub(crate) struct Answer {
    pub(crate) reply: Result<Reply, StoreError>,
    pub(crate) asked_at: Instant,
    /// An earlier answer was lost: a claim in it is nobody's.
    pub(crate) lost_one: bool,
}

impl Node {
    /// Carries out one command of the service's own.
    pub(crate) async fn apply(
        &self,
        thread_id: ThreadId,
        command: Command,
    ) -> Result<Reply, StoreError> {
        self.apply_one(Envelope::new(thread_id, command)).await
    }

    /// Carries out one command.
    pub(crate) async fn apply_one(&self, envelope: Envelope) -> Result<Reply, StoreError> {
        let mut answers = self.apply_all(vec![envelope]).await;
        answers.pop().unwrap_or_else(|| Err(no_answer()))
    }

    /// Carries out commands, each atomic on its own.
    pub(crate) async fn apply_all(
        &self,
        commands: Vec<Envelope>,
    ) -> Vec<Result<Reply, StoreError>> {
        let named: Vec<(Operation, ThreadId)> = commands
            .iter()
            .map(|envelope| (Operation::of(&envelope.command), envelope.thread_id.clone()))
            .collect();
        passing(Moment::BeforeWrite);
        let mut answers = self.store.apply(commands).await;
        passing(Moment::AfterWrite);
        answers.resize_with(named.len(), || Err(no_answer()));
        let noted = answers.into_iter().zip(&named).map(|(answer, (operation, thread_id))| {
            self.observer.count(*operation, Outcome::of(&answer));
            self.note(thread_id, answer)
        });
        noted.collect()
    }

    fn note(
        &self,
        thread_id: &ThreadId,
        answer: Result<Applied, StoreError>,
    ) -> Result<Reply, StoreError> {
        match answer {
            Ok(applied) => {
                self.hub.publish(&applied.events);
                Ok(applied.reply)
            }
            Err(error) => {
                if matches!(error, StoreError::OutcomeUnknown { .. }) {
                    // Its events may be in the log, and nobody else publishes them.
                    self.hub.look_again(thread_id);
                }
                Err(error)
            }
        }
    }

    /// Carries out a command that may be repeated: where an answer is lost, it is asked again.
    pub(crate) async fn apply_repeatable(&self, envelope: Envelope) -> Answer {
        let mut pause = Backoff::of_store();
        let mut lost_one = false;
        for _ in 1..TRIES_MAX {
            let asked_at = Instant::now();
            match self.apply_one(envelope.clone()).await {
                Err(StoreError::OutcomeUnknown { .. }) => lost_one = true,
                // This one has written nothing, but the one before may have.
                Err(StoreError::Unavailable { .. }) if lost_one => {}
                reply => return Answer { reply, asked_at, lost_one },
            }
            tokio::time::sleep(pause.pause()).await;
        }
        let asked_at = Instant::now();
        let reply = match self.apply_one(envelope).await {
            Err(StoreError::Unavailable { reason }) if lost_one => {
                Err(StoreError::OutcomeUnknown { reason })
            }
            reply => reply,
        };
        let lost_one = lost_one || matches!(reply, Err(StoreError::OutcomeUnknown { .. }));
        Answer { reply, asked_at, lost_one }
    }

    /// Claims the heads of up to `limit` ready threads.
    pub(crate) async fn claim_ready(
        &self,
        request: ClaimRequest,
        limit: usize,
    ) -> Result<ClaimedReady, StoreError> {
        let answer = self.store.claim_ready(request, limit).await;
        match &answer {
            Ok(claimed) => {
                self.observer.count_many(Operation::Claim, Outcome::Ok, claimed.claimed.len());
                self.hub.publish(&claimed.events);
            }
            Err(error) => self.observer.count(Operation::Claim, Outcome::of_error(error)),
        }
        answer
    }

    /// Claims the head of one thread.
    pub(crate) async fn claim_head(
        &self,
        thread_id: ThreadId,
    ) -> Result<Option<Box<Delivered>>, StoreError> {
        match self.apply(thread_id, Command::Claim(self.claim_request(None))).await? {
            Reply::Claimed(claimed) => Ok(claimed),
            other => Err(misanswered("claim", &other)),
        }
    }

    /// Takes back up to `limit` claims.
    pub(crate) async fn reclaim(
        &self,
        scope: ReclaimScope,
        limit: usize,
    ) -> Result<Reclaimed, StoreError> {
        let answer = self.store.reclaim(scope, Duration::ZERO, limit).await;
        match &answer {
            Ok(reclaimed) => {
                let count = reclaimed.dispatches.len();
                self.observer.count_many(Operation::Reclaim, Outcome::Ok, count);
                self.hub.publish(&reclaimed.events);
            }
            Err(error) => self.observer.count(Operation::Reclaim, Outcome::of_error(error)),
        }
        answer
    }
}

fn no_answer() -> StoreError {
    StoreError::OutcomeUnknown { reason: "the store gave no answer".to_owned() }
}

/// A store that answers a command with another's reply breaks its contract.
pub(crate) fn misanswered(command: &'static str, reply: &Reply) -> StoreError {
    StoreError::Corrupt {
        reason: format!("{command} was answered with another's reply: {reply:?}"),
    }
}
