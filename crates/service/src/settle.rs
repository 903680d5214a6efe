//! Settling: what the executor came to becomes one outcome, written once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use postroom_core::command::{Command, Outcome, Reply, RunResult, Settle, Settled, Step};
use postroom_core::dispatch::{Claim, Dispatch, DispatchState};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::ThreadId;
use postroom_core::ports::{CancelReason, RunOutcome};
use postroom_core::run::Termination;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::delivery::Claimed;
use crate::execution::Execution;
use crate::journal::misanswered;
use crate::node::{Node, publish};
use crate::{report, trace};

/// How long a claim is tried to be handed back: nobody waits for it, its lease ends anyway.
const HAND_BACK_FOR: Duration = Duration::from_secs(5);

/// After a run was stopped, whoever asked for it may want the thread: this long it is left alone.
const STOPPED_LEAVE_ALONE: Duration = Duration::from_millis(50);

/// How an execution came to its end.
pub(crate) enum End {
    /// The executor said so.
    Outcome(RunOutcome),
    /// It was asked to stop and did not: it is dropped.
    GaveUp,
    /// The claim is lost.
    Lost,
}

/// What is to be done about an end.
enum Verdict {
    Settle(Box<Step>, Outcome),
    HandBack,
    /// Nothing can be written any more.
    Drop,
}

/// Settles the delivery, and returns the thread's next one if it was claimed with it.
pub(crate) async fn settle(execution: &Arc<Execution>, end: End) -> Option<Claimed> {
    execution.begin_settling();
    let node = &execution.node;
    match verdict(execution, end) {
        Verdict::Drop => {
            trace::lost(&execution.span);
            node.observer.attempt_lost();
            None
        }
        Verdict::HandBack => {
            trace::handed_back(&execution.span);
            hand_back_claim(node, &execution.thread_id, &execution.claim).await;
            None
        }
        Verdict::Settle(mut step, outcome) => {
            // What is being written right now comes first; if that hangs, there is no time left.
            let writer = tokio::time::timeout_at(execution.deadline(), execution.writer.lock());
            let Ok(_writer) = writer.await else {
                trace::lost(&execution.span);
                node.observer.attempt_lost();
                return None;
            };
            let mut events = execution.shown.lock().take();
            events.append(&mut step.events);
            step.events = events;
            write(execution, *step, outcome).await
        }
    }
}

fn verdict(execution: &Execution, end: End) -> Verdict {
    let reason = execution.stop.reason();
    let cancelled = || Verdict::Settle(Box::default(), Outcome::Ack(RunResult::cancelled()));
    if reason == Some(CancelReason::LeaseLost) {
        return Verdict::Drop;
    }
    let outcome = match end {
        End::Lost => return Verdict::Drop,
        End::GaveUp if reason == Some(CancelReason::Shutdown) => return Verdict::HandBack,
        End::GaveUp => return cancelled(),
        End::Outcome(outcome) => outcome,
    };
    match outcome {
        // It stopped because this node goes down, not because anybody wanted the run to end.
        RunOutcome::Completed {
            result: RunResult { termination: Termination::Cancelled, .. },
            ..
        }
        | RunOutcome::TransientError { .. }
            if reason == Some(CancelReason::Shutdown) =>
        {
            Verdict::HandBack
        }
        RunOutcome::TransientError { .. } if reason == Some(CancelReason::Requested) => cancelled(),
        // The lost commit may have taken in messages that this attempt has never seen; the next one
        // finds them in its prompt.
        RunOutcome::Completed { .. } | RunOutcome::Waiting { .. }
            if execution.out_of_step.load(Ordering::Acquire) =>
        {
            Verdict::Settle(Box::default(), nack(execution, "the answer to a commit was lost"))
        }
        RunOutcome::Completed { last, result } => Verdict::Settle(last, Outcome::Ack(result)),
        RunOutcome::Waiting { last, wait } => Verdict::Settle(last, Outcome::Wait(wait)),
        RunOutcome::TransientError { error } => {
            Verdict::Settle(Box::default(), nack(execution, &error))
        }
        RunOutcome::PermanentError { code, error } => {
            Verdict::Settle(Box::default(), Outcome::DeadLetter { code, error })
        }
    }
}

fn nack(execution: &Execution, error: &str) -> Outcome {
    let node = &execution.node;
    let attempt = execution.failed_attempts + 1;
    Outcome::Nack {
        retry_in: node.retry.delay(attempt, node.ids.random()),
        error: error.to_owned(),
    }
}

