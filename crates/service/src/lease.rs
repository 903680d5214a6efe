//! Leases: how long a claim surely holds, and the one task that renews them all.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{Command, Envelope, Extended, Reply};
use postroom_core::error::StoreError;
use postroom_core::ports::CancelReason;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::config;
use crate::execution::Execution;
use crate::node::Node;

/// How many renewals travel together.
const BATCH: usize = 512;

/// What this node knows of one claim's lease, by its own clock.
///
/// The store grants a lease from its "now" on, which is after the request was sent: counting from
/// the sending, this node's deadline comes first, whatever the clocks say and however long the
/// answer took.
pub(crate) struct Lease {
    length: Duration,
    deadline: Instant,
    granted_at: Instant,
    margin: Duration,
}

impl Lease {
    pub(crate) fn new(asked_at: Instant, length: Duration, config: &config::Mailbox) -> Self {
        let margin = config.lease_margin();
        let deadline = asked_at + surely(length, margin);
        Self { length, deadline, granted_at: asked_at, margin }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long the next renewal is for.
    pub(crate) fn length(&self) -> Duration {
        self.length
    }

    pub(crate) fn set_length(&mut self, length: Duration) {
        self.length = length;
    }

    /// The store has granted `length` to what was asked at `asked_at`. Says whether the deadline is
    /// sooner than before.
    pub(crate) fn granted(&mut self, asked_at: Instant, length: Duration) -> bool {
        let deadline = asked_at + surely(length, self.margin);
        // Two requests that were under way together may have been carried out in either order.
        let overlaps = asked_at < self.granted_at;
        let sooner = deadline < self.deadline;
        if sooner || !overlaps {
            self.deadline = deadline;
        }
        self.granted_at = Instant::now();
        sooner
    }
}

/// The part of a lease in which a run may be left running.
fn surely(length: Duration, margin: Duration) -> Duration {
    length.saturating_sub(margin.min(length / 4))
}

impl Execution {
    /// Notes a lease that the store has granted.
    pub(crate) fn lease_granted(&self, asked_at: Instant, length: Duration) {
        let sooner = self.lease.lock().granted(asked_at, length);
        if sooner {
            // Whoever sleeps until the deadline sleeps too long.
            self.stop.wake();
        }
    }
}

/// Renews all leases of the node, for as long as it lives. One task for all: what one run does, or
/// does not do, can't keep the others from being renewed.
pub(crate) async fn renew_all(node: Arc<Node>, stop: CancellationToken) {
    let interval = node.config.mailbox.lease_renewal_interval();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
        let mut pause = Backoff::new(interval / 40, interval / 4);
        let mut left = node.executions.all();
        // A renewal that failed is tried again at once and not at the next turn: each run's own
        // deadline says when it is too late.
        loop {
            left = renew(&node, left, interval).await;
            if left.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause.pause()) => {}
            }
        }
    }
}

/// Renews these, and returns those whose renewal must be tried again.
async fn renew(
    node: &Node,
    executions: Vec<Arc<Execution>>,
    patience: Duration,
) -> Vec<Arc<Execution>> {
    let mut failed = Vec::new();
    let held: Vec<_> = executions.into_iter().filter(is_held).collect();
    for batch in held.chunks(BATCH) {
        let lengths: Vec<Duration> =
            batch.iter().map(|execution| execution.lease.lock().length()).collect();
        let renewals = batch.iter().zip(&lengths).map(|(execution, lease)| {
            let command = Command::ExtendLease { claim: execution.claim.clone(), lease: *lease };
            Envelope::new(execution.thread_id.clone(), command)
        });
        let asked_at = Instant::now();
        let answers = tokio::time::timeout(patience, node.apply_all(renewals.collect())).await;
        let Ok(answers) = answers else {
            failed.extend_from_slice(batch);
            continue;
        };
        for ((execution, length), answer) in batch.iter().zip(lengths).zip(answers) {
            match answer {
                Ok(Reply::Extended(extended)) => {
                    renewed(execution, extended, asked_at, length);
                }
                Err(StoreError::Refused(_)) => execution.stop.raise(CancelReason::LeaseLost),
                Ok(_) | Err(_) => failed.push(execution.clone()),
            }
        }
    }
    failed
}

fn is_held(execution: &Arc<Execution>) -> bool {
    !execution.is_settling() && execution.stop.reason() != Some(CancelReason::LeaseLost)
}

fn renewed(execution: &Execution, extended: Extended, asked_at: Instant, length: Duration) {
    if !extended.held {
        // A run that settled meanwhile has no lease, and needs none.
        if !execution.is_settling() {
            execution.node.observer.lease_taken();
            execution.stop.raise(CancelReason::LeaseLost);
        }
        return;
    }
    execution.lease_granted(asked_at, length);
    if extended.stop_requested {
        execution.stop.raise(CancelReason::Requested);
    }
}
