//! Signals over either.

use std::time::Duration;

use async_trait::async_trait;
use postroom_core::id::ThreadId;
use postroom_core::ports::{PulledSignal, SignalError, SignalReceipt, Signals};
use tokio::time::Instant;

use super::Fallback;
use crate::nats::{NatsSignals, State};
use crate::postgres::PostgresSignals;

/// Signals over NATS, and over PostgreSQL for those whom NATS does not reach.
#[derive(Clone)]
pub struct FallbackSignals {
    pub(super) nats: NatsSignals,
    pub(super) postgres: PostgresSignals,
    pub(super) both: Fallback,
}

/// How long after a pull over NATS has failed the next begins.
const PULL_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Where a signal came from, in front of its receipt.
const OF_NATS: char = 'n';
const OF_POSTGRES: char = 'p';

fn marked(mark: char, mut signals: Vec<PulledSignal>) -> Vec<PulledSignal> {
    for signal in &mut signals {
        signal.receipt.0.insert(0, mark);
    }
    signals
}

impl FallbackSignals {
    /// Whom a receipt is for, and what it is there.
    fn issuer(&self, receipt: &SignalReceipt) -> Option<(&dyn Signals, SignalReceipt)> {
        let issuers: [(char, &dyn Signals); 2] =
            [(OF_NATS, &self.nats), (OF_POSTGRES, &self.postgres)];
        issuers.into_iter().find_map(|(mark, issuer)| {
            Some((issuer, SignalReceipt(receipt.0.strip_prefix(mark)?.to_owned())))
        })
    }

    /// From NATS alone, as soon as it is ready and again whenever it fails: what others publish
    /// over NATS alone would wait there for the next pull else. Comes to an end only with signals.
    async fn pull_nats(&self, max: usize, wait: Duration) -> Vec<PulledSignal> {
        let began = Instant::now();
        let mut state = self.both.nats.state();
        loop {
            let is_ready = |state: &State| matches!(state, State::Ready { .. });
            if state.wait_for(is_ready).await.is_err() {
                // Nobody looks after the connection any more.
                return std::future::pending().await;
            }
            match self.nats.pull(max, wait.saturating_sub(began.elapsed())).await {
                Ok(pulled) if !pulled.is_empty() => return marked(OF_NATS, pulled),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "a pull has failed, and begins again"),
            }
            tokio::time::sleep(PULL_AGAIN_AFTER).await;
        }
    }

    async fn pull_postgres(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<PulledSignal>, SignalError> {
        Ok(marked(OF_POSTGRES, self.postgres.pull(max, wait).await?))
    }
}

#[async_trait]
impl Signals for FallbackSignals {
    async fn publish(&self, thread_id: &ThreadId) -> Result<(), SignalError> {
        let over_nats = self.nats.publish(thread_id).await;
        if over_nats.is_ok() && !self.both.needs_postgres() {
            return Ok(());
        }
        let over_postgres = self.postgres.publish(thread_id).await;
        over_nats.or(over_postgres)
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<PulledSignal>, SignalError> {
        // Whichever comes first. The other takes nothing with it when it is dropped.
        tokio::select! {
            biased;
            pulled = self.pull_postgres(max, wait) => pulled,
            pulled = self.pull_nats(max, wait) => Ok(pulled),
        }
    }

    async fn ack(&self, receipt: &SignalReceipt) -> Result<(), SignalError> {
        match self.issuer(receipt) {
            Some((issuer, receipt)) => issuer.ack(&receipt).await,
            None => Ok(()),
        }
    }

    async fn nack(&self, receipt: &SignalReceipt, delay: Duration) -> Result<(), SignalError> {
        match self.issuer(receipt) {
            Some((issuer, receipt)) => issuer.nack(&receipt, delay).await,
            None => Ok(()),
        }
    }
}
