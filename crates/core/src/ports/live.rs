//! Live control: a command to a run that executes right now, on whatever node.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::live::{LiveCommand, LiveReceipt, LiveTarget};

/// Takes live commands for one execution. Returning `true` is the receipt: the run has taken it.
pub trait LiveHandler: Send + Sync + 'static {
    /// Takes `command`, or says `false`: the run is past taking it.
    fn take(&self, command: LiveCommand) -> bool;
}

/// Keeps a handler subscribed, for live commands or to the feed, until it is dropped.
pub struct Subscription(Option<Box<dyn FnOnce() + Send>>);

impl Subscription {
    /// Calls `end` when the subscription is dropped.
    pub fn new(end: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(end)))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

/// Delivers live commands to the execution they are for.
#[async_trait]
pub trait LiveControl: Send + Sync + 'static {
    /// Delivers `command` to exactly `target`; `Delivered` only with a receipt, within `timeout`.
    async fn deliver(
        &self,
        target: &LiveTarget,
        command: LiveCommand,
        timeout: Duration,
    ) -> LiveReceipt;

    /// Takes commands for `target` (with its dispatch) until the subscription is dropped.
    async fn subscribe(&self, target: LiveTarget, handler: Arc<dyn LiveHandler>) -> Subscription;
}
