//! Each operation on dispatches by its name, for whoever wants one thing done and its answer.
//!
//! They add nothing to [`MailboxStore`]: each is one command through
//! [`apply`](MailboxStore::apply). The events that go with an answer are in the thread's log; who
//! wants them at once uses [`Operations::apply_one`]. `claim_ready`, `purge_terminal` and
//! `queued_thread_ids` are the store's own methods.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::command::{
    Begun, CancelTarget, Cancelled, ClaimRequest, Command, Committed, Delivered, Enqueue, Envelope,
    Extended, Interrupted, Outcome, Reply, RunResult, Settle, Settled, Step, Submit, Submitted,
};
use crate::dispatch::{Claim, Dispatch, DispatchState};
use crate::error::{Refusal, StoreError};
use crate::id::{DispatchId, Epoch, InstanceId, ThreadId};
use crate::ports::{Applied, DepthByState, DispatchFilter, MailboxStore, Page, ReclaimScope};

/// The operations by name. Every store has them.
///
/// Those that present a claim name the dispatch too: a claim that is not that dispatch's current
/// one is [`Refusal::StaleClaim`], and an unknown dispatch [`Refusal::UnknownDispatch`].
#[async_trait]
pub trait Operations: MailboxStore {
    /// Carries out one command, and tells what happened with its answer.
    async fn apply_one(
        &self,
        thread_id: ThreadId,
        command: Command,
    ) -> Result<Applied, StoreError> {
        let answers = self.apply(vec![Envelope::new(thread_id, command)]).await;
        answers.into_iter().next().unwrap_or_else(|| {
            Err(StoreError::OutcomeUnknown { reason: "the store gave no answer".to_owned() })
        })
    }

    /// Messages become a run, or join one.
    async fn submit(&self, thread_id: &ThreadId, submit: Submit) -> Result<Submitted, StoreError> {
        let command = Command::Submit(Box::new(submit));
        match self.apply_one(thread_id.clone(), command).await?.reply {
            Reply::Submitted(submitted) => Ok(submitted),
            other => Err(misanswered("submit", &other)),
        }
    }

    /// Queues a delivery of a run. Durable when it returns.
    async fn enqueue(
        &self,
        thread_id: &ThreadId,
        enqueue: Enqueue,
    ) -> Result<Arc<Dispatch>, StoreError> {
        let command = Command::Enqueue(Box::new(enqueue));
        match self.apply_one(thread_id.clone(), command).await?.reply {
            Reply::Enqueued(dispatch) => Ok(dispatch),
            other => Err(misanswered("enqueue", &other)),
        }
    }