async fn write(execution: &Arc<Execution>, step: Step, outcome: Outcome) -> Option<Claimed> {
    let node = &execution.node;
    let was_stopped = execution.stop.reason().is_some();
    let mut permit = execution.permit.lock().take()?;
    permit.reclaim();
    // Whoever asked a run to stop wants the thread for something else, and a node that drains wants
    // no more. The next run may take this one's place, so that is not counted.
    let goes_on = permit.keeps() && !was_stopped && node.lifecycle.is_ready();
    let next = goes_on.then(|| node.claim_request(Some(&permit)));
    trace::outcome(&execution.span, &outcome);
    let settle = Settle { claim: execution.claim.clone(), step, outcome, next };

    let (reply, asked_at) = settle_until_deadline(execution, settle).await;
    let mut settled = match reply {
        Ok(settled) => settled,
        Err(error) => {
            not_settled(execution, &error);
            return None;
        }
    };
    node.observer.settled(&settled, execution.claimed_at.elapsed());
    report::soon(node, &settled.run);
    report::look_after_soon(node, &settled.run);
    let next = settled.next.take();
    if next.is_none() {
        look_later(node, &settled, was_stopped);
        if is_for_others(node, &settled) {
            publish(node, &execution.thread_id).await;
        }
    }
    Some(Claimed { delivered: *next?, permit, asked_at })
}

/// Tries until it is written or the claim may be another's.
async fn settle_until_deadline(
    execution: &Execution,
    settle: Settle,
) -> (Result<Box<Settled>, StoreError>, Instant) {
    let node = &execution.node;
    let mut pause = Backoff::of_store();
    let mut settle = Box::new(settle);
    loop {
        let asked_at = Instant::now();
        let command = Command::Settle(settle.clone());
        let applied = node.apply(execution.thread_id.clone(), command);
        let reply = match tokio::time::timeout_at(execution.deadline(), applied).await {
            Ok(Ok(Reply::Settled(settled))) => Ok(settled),
            Ok(Ok(other)) => Err(misanswered("settle", &other)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StoreError::OutcomeUnknown { reason: "no answer came".to_owned() }),
        };
        let Err(error) = &reply else { return (reply, asked_at) };
        if matches!(error, StoreError::OutcomeUnknown { .. }) && settle.next.is_some() {
            node.lost.look_for_some(node);
        }
        match error {
            StoreError::Refused(Refusal::StaleClaim { .. }) => return (reply, asked_at),
            // What the run wants to write can't be written, now or later: its attempt has failed.
            StoreError::Refused(refusal) if !matches!(settle.outcome, Outcome::Nack { .. }) => {
                tracing::warn!(run_id = %execution.run_id, %refusal, "the outcome was refused");
                settle.step = Step::default();
                settle.outcome =
                    nack(execution, &format!("the outcome could not be written: {refusal}"));
            }
            error if !error.is_transient() => return (reply, asked_at),
            _ => {
                let pause = pause.pause();
                if Instant::now() + pause >= execution.deadline() {
                    return (reply, asked_at);
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

fn not_settled(execution: &Execution, error: &StoreError) {
    trace::lost(&execution.span);
    execution.node.observer.attempt_lost();
    // It may be settled all the same, and its end owed a report.
    execution.node.reports.look();
    if matches!(error, StoreError::Refused(Refusal::StaleClaim { .. })) {
        // Another attempt has the thread, or an answer was lost and this one is settled.
        tracing::debug!(run_id = %execution.run_id, %error, "not settled");
    } else {
        tracing::error!(run_id = %execution.run_id, %error, "not settled: it is tried again after its lease");
    }
}

/// Whether other nodes must be told of what the thread has next: this one may have no room for it.
/// One that drains does not see the time of what is delayed; another is to know it.
fn is_for_others(node: &Node, settled: &Settled) -> bool {
    let is_delayed = is_queued(settled) || settled.follow_up.is_some();
    !node.is_alone && (settled.more_due || (is_delayed && !node.lifecycle.is_ready()))
}

/// A retry, or a resumption at a set time.
fn is_queued(settled: &Settled) -> bool {
    settled.dispatch.state() == DispatchState::Queued
}

/// Sees to it that what the thread has next is claimed when its time comes.
fn look_later(node: &Arc<Node>, settled: &Settled, was_stopped: bool) {
    if settled.more_due {
        if was_stopped {
            node.ready.mark_in(STOPPED_LEAVE_ALONE);
        } else {
            node.ready.mark();
        }
        return;
    }
    let now = settled.dispatch.updated_at;
    if is_queued(settled) {
        node.ready.mark_in(settled.dispatch.available_at.since(now));
    } else if settled.follow_up.is_some() {
        // It is for later, or it would be due: the dispatcher asks when.
        node.ready.mark();
    }
}

/// Hands back the claim of a dispatch that does not run here.
pub(crate) async fn hand_back(node: &Node, dispatch: &Dispatch) {
    if let Some(claim) = dispatch.claim() {
        hand_back_claim(node, &dispatch.thread_id, claim).await;
    }
}

pub(crate) async fn hand_back_claim(node: &Node, thread_id: &ThreadId, claim: &Claim) {
    let mut pause = Backoff::of_store();
    let give_up = Instant::now() + HAND_BACK_FOR;
    loop {
        let command = Command::Release { claim: claim.clone() };
        match node.apply(thread_id.clone(), command).await {
            Err(error) if error.is_transient() && Instant::now() < give_up => {
                tokio::time::sleep(pause.pause()).await;
            }
            Err(error) if error.refusal().is_none() => {
                tracing::warn!(%claim, %error, "not handed back: its lease has to end");
                return;
            }
            Ok(_) if !node.is_alone => {
                publish(node, thread_id).await;
                return;
            }
            // Handed back, or lost already.
            _ => return,
        }
    }
}
