//! Collecting runs: those that ended long ago, and that nothing needs any more, are forgotten.
//!
//! Runs become old in the order in which they were made, so each is looked at once when it does. Most
//! can go then; what stays (a thread's last run, one that others wait for) is looked at again, a
//! piece a time, round and round: so a collection costs what has become old and a piece more, however
//! much stays.

use postroom_core::command::{Command, Envelope, Reply};
use postroom_core::error::StoreError;
use postroom_core::ports::OldRuns;
use postroom_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::node::Node;

/// How many runs are looked at in one go.
const PIECE: usize = 1_000;

/// How many are forgotten in one go.
const TOGETHER: usize = 100;

/// How far this node has looked.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// Up to where all that is old was looked at.
    to: Option<String>,
    /// Up to where what stayed was looked at again.
    again_to: Option<String>,
}

/// Forgets the runs that are older than runs are to be kept, and says how many.
pub(crate) async fn runs(
    node: &Node,
    looked: &mut Looked,
    stop: &CancellationToken,
) -> Result<u64, StoreError> {
    let retention = node.config.mailbox.run_retention();
    if retention.is_zero() {
        return Ok(0);
    }
    let ended_before = node.store.now().await?.before(retention);
    let piece = node.store.old_runs(ended_before, looked.again_to.as_deref(), PIECE).await?;
    let mut gone = forget(node, &piece, ended_before).await?;
    looked.again_to = piece.next_cursor;
    while !stop.is_cancelled() {
        let piece = node.store.old_runs(ended_before, looked.to.as_deref(), PIECE).await?;
        gone += forget(node, &piece, ended_before).await?;
        if piece.next_cursor.is_none() {
            break;
        }
        looked.to = piece.next_cursor;
    }
    Ok(gone)
}

async fn forget(
    node: &Node,
    OldRuns { runs, .. }: &OldRuns,
    ended_before: Timestamp,
) -> Result<u64, StoreError> {
    let mut gone = 0;
    for together in runs.chunks(TOGETHER) {
        let collect = together.iter().map(|(thread_id, run_id)| {
            let command = Command::CollectRun { run_id: run_id.clone(), ended_before };
            Envelope::new(thread_id.clone(), command)
        });
        for answer in node.apply_all(collect.collect()).await {
            match answer {
                Ok(Reply::Collected(true)) => gone += 1,
                // It is needed again, or went with its thread, or another node was first.
                Ok(_) | Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(gone)
}
