//! Signals: what other nodes say has work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::stream;
use postroom_core::error::StoreError;
use postroom_core::id::ThreadId;
use postroom_core::ports::{PulledSignal, SignalReceipt};
use postroom_core::thread::Readiness;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admission::Permit;
use crate::backoff::Backoff;
use crate::delivery::{self, Claimed};
use crate::node::Node;
use crate::observe::{Operation, Outcome};

/// What becomes of a signal.
enum Verdict {
    /// It is dealt with.
    Ack,
    /// Its thread has work that can't be claimed now.
    Later,
    /// The store failed: at once again.
    Again,
}

/// Pulls signals and claims their threads.
pub(crate) async fn consume(node: Arc<Node>, stop: CancellationToken) {
    let config = &node.config.mailbox;
    loop {
        // What this node has no room for is better pulled by another.
        let max = config.signal_batch.min(node.admission.free());
        let pulled = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(config.signal_wait()), if max == 0 => continue,
            pulled = node.signals.pull(max, config.signal_wait()), if max > 0 => pulled,
        };
        match pulled {
            Ok(signals) => {
                node.observer.count_many(Operation::SignalPull, Outcome::Ok, signals.len());
                let failed = AtomicBool::new(false);
                stream::iter(signals)
                    .for_each_concurrent(config.signal_max_concurrent, |signal| {
                        handle(&node, signal, &failed)
                    })
                    .await;
                if !failed.into_inner() {
                    continue;
                }
                // What was given back at once is for others to take: this node would only pull it
                // again, round and round, for as long as it can't reach the store.
            }
            Err(error) => {
                tracing::debug!(%error, "no signals: the sweep finds the work");
                node.observer.count(Operation::SignalPull, Outcome::Unavailable);
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(config.signal_error_delay()) => {}
        }
    }
}

async fn handle(node: &Arc<Node>, signal: PulledSignal, failed: &AtomicBool) {
    if signal.redeliveries > 0 {
        node.observer.count(Operation::SignalRedelivery, Outcome::Ok);
    }
    let verdict = claim(node, signal.thread_id).await.unwrap_or(Verdict::Again);
    match verdict {
        Verdict::Ack => ack(node, &signal.receipt).await,
        Verdict::Later => {
            let config = &node.config.mailbox;
            let mut delays =
                Backoff::new(config.signal_nack_base_delay(), config.signal_nack_max_delay());
            // The first redelivery after the base delay, each further one after twice as long.
            let delay = (0..=signal.redeliveries.min(32)).map(|_| delays.pause()).last();
            nack(node, &signal.receipt, delay.unwrap_or_default()).await;
        }
        Verdict::Again => {
            failed.store(true, Ordering::Relaxed);
            nack(node, &signal.receipt, std::time::Duration::ZERO).await;
        }
    }
}

async fn claim(node: &Arc<Node>, thread_id: ThreadId) -> Result<Verdict, StoreError> {
    let Some(permit) = Permit::take(node) else {
        // Another node may have room; this one looks when it has.
        node.ready.mark();
        return Ok(Verdict::Later);
    };
    let asked_at = Instant::now();
    match node.claim_head(thread_id.clone()).await {
        Ok(Some(delivered)) => {
            let claimed = Claimed { delivered: *delivered, permit, asked_at };
            node.spawn(delivery::execute(node.clone(), claimed));
            return Ok(Verdict::Ack);
        }
        Ok(None) => {}
        Err(StoreError::Refused(_)) => return Ok(Verdict::Ack),
        Err(error) => {
            if matches!(error, StoreError::OutcomeUnknown { .. }) {
                node.lost.look_for_some(node);
            }
            return Err(error);
        }
    }
    let Some(thread) = node.store.thread(&thread_id).await? else { return Ok(Verdict::Ack) };
    Ok(match thread.readiness {
        Readiness::Idle => Verdict::Ack,
        Readiness::Delayed { .. } => {
            // Ask when it is due.
            node.ready.mark();
            Verdict::Ack
        }
        Readiness::Busy => {
            let is_here = |id| node.executions.get(id).is_some();
            let busy_here = thread.claimed_dispatch_id.is_some_and(is_here);
            if busy_here || thread.queued == 0 { Verdict::Ack } else { Verdict::Later }
        }
        // Its agent or its tenant has no room here.
        Readiness::Ready { .. } => Verdict::Later,
    })
}

async fn ack(node: &Node, receipt: &SignalReceipt) {
    let outcome = match node.signals.ack(receipt).await {
        Ok(()) => Outcome::Ok,
        Err(_) => Outcome::Unavailable,
    };
    node.observer.count(Operation::SignalAck, outcome);
}

async fn nack(node: &Node, receipt: &SignalReceipt, delay: std::time::Duration) {
    let outcome = match node.signals.nack(receipt, delay).await {
        Ok(()) => Outcome::Ok,
        Err(_) => Outcome::Unavailable,
    };
    node.observer.count(Operation::SignalNack, outcome);
}
