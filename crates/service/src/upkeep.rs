//! Upkeep: the sweep that finds what nobody told of, and the collection of what is long over.
//!
//! Every node does all of it, and none leads: what one has done, another does not find any more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use postroom_core::error::StoreError;
use postroom_core::ports::ReclaimScope;
use tokio_util::sync::CancellationToken;

use crate::collect::{self, Looked};
use crate::node::Node;
use crate::observe::{Operation, Outcome};
use crate::{orphans, recovery, report};

/// How many dispatches, or events, are deleted in one go.
const PURGE_PAGE: usize = 1_000;

/// The part of an interval by which a turn may come sooner: nodes that were started together must
/// not ask the store together for ever.
const JITTER: u32 = 5;

/// Takes back expired leases, ends the tasks of dead nodes, and lets the dispatcher look for work and
/// others for reports that are owed, from time to time.
pub(crate) async fn sweep(node: Arc<Node>, stop: CancellationToken) {
    while next_turn(&node, &stop, node.config.mailbox.sweep_interval()).await {
        if let Err(error) = sweep_once(&node).await {
            tracing::warn!(%error, "the sweep failed: the next one tries again");
        }
        node.ready.mark();
        node.reports.look();
    }
}

async fn sweep_once(node: &Arc<Node>) -> Result<(), StoreError> {
    recovery::reclaim_all(node, ReclaimScope::Expired).await?;
    report::look_after_waits(node).await?;
    if !node.is_alone {
        let woken = orphans::wake(node).await?;
        if woken > 0 {
            tracing::info!(woken, "runs go on without the tasks of a dead node");
        }
    }
    Ok(())
}

/// Deletes terminal dispatches, events and runs that are old and forgets nodes that were silent for
/// long, from time to time, and calls the hook.
pub(crate) async fn collect(node: Arc<Node>, stop: CancellationToken) {
    let mut looked = Looked::default();
    while next_turn(&node, &stop, node.config.mailbox.gc_interval()).await {
        if let Err(error) = forget_nodes(&node).await {
            tracing::debug!(%error, "silent nodes were not forgotten: the next collection tries again");
        }
        let deleted = match purge(&node, &stop).await {
            Ok(deleted) => deleted,
            Err(error) => {
                tracing::warn!(%error, "the collection failed: the next one tries again");
                node.observer.count(Operation::Purge, Outcome::of_error(&error));
                continue;
            }
        };
        if let Err(error) = purge_events(&node, &stop).await {
            tracing::warn!(%error, "old events were not deleted: the next collection tries again");
        }
        match collect::runs(&node, &mut looked, &stop).await {
            Ok(0) => {}
            Ok(gone) => tracing::debug!(gone, "runs that ended long ago are forgotten"),
            Err(error) => {
                tracing::warn!(%error, "old runs were not deleted: the next collection tries again");
            }
        }
        let Some(hook) = &node.on_collect else { continue };
        if catch_unwind(AssertUnwindSafe(|| hook(deleted))).is_err() {
            tracing::error!("the collection hook panicked");
        }
    }
}

async fn forget_nodes(node: &Node) -> Result<(), StoreError> {
    let unseen_since = node.store.now().await?.before(node.config.mailbox.node_ttl());
    node.store.forget_nodes(unseen_since).await?;
    Ok(())
}

async fn purge(node: &Node, stop: &CancellationToken) -> Result<u64, StoreError> {
    let older_than = node.store.now().await?.before(node.config.mailbox.gc_ttl());
    let mut deleted = 0;
    while !stop.is_cancelled() {
        let page = node.store.purge_terminal(None, None, older_than, PURGE_PAGE).await?;
        node.observer.count(Operation::Purge, Outcome::Ok);
        deleted += page;
        if page < PURGE_PAGE as u64 {
            break;
        }
    }
    Ok(deleted)
}

/// Deletes events that are older than they are to be kept.
async fn purge_events(node: &Node, stop: &CancellationToken) -> Result<(), StoreError> {
    let retention = node.config.mailbox.event_retention();
    if retention.is_zero() {
        return Ok(());
    }
    let older_than = node.store.now().await?.before(retention);
    let mut cursor = None;
    while !stop.is_cancelled() {
        let purged = node.store.purge_events(older_than, cursor.as_deref(), PURGE_PAGE).await?;
        cursor = purged.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(())
}

/// Waits for the next turn; `false` if there is none.
async fn next_turn(node: &Node, stop: &CancellationToken, interval: Duration) -> bool {
    let interval = interval.saturating_sub(sooner(interval, node.ids.random()));
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = tokio::time::sleep(interval) => true,
    }
}

/// A random part of the interval, as far as it may be taken off.
fn sooner(interval: Duration, random: u64) -> Duration {
    let most = u64::try_from((interval / JITTER).as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % most.saturating_add(1))
}
