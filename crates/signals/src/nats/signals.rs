//! Signals over a JetStream work queue.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_trait::async_trait;
use bytes::Bytes;
use postroom_core::id::ThreadId;
use postroom_core::ports::{PulledSignal, SignalError, SignalReceipt, Signals};
use tokio::sync::oneshot;

use super::{Nats, PATIENCE, Shared, pull};

/// Signals over a JetStream work queue that all nodes pull from: each signal is with one node at a
/// time. A thread waits in it once; signalled again, it takes its place at the end, also if the
/// signal before is still with a node.
#[derive(Clone)]
pub struct NatsSignals {
    pub(super) nats: Nats,
}

impl NatsSignals {
    fn reach(&self) -> Result<&Arc<Shared>, SignalError> {
        if self.nats.is_ready() {
            return Ok(self.nats.shared());
        }
        Err(failed(&"it is not ready"))
    }

    /// Passes an answer on; a failure lets the keeper look what is missing.
    fn seen<T>(&self, answer: Result<T, SignalError>) -> Result<T, SignalError> {
        if answer.is_err() {
            self.nats.shared().trouble.notify_one();
        }
        answer
    }
}

#[async_trait]
impl Signals for NatsSignals {
    async fn publish(&self, thread_id: &ThreadId) -> Result<(), SignalError> {
        let shared = self.reach()?;
        let subject = shared.subjects.signal(thread_id);
        let payload = thread_id.with_str(|text| Bytes::copy_from_slice(text.as_bytes()));
        let context = jetstream::new(shared.client.clone());
        let publishing = async { context.publish(subject, payload).await?.await };
        let published = match tokio::time::timeout(PATIENCE, publishing).await {
            Ok(published) => published.map(drop).map_err(|error| failed(&error)),
            Err(_) => Err(failed(&"it does not acknowledge")),
        };
        self.seen(published)
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<PulledSignal>, SignalError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let shared = self.reach()?.clone();
        let (taker, signals) = oneshot::channel();
        let spawner = shared.spawner.clone();
        // In a task of its own, so that a pull whose caller goes away can give back what it has.
        spawner.spawn(Box::pin(async move { pull::pull_for(&shared, taker, max, wait).await }));
        let pulled = signals.await.unwrap_or_else(|_| Err(failed(&"the pull was dropped")));
        self.seen(pulled)
    }

    async fn ack(&self, receipt: &SignalReceipt) -> Result<(), SignalError> {
        let shared = self.reach()?;
        self.seen(answer(shared, receipt, Bytes::from_static(b"+ACK")).await)
    }

    async fn nack(&self, receipt: &SignalReceipt, delay: Duration) -> Result<(), SignalError> {
        let shared = self.reach()?;
        self.seen(give_back(shared, receipt, delay).await)
    }
}

/// The signal shall come again after `delay`.
pub(super) async fn give_back(
    shared: &Shared,
    receipt: &SignalReceipt,
    delay: Duration,
) -> Result<(), SignalError> {
    let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX / 2);
    let wish =
        if delay.is_zero() { "-NAK".to_owned() } else { format!(r#"-NAK {{"delay":{nanos}}}"#) };
    answer(shared, receipt, wish.into()).await
}

/// The receipt is the subject that takes the answer. One that is none of ours is passed over.
async fn answer(
    shared: &Shared,
    receipt: &SignalReceipt,
    answer: Bytes,
) -> Result<(), SignalError> {
    let subject = &receipt.0;
    let is_ours = subject.starts_with("$JS.ACK.")
        && !subject.bytes().any(|byte| byte.is_ascii_whitespace() || b"*>".contains(&byte));
    if !is_ours {
        return Ok(());
    }
    let answering = shared.client.publish(subject.clone(), answer);
    match tokio::time::timeout(PATIENCE, answering).await {
        Ok(answered) => answered.map_err(|error| failed(&error)),
        Err(_) => Err(failed(&"it takes nothing")),
    }
}

pub(super) fn failed(error: &dyn std::fmt::Display) -> SignalError {
    SignalError { reason: format!("NATS: {error}") }
}
