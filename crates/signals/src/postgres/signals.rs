//! Signals over notifications.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::id::ThreadId;
use postroom_core::ports::{PulledSignal, SignalError, SignalReceipt, Signals};

use super::bus::Bus;
use super::frame::Frame;
use super::outbox::To;

/// Signals over notifications: every node hears of each and keeps it in memory until it pulls it or
/// hears that another has dealt with it.
///
/// So that not all race for one thread, nodes look in turn, in an order that differs by thread and
/// that all agree on; the first looks at once. A node without room does not pull, and leaves its
/// turn to the next.
#[derive(Clone)]
pub struct PostgresSignals {
    pub(super) bus: Bus,
}

#[async_trait]
impl Signals for PostgresSignals {
    async fn publish(&self, thread_id: &ThreadId) -> Result<(), SignalError> {
        let shared = self.bus.shared();
        if !shared.is_connected() {
            return Err(SignalError { reason: "no connection to PostgreSQL".to_owned() });
        }
        let number = shared.last_signal.fetch_add(1, Ordering::Relaxed) + 1;
        shared.outbox.put(To::All, Frame::Signal(thread_id.clone(), number));
        Ok(())
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<PulledSignal>, SignalError> {
        Ok(self.bus.shared().signals.pull(max, wait).await)
    }

    async fn ack(&self, receipt: &SignalReceipt) -> Result<(), SignalError> {
        let shared = self.bus.shared();
        let Some((thread_id, name)) = shared.signals.ack(receipt) else { return Ok(()) };
        // Who published it is another, whether it has said hello yet or not.
        let has_others = name.node != shared.me || !shared.peers.nodes().is_empty();
        if has_others {
            shared.outbox.put(To::All, Frame::Taken(thread_id, name.node, name.number));
        }
        Ok(())
    }

    async fn nack(&self, receipt: &SignalReceipt, delay: Duration) -> Result<(), SignalError> {
        self.bus.shared().signals.nack(receipt, delay);
        Ok(())
    }
}
