//! Lost claims: those that the store has given this node in an answer that never came.
//!
//! Their leases end by themselves, and the sweep finds them then. This only makes it quicker: when
//! an answer was lost, the node looks whether it holds claims that it knows nothing of, and hands
//! them back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::dispatch::{Claim, Dispatch, DispatchState};
use postroom_core::error::StoreError;
use postroom_core::id::DispatchId;
use postroom_core::ports::DispatchFilter;
use tokio::time::Instant;

use crate::node::Node;
use crate::settle;

/// Between the two looks: an answer that is only slow arrives meanwhile.
const WAIT: Duration = Duration::from_secs(2);
const PAGE: usize = 256;

#[derive(Default)]
pub(crate) struct LostClaims {
    looking: AtomicBool,
    again: AtomicBool,
    /// What was handed back, and since when. An answer that was not lost but very slow may still
    /// come, and must not start anything then.
    handed_back: Mutex<Vec<(DispatchId, Claim, Instant)>>,
}

impl LostClaims {
    /// Whether the claim was taken for a lost one, and handed back. To be asked once the execution
    /// can be found, so that it is either found or knows.
    pub(crate) fn has_handed_back(&self, id: DispatchId, claim: &Claim) -> bool {
        let handed_back = self.handed_back.lock();
        handed_back.iter().any(|(dispatch_id, other, _)| *dispatch_id == id && other == claim)
    }

    /// Notes a claim that is about to be handed back. What is older than a lease is forgotten: an
    /// answer that comes even later finds its lease over.
    fn hands_back(&self, id: DispatchId, claim: &Claim, lease: Duration) {
        let mut handed_back = self.handed_back.lock();
        handed_back.retain(|(_, _, since)| since.elapsed() <= lease);
        handed_back.push((id, claim.clone(), Instant::now()));
    }

    /// A claim's answer may be lost: look for it.
    pub(crate) fn look_for_some(&self, node: &Arc<Node>) {
        self.again.store(true, Ordering::Release);
        if self.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = node.clone();
        node.spawn(async move {
            let stop = this.lifecycle.stops().all;
            while this.lost.again.swap(false, Ordering::AcqRel) {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    handed_back = hand_back(&this) => if let Err(error) = handed_back {
                        tracing::debug!(%error, "lost claims were not found: their leases have to end");
                    },
                }
            }
            this.lost.looking.store(false, Ordering::Release);
        });
    }
}

async fn hand_back(node: &Arc<Node>) -> Result<(), StoreError> {
    let suspects = unknown_claims(node).await?;
    if suspects.is_empty() {
        return Ok(());
    }
    tokio::time::sleep(WAIT).await;
    for (dispatch_id, claim) in suspects {
        let Some(dispatch) = node.store.dispatch(dispatch_id).await? else { continue };
        if dispatch.claim() != Some(&claim) {
            continue;
        }
        // Noted before the last look: an answer that comes now either is seen here, or sees this.
        node.lost.hands_back(dispatch_id, &claim, node.config.mailbox.lease());
        if !node.executions.holds(dispatch_id, &claim) {
            tracing::info!(%dispatch_id, "handing back a claim whose answer was lost");
            settle::hand_back(node, &dispatch).await;
            node.ready.mark();
        }
    }
    Ok(())
}

/// The claims that the store holds for this node and this node does not know.
async fn unknown_claims(node: &Node) -> Result<Vec<(DispatchId, Claim)>, StoreError> {
    let filter =
        DispatchFilter { states: vec![DispatchState::Claimed], ..DispatchFilter::default() };
    let mut unknown = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = node.store.dispatches(&filter, PAGE, cursor.as_deref()).await?;
        unknown.extend(page.items.iter().filter_map(|dispatch| unknown_claim(node, dispatch)));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(unknown),
        }
    }
}

fn unknown_claim(node: &Node, dispatch: &Dispatch) -> Option<(DispatchId, Claim)> {
    let claim = dispatch.claim()?;
    let is_lost = claim.node == node.id && !node.executions.holds(dispatch.id, claim);
    is_lost.then(|| (dispatch.id, claim.clone()))
}
