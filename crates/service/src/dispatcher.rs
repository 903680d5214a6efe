//! The dispatcher: claims what fits, and starts it.

use std::sync::Arc;

use postroom_core::error::StoreError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::admission::Permit;
use crate::backoff::Backoff;
use crate::delivery::{self, Claimed};
use crate::node::Node;

/// How many dispatches are claimed in one go.
const BATCH: usize = 256;

/// Claims and starts what is ready, whenever there may be something and there is room for it.
pub(crate) async fn dispatch(node: Arc<Node>, stop: CancellationToken) {
    let mut pause = Backoff::of_store();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = until_work_and_room(&node) => {}
        }
        match claim_what_fits(&node).await {
            Ok(()) => pause = Backoff::of_store(),
            Err(error) => {
                tracing::warn!(%error, "claiming failed: it is tried again");
                if matches!(error, StoreError::OutcomeUnknown { .. }) {
                    node.lost.look_for_some(&node);
                }
                node.ready.mark();
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause.pause()) => {}
                }
            }
        }
    }
}

async fn until_work_and_room(node: &Node) {
    loop {
        let due = node.ready.check_due();
        if node.ready.is_marked() && node.admission.free() > 0 {
            return;
        }
        // A wake-up between the look and the wait is kept.
        match due {
            None => node.ready.woken().await,
            Some(at) => tokio::select! {
                biased;
                () = node.ready.woken() => {}
                () = tokio::time::sleep_until(at) => {}
            },
        }
    }
}

async fn claim_what_fits(node: &Arc<Node>) -> Result<(), StoreError> {
    // The places are taken before it is known how many are needed. Half of them stay free for what is
    // submitted meanwhile: it would have to be claimed from the queue too, and so would all that
    // follows.
    let half = node.admission.free().div_ceil(2);
    let limit = node.admission.safe_batch().min(BATCH).min(half);
    let mut permits: Vec<Permit> = std::iter::from_fn(|| Permit::take(node)).take(limit).collect();
    if permits.is_empty() {
        return Ok(());
    }
    // Before the query: what becomes ready meanwhile marks again.
    node.ready.take();
    let asked_at = Instant::now();
    let found = node.claim_ready(node.claim_request_for_all(), permits.len()).await?;
    if let Some(last) = found.claimed.last() {
        node.admission.served(&last.dispatch.tenant);
    }
    if let Some(delay) = found.next_due_in {
        node.ready.mark_in(delay);
    }
    if found.claimed.len() >= permits.len() {
        node.ready.mark();
    }
    for delivered in found.claimed {
        // A store that gives more than was asked for has claimed it all the same.
        let Some(permit) = permits.pop().or_else(|| Permit::take(node)) else {
            let this = node.clone();
            node.spawn(async move {
                crate::settle::hand_back(&this, &delivered.dispatch).await;
            });
            continue;
        };
        let claimed = Claimed { delivered, permit, asked_at };
        node.spawn(delivery::execute(node.clone(), claimed));
    }
    Ok(())
}
