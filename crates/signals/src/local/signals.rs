//! Signals inside one process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::id::ThreadId;
use postroom_core::ports::{PulledSignal, SignalError, SignalReceipt, Signals};

use crate::queue::{SignalName, SignalQueue, WAITING_MAX};

/// A signal queue in memory. A thread waits in it once, however often it is signalled.
#[derive(Clone, Default)]
pub struct LocalSignals {
    queue: Arc<SignalQueue>,
}

#[async_trait]
impl Signals for LocalSignals {
    async fn publish(&self, thread_id: &ThreadId) -> Result<(), SignalError> {
        if !self.queue.offer(thread_id, Duration::ZERO, SignalName::default()) {
            return Err(SignalError { reason: format!("{WAITING_MAX} threads wait already") });
        }
        Ok(())
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<PulledSignal>, SignalError> {
        Ok(self.queue.pull(max, wait).await)
    }

    async fn ack(&self, receipt: &SignalReceipt) -> Result<(), SignalError> {
        self.queue.ack(receipt);
        Ok(())
    }

    async fn nack(&self, receipt: &SignalReceipt, delay: Duration) -> Result<(), SignalError> {
        self.queue.nack(receipt, delay);
        Ok(())
    }
}