    /// Claims up to `limit` dispatches of one thread; as at most one may be claimed at a time, that
    /// is the head of the queue or nothing. The time is the store's.
    async fn claim(
        &self,
        thread_id: &ThreadId,
        request: ClaimRequest,
        limit: usize,
    ) -> Result<Vec<Delivered>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        match self.apply_one(thread_id.clone(), Command::Claim(request)).await?.reply {
            Reply::Claimed(delivered) => Ok(delivered.map(|boxed| *boxed).into_iter().collect()),
            other => Err(misanswered("claim", &other)),
        }
    }

    /// Claims one known dispatch, whatever its `available_at`; `None` if it is not queued or its
    /// thread is busy.
    async fn claim_dispatch(
        &self,
        dispatch_id: DispatchId,
        request: ClaimRequest,
    ) -> Result<Option<Delivered>, StoreError> {
        let thread_id = known(self, dispatch_id).await?.thread_id;
        let command = Command::ClaimDispatch { dispatch_id, request };
        match self.apply_one(thread_id, command).await?.reply {
            Reply::Claimed(delivered) => Ok(delivered.map(|boxed| *boxed)),
            other => Err(misanswered("claim_dispatch", &other)),
        }
    }

    /// Starts the claimed dispatch's run.
    async fn begin(&self, dispatch_id: DispatchId, claim: Claim) -> Result<Begun, StoreError> {
        let thread_id = held(self, dispatch_id, &claim, "begin").await?.thread_id;
        let command = Command::Begin { claim, instance_id: None };
        match self.apply_one(thread_id, command).await?.reply {
            Reply::Begun(begun) => Ok(begun),
            other => Err(misanswered("begin", &other)),
        }
    }

    /// Writes what the run has done, and takes in what is pending.
    async fn commit(
        &self,
        dispatch_id: DispatchId,
        claim: Claim,
        step: Step,
    ) -> Result<Committed, StoreError> {
        let thread_id = held(self, dispatch_id, &claim, "commit").await?.thread_id;
        let command = Command::Commit { claim, step: Box::new(step) };
        match self.apply_one(thread_id, command).await?.reply {
            Reply::Committed(committed) => Ok(committed),
            other => Err(misanswered("commit", &other)),
        }
    }

    /// Ends the delivery with `outcome`.
    async fn settle(
        &self,
        dispatch_id: DispatchId,
        claim: Claim,
        outcome: Outcome,
    ) -> Result<Settled, StoreError> {
        let thread_id = held(self, dispatch_id, &claim, "settle").await?.thread_id;
        settle_in(self, thread_id, claim, outcome).await
    }

    /// Consumes the delivery. The run ends as [`Operations::record_run_result`] has said before,
    /// else naturally.
    async fn ack(&self, dispatch_id: DispatchId, claim: Claim) -> Result<Settled, StoreError> {
        let dispatch = held(self, dispatch_id, &claim, "ack").await?;
        let result = recorded_result(&dispatch).unwrap_or_else(|| RunResult::natural_end(None));
        settle_in(self, dispatch.thread_id, claim, Outcome::Ack(result)).await
    }

    /// Counts a failed attempt: queued again after `retry_in`, or a dead letter when the budget is
    /// spent.
    async fn nack(
        &self,
        dispatch_id: DispatchId,
        claim: Claim,
        retry_in: Duration,
        error: String,
    ) -> Result<Settled, StoreError> {
        self.settle(dispatch_id, claim, Outcome::Nack { retry_in, error }).await
    }

    /// Gives the dispatch up at once.
    async fn dead_letter(
        &self,
        dispatch_id: DispatchId,
        claim: Claim,
        code: String,
        error: String,
    ) -> Result<Settled, StoreError> {
        self.settle(dispatch_id, claim, Outcome::DeadLetter { code, error }).await
    }

    /// Records the attempt's start on the dispatch; an earlier attempt's result goes.
    async fn record_dispatch_start(
        &self,
        dispatch_id: DispatchId,
        claim: Claim,
        instance_id: InstanceId,
    ) -> Result<(), StoreError> {
        let thread_id = held(self, dispatch_id, &claim, "record_dispatch_start").await?.thread_id;
        self.apply_one(thread_id, Command::RecordStart { claim, instance_id }).await.map(drop)
    }

    /// Records the attempt's result on the dispatch.
    async fn record_run_result(
        &self,
        dispatch_id: DispatchId,
        claim: Claim,
        result: RunResult,
    ) -> Result<(), StoreError> {
        let thread_id = held(self, dispatch_id, &claim, "record_run_result").await?.thread_id;
        self.apply_one(thread_id, Command::RecordResult { claim, result }).await.map(drop)
    }

    /// Gives up a claim because its epoch is over.
    async fn supersede_claimed(
        &self,
        dispatch_id: DispatchId,
        claim: Claim,
    ) -> Result<Arc<Dispatch>, StoreError> {
        let thread_id = held(self, dispatch_id, &claim, "supersede_claimed").await?.thread_id;
        match self.apply_one(thread_id, Command::SupersedeClaimed { claim }).await?.reply {
            Reply::Superseded(dispatch) => Ok(dispatch),
            other => Err(misanswered("supersede_claimed", &other)),
        }
    }

    /// Renews the lease; `false` if the claim is no longer held.
    async fn extend_lease(
        &self,
        dispatch_id: DispatchId,
        claim: Claim,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let dispatch = known(self, dispatch_id).await?;
        if dispatch.claim() != Some(&claim) {
            return Ok(false);
        }
        let command = Command::ExtendLease { claim, lease };
        match self.apply_one(dispatch.thread_id, command).await?.reply {
            Reply::Extended(Extended { held, .. }) => Ok(held),
            other => Err(misanswered("extend_lease", &other)),
        }
    }

    /// Hands the claim back; no attempt is lost.
    async fn release(&self, dispatch_id: DispatchId, claim: Claim) -> Result<(), StoreError> {
        let thread_id = held(self, dispatch_id, &claim, "release").await?.thread_id;
        self.apply_one(thread_id, Command::Release { claim }).await.map(drop)
    }

    /// Cancels a queued dispatch and returns it; `None`, and nothing changed, if it is not queued.
    async fn cancel(&self, dispatch_id: DispatchId) -> Result<Option<Arc<Dispatch>>, StoreError> {
        let dispatch = known(self, dispatch_id).await?;
        if dispatch.state() != DispatchState::Queued {
            return Ok(None);
        }
        let command =
            Command::Cancel { target: CancelTarget::Dispatch(dispatch_id), stop_executing: false };
        match self.apply_one(dispatch.thread_id, command).await {
            Ok(Applied { reply: Reply::Cancelled(Cancelled::Dispatch(dispatch)), .. }) => {
                Ok(Some(dispatch))
            }
            Ok(Applied { reply: Reply::Cancelled(_), .. })
            | Err(StoreError::Refused(Refusal::IllegalDispatch { .. })) => Ok(None),
            Ok(Applied { reply, .. }) => Err(misanswered("cancel", &reply)),
            Err(error) => Err(error),
        }
    }

    /// Begins a new epoch: all that is queued is superseded.
    async fn interrupt(&self, thread_id: &ThreadId) -> Result<Interrupted, StoreError> {
        match self.apply_one(thread_id.clone(), Command::Interrupt).await?.reply {
            Reply::Interrupted(interrupted) => Ok(interrupted),
            other => Err(misanswered("interrupt", &other)),
        }
    }

    /// Takes back up to `limit` claims whose lease has expired; they may be claimed again at once.
    async fn reclaim_expired_leases(&self, limit: usize) -> Result<Vec<Arc<Dispatch>>, StoreError> {
        let reclaimed = self.reclaim(ReclaimScope::Expired, Duration::ZERO, limit).await?;
        Ok(reclaimed.dispatches)
    }

    /// Makes a new dispatch, with a fresh attempt budget, of a dead letter's run.
    async fn requeue(
        &self,
        dispatch_id: DispatchId,
        max_attempts: Option<u32>,
    ) -> Result<Arc<Dispatch>, StoreError> {
        let thread_id = known(self, dispatch_id).await?.thread_id;
        let command = Command::Requeue { dispatch_id, max_attempts };
        match self.apply_one(thread_id, command).await?.reply {
            Reply::Enqueued(dispatch) => Ok(dispatch),
            other => Err(misanswered("requeue", &other)),
        }
    }

    /// One dispatch.
    async fn load_dispatch(&self, dispatch_id: DispatchId) -> Result<Option<Dispatch>, StoreError> {
        self.dispatch(dispatch_id).await
    }

    /// The thread's dispatches in one of `states` (none given: in any), newest first.
    async fn list_dispatches(
        &self,
        thread_id: &ThreadId,
        states: &[DispatchState],
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Dispatch>, StoreError> {
        let filter = DispatchFilter {
            thread_id: Some(thread_id.clone()),
            states: states.to_vec(),
            ..DispatchFilter::default()
        };
        self.dispatches(&filter, limit, cursor).await
    }

    /// Dispatches of any thread that nothing leaves any more, newest first.
    async fn list_terminal_dispatches(
        &self,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Dispatch>, StoreError> {
        let states = DispatchState::ALL.into_iter().filter(|state| state.is_terminal()).collect();
        self.dispatches(&DispatchFilter { states, ..DispatchFilter::default() }, limit, cursor)
            .await
    }

    /// How many dispatches are in each state.
    async fn count_dispatches_by_status(&self) -> Result<DepthByState, StoreError> {
        self.depth().await
    }

    /// The thread's epoch; `None` if the thread is unknown.
    async fn current_dispatch_epoch(
        &self,
        thread_id: &ThreadId,
    ) -> Result<Option<Epoch>, StoreError> {
        Ok(self.thread(thread_id).await?.map(|thread| thread.epoch))
    }
}

impl<S: MailboxStore + ?Sized> Operations for S {}

async fn known<S: MailboxStore + ?Sized>(
    store: &S,
    dispatch_id: DispatchId,
) -> Result<Dispatch, StoreError> {
    let found = store.dispatch(dispatch_id).await?;
    found.ok_or(StoreError::Refused(Refusal::UnknownDispatch { dispatch_id }))
}

/// The dispatch, if `claim` is its own. A claim names one attempt of one dispatch for ever, so
/// looking first is no race: the command itself is still fenced.
async fn held<S: MailboxStore + ?Sized>(
    store: &S,
    dispatch_id: DispatchId,
    claim: &Claim,
    command: &'static str,
) -> Result<Dispatch, StoreError> {
    let dispatch = known(store, dispatch_id).await?;
    if dispatch.claim() == Some(claim) {
        Ok(dispatch)
    } else {
        Err(StoreError::Refused(Refusal::StaleClaim { claim: claim.clone(), command }))
    }
}

async fn settle_in<S: MailboxStore + ?Sized>(
    store: &S,
    thread_id: ThreadId,
    claim: Claim,
    outcome: Outcome,
) -> Result<Settled, StoreError> {
    let settle = Settle { claim, step: Step::default(), outcome, next: None };
    match store.apply_one(thread_id, Command::Settle(Box::new(settle))).await?.reply {
        Reply::Settled(settled) => Ok(*settled),
        other => Err(misanswered("settle", &other)),
    }
}

/// What the current attempt has recorded about its end.
fn recorded_result(dispatch: &Dispatch) -> Option<RunResult> {
    let attempt = dispatch.attempt.as_ref()?;
    Some(RunResult {
        termination: attempt.termination.clone()?,
        output: attempt.run_response.clone(),
        error: attempt.run_error.clone(),
    })
}

fn misanswered(command: &'static str, reply: &Reply) -> StoreError {
    StoreError::Corrupt {
        reason: format!("{command} was answered with another's reply: {reply:?}"),
    }
}
