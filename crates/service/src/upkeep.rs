//! Upkeep: the sweep that finds what nobody told of, and the collection of what is long over.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use postroom_core::error::StoreError;
use postroom_core::ports::ReclaimScope;
use tokio_util::sync::CancellationToken;

use crate::node::Node;
use crate::observe::{Operation, Outcome};
use crate::recovery;

/// How many dispatches are deleted in one go.
const PURGE_PAGE: usize = 1_000;

/// Takes back expired leases and lets the dispatcher look, from time to time.
pub(crate) async fn sweep(node: Arc<Node>, stop: CancellationToken) {
    while next_turn(&stop, node.config.mailbox.sweep_interval()).await {
        if let Err(error) = recovery::reclaim_all(&node, ReclaimScope::Expired).await {
            tracing::warn!(%error, "the sweep failed: the next one tries again");
        }
        node.ready.mark();
    }
}

/// Deletes terminal dispatches that are old, from time to time, and calls the hook.
pub(crate) async fn collect(node: Arc<Node>, stop: CancellationToken) {
    while next_turn(&stop, node.config.mailbox.gc_interval()).await {
        let deleted = match purge(&node, &stop).await {
            Ok(deleted) => deleted,
            Err(error) => {
                tracing::warn!(%error, "the collection failed: the next one tries again");
                node.observer.count(Operation::Purge, Outcome::of_error(&error));
                continue;
            }
        };
        let Some(hook) = &node.on_collect else { continue };
        if catch_unwind(AssertUnwindSafe(|| hook(deleted))).is_err() {
            tracing::error!("the collection hook panicked");
        }
    }
}

async fn purge(node: &Node, stop: &CancellationToken) -> Result<u64, StoreError> {
    let older_than = node.store.now().await?.before(node.config.mailbox.gc_ttl());
    let mut deleted = 0;
    while !stop.is_cancelled() {
        let page = node.store.purge_terminal(None, older_than, PURGE_PAGE).await?;
        node.observer.count(Operation::Purge, Outcome::Ok);
        deleted += page;
        if page < PURGE_PAGE as u64 {
            break;
        }
    }
    Ok(deleted)
}

/// Waits for the next turn; `false` if there is none.
async fn next_turn(stop: &CancellationToken, interval: Duration) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = tokio::time::sleep(interval) => true,
    }
}
