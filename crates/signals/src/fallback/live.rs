//! Live control over either.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::live::{LiveCommand, LiveReceipt, LiveTarget};
use postroom_core::ports::{LiveControl, LiveHandler, Subscription};
use tokio::time::Instant;

use super::Fallback;
use crate::nats::NatsLive;
use crate::postgres::PostgresLive;

/// Live control over NATS, and over PostgreSQL for those whom NATS does not reach.
#[derive(Clone)]
pub struct FallbackLive {
    pub(super) nats: NatsLive,
    pub(super) postgres: PostgresLive,
    pub(super) both: Fallback,
}

#[async_trait]
impl LiveControl for FallbackLive {
    async fn deliver(
        &self,
        target: &LiveTarget,
        command: LiveCommand,
        timeout: Duration,
    ) -> LiveReceipt {
        let began = Instant::now();
        let receipt = self.nats.deliver(target, command, timeout).await;
        let left = timeout.saturating_sub(began.elapsed());
        if receipt == LiveReceipt::Delivered || !self.both.needs_postgres() || left.is_zero() {
            return receipt;
        }
        self.postgres.deliver(target, command, left).await
    }

    async fn subscribe(&self, target: LiveTarget, handler: Arc<dyn LiveHandler>) -> Subscription {
        // First the one that is at once in effect.
        let over_postgres = self.postgres.subscribe(target.clone(), handler.clone()).await;
        let over_nats = self.nats.subscribe(target, handler).await;
        Subscription::new(move || drop((over_postgres, over_nats)))
    }
}
