//! Signals: "thread T has work". Hints only: the store is the truth.

use std::time::Duration;

use async_trait::async_trait;

use crate::id::ThreadId;

/// Names one delivery of a signal, for its acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SignalReceipt(pub String);

/// A signal as it was pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledSignal {
    /// The thread that may have work.
    pub thread_id: ThreadId,
    /// How often this signal was delivered before.
    pub redeliveries: u32,
    /// For the acknowledgement.
    pub receipt: SignalReceipt,
}

/// The signal queue can't be reached. The sweep finds the work meanwhile.
#[derive(Debug, Clone, thiserror::Error)]
#[error("signals are unavailable: {reason}")]
pub struct SignalError {
    /// What it said.
    pub reason: String,
}

/// Wakes nodes up. Losing every signal costs latency, never work.
#[async_trait]
pub trait Signals: Send + Sync + 'static {
    /// Says that a thread has work that no node has claimed.
    async fn publish(&self, thread_id: &ThreadId) -> Result<(), SignalError>;

    /// Takes up to `max` signals, waiting up to `wait` for the first.
    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<PulledSignal>, SignalError>;

    /// The signal is dealt with.
    async fn ack(&self, receipt: &SignalReceipt) -> Result<(), SignalError>;

    /// The signal shall come again after `delay`.
    async fn nack(&self, receipt: &SignalReceipt, delay: Duration) -> Result<(), SignalError>;
}
