//! What a store answers to a step, in a form that can be compared.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{Command, Delivered, Envelope};
use postroom_core::dispatch::Dispatch;
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::SharedEvent;
use postroom_core::id::{RunId, ThreadId};
use postroom_core::ports::{Applied, MailboxStore};
use postroom_core::time::Timestamp;

use super::generate::Step;

/// A refusal is an answer; anything else that goes wrong is a fault.
pub(super) type Answered<T> = Result<T, Refused>;

#[derive(Debug, PartialEq)]
pub(super) enum Refused {
    Refusal(Refusal),
    Fault(String),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => Self::Refusal(refusal),
            error => Self::Fault(error.to_string()),
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Applied(Vec<Answered<Applied>>),
    Ready(Answered<(Vec<Delivered>, Vec<SharedEvent>, Option<Duration>)>),
    Reclaimed(Answered<(Vec<Arc<Dispatch>>, Vec<SharedEvent>)>),
    Purged(Answered<u64>),
    /// What a look found, and what became of it.
    Collected(Answered<Vec<(ThreadId, RunId)>>, Vec<Answered<Applied>>),
    /// To what only moves the clock.
    Nothing,
}

impl Answer {
    pub(super) async fn of(store: &dyn MailboxStore, step: Step) -> Self {
        match step {
            Step::Apply(commands) => {
                let answers = store.apply(commands).await;
                Self::Applied(answers.into_iter().map(|answer| Ok(answer?)).collect())
            }
            Step::ClaimReady { request, limit } => {
                let ready = store.claim_ready(request, limit).await;
                let ready = ready.map(|ready| (ready.claimed, ready.events, ready.next_due_in));
                Self::Ready(ready.map_err(Refused::from))
            }
            Step::Reclaim { scope, retry_in, limit } => {
                let reclaimed = store.reclaim(scope, retry_in, limit).await;
                let reclaimed = reclaimed.map(|all| (all.dispatches, all.events));
                Self::Reclaimed(reclaimed.map_err(Refused::from))
            }
            Step::Purge { older_than } => Self::Purged(
                store.purge_terminal(None, None, older_than, 1_000).await.map_err(Refused::from),
            ),
            Step::Collect { ended_before } => Self::of_collection(store, ended_before).await,
            Step::Advance(_) | Step::GoBack(_) => Self::Nothing,
        }
    }

    /// The dispatches of what is as old are purged first, as they are in life.
    async fn of_collection(store: &dyn MailboxStore, ended_before: Timestamp) -> Self {
        let purged = store.purge_terminal(None, None, ended_before, 1_000).await;
        if let Err(error) = purged {
            return Self::Collected(Err(error.into()), Vec::new());
        }
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            match store.old_runs(ended_before, cursor.as_deref(), 7).await {
                Ok(old) => {
                    found.extend(old.runs);
                    cursor = old.next_cursor;
                }
                Err(error) => return Self::Collected(Err(error.into()), Vec::new()),
            }
            if cursor.is_none() {
                break;
            }
        }
        let collect = |(thread_id, run_id): &(ThreadId, RunId)| {
            let command = Command::CollectRun { run_id: run_id.clone(), ended_before };
            Envelope::new(thread_id.clone(), command)
        };
        let answers = store.apply(found.iter().map(collect).collect()).await;
        let answers = answers.into_iter().map(|answer| Ok(answer?)).collect();
        Self::Collected(Ok(found), answers)
    }

    /// What went wrong in the store itself.
    pub(super) fn fault(&self) -> Option<&str> {
        fn of<T>(answer: &Answered<T>) -> Option<&str> {
            match answer {
                Err(Refused::Fault(fault)) => Some(fault),
                _ => None,
            }
        }
        match self {
            Self::Applied(answers) => answers.iter().find_map(of),
            Self::Ready(answer) => of(answer),
            Self::Reclaimed(answer) => of(answer),
            Self::Purged(answer) => of(answer),
            Self::Collected(found, answers) => of(found).or_else(|| answers.iter().find_map(of)),
            Self::Nothing => None,
        }
    }
}
