//! The suites that every signal queue, live control and feed must pass, in one process.

use std::sync::Arc;

use async_trait::async_trait;
use postroom_conformance::{Network, Nodes, Time};
use postroom_core::ports::{EventFeed, LiveControl, Signals};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};

#[derive(Default)]
struct InProcess {
    signals: LocalSignals,
    live: LocalLive,
    feed: LocalFeed,
}

#[async_trait]
impl Network<dyn Signals> for InProcess {
    async fn node(&self) -> Arc<dyn Signals> {
        Arc::new(self.signals.clone())
    }
}

#[async_trait]
impl Network<dyn LiveControl> for InProcess {
    async fn node(&self) -> Arc<dyn LiveControl> {
        Arc::new(self.live.clone())
    }
}

#[async_trait]
impl Network<dyn EventFeed> for InProcess {
    async fn node(&self) -> Arc<dyn EventFeed> {
        Arc::new(self.feed.another_node())
    }
}

fn queue() -> Nodes<dyn Signals> {
    Arc::new(InProcess::default())
}

fn control() -> Nodes<dyn LiveControl> {
    Arc::new(InProcess::default())
}

fn feed() -> Nodes<dyn EventFeed> {
    Arc::new(InProcess::default())
}

postroom_conformance::signals_suite!(Time::Paused, queue());
postroom_conformance::live_suite!(Time::Paused, control());
postroom_conformance::feed_suite!(Time::Paused, feed());
