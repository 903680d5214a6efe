//! What a store answers to a step, in a form that can be compared.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::Delivered;
use postroom_core::dispatch::Dispatch;
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::SharedEvent;
use postroom_core::ports::{Applied, MailboxStore};

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
            Step::Advance(_) | Step::GoBack(_) => Self::Nothing,
        }
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
            Self::Nothing => None,
        }
    }
}
