//! Live control over notifications.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::live::{LiveCommand, LiveReceipt, LiveTarget};
use postroom_core::ports::{LiveControl, LiveHandler, Subscription};

use super::bus::Bus;
use super::frame::Frame;
use super::outbox::To;

/// How long an answer is waited for where no other node is known: one may just have come.
const STRANGERS_MAY_TAKE: Duration = Duration::from_millis(100);

/// Live control over notifications: every node is asked, the one where the target executes takes the
/// command, and each says whether it did. So it is known soon that nobody has; a node that says
/// nothing is waited for until the time is over.
#[derive(Clone)]
pub struct PostgresLive {
    pub(super) bus: Bus,
}

#[async_trait]
impl LiveControl for PostgresLive {
    async fn deliver(
        &self,
        target: &LiveTarget,
        command: LiveCommand,
        timeout: Duration,
    ) -> LiveReceipt {
        let shared = self.bus.shared();
        if shared.live.give(target, command) == LiveReceipt::Delivered {
            return LiveReceipt::Delivered;
        }
        if !shared.is_connected() {
            return LiveReceipt::NoSubscriber;
        }
        let nodes = shared.peers.nodes();
        let patience = if nodes.is_empty() { timeout.min(STRANGERS_MAY_TAKE) } else { timeout };
        let mut question = shared.asked.open(nodes);
        shared.outbox.put(To::All, Frame::Ask(question.number, target.clone(), command));
        match tokio::time::timeout(patience, &mut question.answer).await {
            Ok(Ok(receipt)) => receipt,
            Ok(Err(_)) | Err(_) => LiveReceipt::NoSubscriber,
        }
    }

    async fn subscribe(&self, target: LiveTarget, handler: Arc<dyn LiveHandler>) -> Subscription {
        self.bus.shared().live.enter(target, handler)
    }
}
