//! Recovery: what was under way when a process died goes on.

use std::sync::Arc;

use postroom_core::command::{Command, Reply};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::StoreError;
use postroom_core::id::ThreadId;
use postroom_core::ports::ReclaimScope;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::node::Node;

/// How much is taken at once; it goes on until nothing is left.
const PAGE: usize = 256;

/// Recovers, as often as it takes while the store is unavailable. `false` if it was told to stop.
pub(crate) async fn recover(
    node: &Arc<Node>,
    stop: &CancellationToken,
) -> Result<bool, StoreError> {
    let mut pause = Backoff::of_store();
    loop {
        let recovered = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(false),
            recovered = recover_once(node) => recovered,
        };
        match recovered {
            Ok(()) => return Ok(true),
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "recovery failed: it is tried again");
                node.lifecycle.still_starting(&error);
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(false),
                    () = tokio::time::sleep(pause.pause()) => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Each part can be repeated: what is done is not found again.
async fn recover_once(node: &Arc<Node>) -> Result<(), StoreError> {
    // Where no other node works on the store, every claim is a dead process's.
    let scope = if node.is_alone { ReclaimScope::All } else { ReclaimScope::Expired };
    let reclaimed = reclaim_all(node, scope).await?;
    let woken = if node.is_alone { wake_from_dead_tasks(node).await? } else { 0 };
    if reclaimed + woken > 0 {
        tracing::info!(reclaimed, woken, "recovered");
    }
    Ok(())
}

/// Takes back all claims in `scope`, page by page, and says how many.
pub(crate) async fn reclaim_all(node: &Node, scope: ReclaimScope) -> Result<usize, StoreError> {
    let mut count = 0;
    loop {
        let reclaimed = node.reclaim(scope.clone(), PAGE).await?.dispatches;
        if reclaimed.is_empty() {
            return Ok(count);
        }
        count += reclaimed.len();
        let queued = reclaimed.into_iter().filter(|one| one.state() == DispatchState::Queued);
        let threads: Vec<ThreadId> = queued.map(|dispatch| dispatch.thread_id.clone()).collect();
        node.work_is_there(&threads).await;
    }
}

/// Background tasks live in a process and die with it: their runs go on without them.
async fn wake_from_dead_tasks(node: &Node) -> Result<usize, StoreError> {
    let mut count = 0;
    let mut after = None;
    loop {
        let runs = node.store.runs_waiting_for_tasks(after.as_ref(), PAGE).await?;
        let Some(last) = runs.last() else { return Ok(count) };
        after = Some(last.id.clone());
        for run in runs {
            let command = Command::FinishTask { run_id: run.id, task_id: None };
            match node.apply(run.thread_id, command).await {
                Ok(Reply::TaskFinished(Some(_))) => count += 1,
                // It waits for runs too, or went on by itself meanwhile.
                Ok(_) | Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
