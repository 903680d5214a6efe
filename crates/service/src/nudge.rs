//! Live commands to runs that execute now, here or on another node.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{CancelTarget, Command};
use postroom_core::dispatch::DispatchState;
use postroom_core::id::{DispatchId, RunId, ThreadId};
use postroom_core::live::{LiveCommand, LiveReceipt, LiveTarget};

use crate::node::Node;

/// How often a run is asked to stop before it is left to find the wish in the store.
const ASKS_MAX: u32 = 20;
/// After so many the wish is written down, where it is not yet.
const ASKS_BEFORE_WRITING: u32 = 3;
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Whether the wish to stop is in the store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Written,
    OnlyAsked,
}

/// An execution as those see it who want something of it.
pub(crate) fn target(thread_id: &ThreadId, run_id: &RunId, dispatch_id: DispatchId) -> LiveTarget {
    LiveTarget {
        thread_id: thread_id.clone(),
        run_id: run_id.clone(),
        dispatch_id: Some(dispatch_id),
    }
}

impl Node {
    /// Gives a live command once; `true` if the run has taken it.
    pub(crate) async fn nudge(&self, target: &LiveTarget, command: LiveCommand) -> bool {
        if let Some(execution) = target.dispatch_id.and_then(|id| self.executions.get(id)) {
            return postroom_core::ports::LiveHandler::take(&*execution, command);
        }
        let timeout = self.config.mailbox.live_timeout();
        self.live.deliver(target, command, timeout).await == LiveReceipt::Delivered
    }

    /// Sees to it that a run stops soon: asks until it has heard or its dispatch is not claimed any
    /// more. A run is deaf between its claim and the moment it listens.
    pub(crate) fn ask_to_stop(self: &Arc<Self>, target: LiveTarget, mut wish: Wish) {
        let node = self.clone();
        self.spawn(async move {
            let stop = node.lifecycle.stops().all;
            for asked in 1..=ASKS_MAX {
                if node.nudge(&target, LiveCommand::Cancel).await {
                    return;
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(ASK_AGAIN_AFTER) => {}
                }
                if !node.is_claimed(&target).await {
                    return;
                }
                if wish == Wish::OnlyAsked && asked >= ASKS_BEFORE_WRITING {
                    node.write_wish(&target).await;
                    wish = Wish::Written;
                }
            }
        });
    }

    async fn is_claimed(&self, target: &LiveTarget) -> bool {
        let Some(id) = target.dispatch_id else { return true };
        match self.store.dispatch(id).await {
            Ok(dispatch) => {
                dispatch.is_some_and(|dispatch| dispatch.state() == DispatchState::Claimed)
            }
            // Unknown: asking once more does no harm.
            Err(_) => true,
        }
    }

    async fn write_wish(&self, target: &LiveTarget) {
        let Some(id) = target.dispatch_id else { return };
        let cancel = CancelTarget::Dispatch(id);
        let command = Command::Cancel { target: cancel, stop_executing: true };
        if let Err(error) = self.apply(target.thread_id.clone(), command).await {
            tracing::debug!(%error, run_id = %target.run_id, "the wish to stop was not written");
        }
    }
}
