//! Delivering: a claimed dispatch is executed, settled, and followed by its thread's next one.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt;
use postroom_core::command::{Activation, Begun, Delivered};
use postroom_core::ports::{CancelReason, LiveHandler, RunContext, RunOutcome};
use tokio::time::Instant;
use tracing::{Instrument, field};

use crate::admission::Permit;
use crate::execution::Execution;
use crate::node::Node;
use crate::report;
use crate::settle::{self, End};
use crate::trace;

/// A dispatch that is claimed for this node, and its place here.
pub(crate) struct Claimed {
    pub(crate) delivered: Delivered,
    pub(crate) permit: Permit,
    /// When the claim was asked for: its lease began then at the earliest.
    pub(crate) asked_at: Instant,
}

/// Delivers `first`, and what its thread has next for as long as this node may claim it.
pub(crate) async fn execute(node: Arc<Node>, first: Claimed) {
    let mut claimed = Some(first);
    while let Some(now) = claimed {
        claimed = deliver(&node, now).await;
    }
}

async fn deliver(node: &Arc<Node>, claimed: Claimed) -> Option<Claimed> {
    let Claimed { delivered: Delivered { dispatch, begun }, mut permit, asked_at } = claimed;
    let activation = match begun {
        Some(Begun::Started(activation)) => activation,
        Some(Begun::NotStarted) => {
            // The claim is given up already; the thread may have more, and its run a report to make.
            node.ready.mark();
            node.reports.look();
            return None;
        }
        None => {
            settle::hand_back(node, &dispatch).await;
            return None;
        }
    };
    if !permit.assign(&dispatch) {
        // Another run took the agent's or the tenant's last place while this one was being claimed.
        settle::hand_back(node, &dispatch).await;
        return None;
    }
    node.observer.started(&dispatch, asked_at.elapsed());
    let execution = Execution::new(node, &activation, permit, asked_at);
    let registered = node.executions.register(execution);
    if node.lost.has_handed_back(dispatch.id, &activation.claim) {
        // The answer was so slow that the claim was taken for a lost one.
        trace::lost(&registered.span);
        node.ready.mark();
        return None;
    }
    let span = tracing::info_span!(
        "run",
        thread_id = %dispatch.thread_id,
        run_id = %dispatch.run_id,
        dispatch_id = %dispatch.id,
        attempt = dispatch.attempt_count + 1,
        trace_id = field::Empty,
        span_id = field::Empty,
    );
    trace::name_in(&span, &registered.span);
    let attempt = async {
        let end = run(&registered, *activation).await;
        settle::settle(&registered, end).await
    };
    let next = attempt.instrument(span).await;
    registered.span.end();
    next
}

/// Runs the executor until it ends or must be dropped.
async fn run(execution: &Arc<Execution>, activation: Activation) -> End {
    tracing::debug!("an attempt begins");
    if let Some(CancelReason::Shutdown) = execution.stop.reason() {
        return End::GaveUp;
    }
    let node = &execution.node;
    match report::is_orphan(node, &activation.run).await {
        Ok(false) => {}
        Ok(true) => return End::Outcome(RunOutcome::cancelled()),
        Err(error) => {
            let error = format!("whether somebody waits for the run is unknown: {error}");
            return End::Outcome(RunOutcome::TransientError { error });
        }
    }
    // The answers may have taken so long that the lease is over.
    if execution.deadline() <= Instant::now() {
        execution.stop.raise(CancelReason::LeaseLost);
        return End::Lost;
    }
    let context: Arc<dyn RunContext> = execution.clone();
    let attempt = async { node.executor.run(activation, context).await };
    let mut attempt = pin!(AssertUnwindSafe(attempt).catch_unwind());

    // What ends at once needs no timers and no subscription.
    if let Poll::Ready(ended) = futures::poll!(attempt.as_mut()) {
        return End::Outcome(outcome_of(ended));
    }

    let handler: Arc<dyn LiveHandler> = execution.clone();
    let mut subscribing = pin!(node.live.subscribe(execution.live_target(), handler));
    let mut subscription = None;
    let reason = loop {
        tokio::select! {
            // First, so that a node that wakes up after its lease does not go on.
            biased;
            reason = execution.until_stopped() => break reason,
            ended = attempt.as_mut() => return End::Outcome(outcome_of(ended)),
            begun = subscribing.as_mut(), if subscription.is_none() => subscription = Some(begun),
        }
    };
    if reason == CancelReason::LeaseLost {
        return End::Lost;
    }
    tokio::select! {
        biased;
        () = execution.until_lost() => End::Lost,
        ended = attempt => End::Outcome(outcome_of(ended)),
        () = tokio::time::sleep(node.config.mailbox.cancel_grace()) => End::GaveUp,
    }
}

fn outcome_of(ended: Result<RunOutcome, Box<dyn Any + Send>>) -> RunOutcome {
    ended.unwrap_or_else(|panic| {
        let said = said(panic.as_ref());
        tracing::error!(panic = said, "an executor panicked");
        RunOutcome::TransientError { error: format!("the executor panicked: {said}") }
    })
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
