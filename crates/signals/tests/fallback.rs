//! The suites over NATS and PostgreSQL together, with NATS and without it, and the ways between.

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_conformance::{Network, Nodes, Time};
use postroom_core::id::{RunId, ThreadId};
use postroom_core::live::{LiveCommand, LiveReceipt, LiveTarget};
use postroom_core::ports::{
    EventFeed, FeedHandler, FeedHint, LiveControl, LiveHandler, Signals, Subscription,
};
use postroom_signals::fallback::{Fallback, Traffic};
use postroom_signals::nats::Nats;
use postroom_testbed::Postgres;
use support::database::Installation;
use support::nats::Server;
use support::{OnRuntime, on_runtime};
use tokio::sync::mpsc;

/// Longer than it takes to notice anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A PostgreSQL and a NATS that is there, or is not.
struct Both {
    installation: Installation,
    server: Server,
    is_up: bool,
}

impl Both {
    async fn with_nats() -> Self {
        let installation = Installation::new().await;
        Self { installation, server: Server::start(), is_up: true }
    }

    async fn without_nats() -> Self {
        let both = Self::with_nats().await;
        both.server.kill();
        Self { is_up: false, ..both }
    }

    /// One more node. Whether it has noticed how it stands with NATS is left open.
    async fn open(&self) -> Fallback {
        let nats = Nats::connect(self.server.options()).await.unwrap();
        Fallback::new(nats, self.installation.bus().await, &OnRuntime)
    }

    /// One more node, which goes over NATS if it is there.
    async fn settled(&self) -> Fallback {
        let node = self.open().await;
        if self.is_up {
            over_nats(&node).await;
        }
        node
    }

    fn disturb(&self) {
        if self.is_up {
            self.server.lose_everything();
        }
    }
}

async fn over_nats(node: &Fallback) {
    let mut traffic = node.traffic();
    let waiting = traffic.wait_for(|traffic| *traffic == Traffic::Nats);
    tokio::time::timeout(PATIENCE, waiting).await.expect("it goes over NATS").unwrap();
}

async fn over_postgres(node: &Fallback) -> String {
    let mut traffic = node.traffic();
    let waiting = traffic.wait_for(|traffic| *traffic != Traffic::Nats);
    let now = tokio::time::timeout(PATIENCE, waiting).await.expect("it goes over PostgreSQL");
    match now.unwrap().clone() {
        Traffic::Postgres { reason } => reason,
        Traffic::Nats => unreachable!("waited for another"),
    }
}

#[async_trait]
impl Network<dyn Signals> for Both {
    async fn node(&self) -> Arc<dyn Signals> {
        Arc::new(self.settled().await.signals())
    }

    async fn disturb(&self) {
        Self::disturb(self);
    }
}

#[async_trait]
impl Network<dyn LiveControl> for Both {
    async fn node(&self) -> Arc<dyn LiveControl> {
        Arc::new(self.settled().await.live())
    }

    async fn disturb(&self) {
        Self::disturb(self);
    }
}

#[async_trait]
impl Network<dyn EventFeed> for Both {
    async fn node(&self) -> Arc<dyn EventFeed> {
        Arc::new(self.settled().await.feed())
    }

    async fn disturb(&self) {
        Self::disturb(self);
    }
}

mod with_nats {
    use super::*;

    async fn nodes() -> Arc<Both> {
        Arc::new(Both::with_nats().await)
    }

    postroom_conformance::signals_suite!(Time::Real, nodes().await as Nodes<dyn Signals>);
    postroom_conformance::live_suite!(Time::Real, nodes().await as Nodes<dyn LiveControl>);
    postroom_conformance::feed_suite!(Time::Real, nodes().await as Nodes<dyn EventFeed>);
}

mod without_nats {
    use super::*;

    async fn nodes() -> Arc<Both> {
        Arc::new(Both::without_nats().await)
    }

    postroom_conformance::signals_suite!(Time::Real, nodes().await as Nodes<dyn Signals>);
    postroom_conformance::live_suite!(Time::Real, nodes().await as Nodes<dyn LiveControl>);
    postroom_conformance::feed_suite!(Time::Real, nodes().await as Nodes<dyn EventFeed>);
}

/// Two nodes, and all that one can hear of the other.
struct Pair {
    here: Fallback,
    signals: (Arc<dyn Signals>, Arc<dyn Signals>),
    live: Arc<dyn LiveControl>,
    feed: Arc<dyn EventFeed>,
    hints: mpsc::UnboundedReceiver<FeedHint>,
    target: LiveTarget,
    _held: (Subscription, Subscription, Fallback),
}

struct Taking;

impl LiveHandler for Taking {
    fn take(&self, _command: LiveCommand) -> bool {
        true
    }
}

struct Passing(mpsc::UnboundedSender<FeedHint>);

impl FeedHandler for Passing {
    fn hear(&self, hint: FeedHint) {
        let _ = self.0.send(hint);
    }
}

fn thread() -> ThreadId {
    ThreadId::parse("t").unwrap()
}

impl Pair {
    async fn of(here: Fallback, there: Fallback) -> Self {
        let target = LiveTarget {
            thread_id: thread(),
            run_id: RunId::parse("r").unwrap(),
            dispatch_id: None,
        };
        let taking = there.live().subscribe(target.clone(), Arc::new(Taking)).await;
        let (passing, hints) = mpsc::unbounded_channel();
        let hearing = there.feed().subscribe(&thread(), Arc::new(Passing(passing)));
        Self {
            signals: (Arc::new(here.signals()), Arc::new(there.signals())),
            live: Arc::new(here.live()),
            feed: Arc::new(here.feed()),
            hints,
            target,
            _held: (taking, hearing, there),
            here,
        }
    }

    /// All three ways come to work, and work then.
    async fn works(&mut self) {
        tokio::time::timeout(PATIENCE, self.signal()).await.expect("signals come");
        tokio::time::timeout(PATIENCE, self.command()).await.expect("commands are taken");
        tokio::time::timeout(PATIENCE, self.event()).await.expect("events are told");
    }

    async fn signal(&self) {
        let (here, there) = &self.signals;
        loop {
            let _ = here.publish(&thread()).await;
            let pulled = there.pull(8, Duration::from_millis(300)).await.unwrap_or_default();
            for signal in &pulled {
                let _ = there.ack(&signal.receipt).await;
            }
            if !pulled.is_empty() {
                return;
            }
        }
    }

    async fn command(&self) {
        let timeout = Duration::from_millis(500);
        while self.live.deliver(&self.target, LiveCommand::Cancel, timeout).await
            != LiveReceipt::Delivered
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn event(&mut self) {
        while self.hints.try_recv().is_ok() {}
        let event = support::delta(&thread(), 7);
        loop {
            self.feed.publish(std::slice::from_ref(&event));
            let heard = tokio::time::timeout(Duration::from_millis(50), self.hints.recv()).await;
            if heard.is_ok_and(|hint| hint == Some(FeedHint::Event(event.clone()))) {
                return;
            }
        }
    }
}

#[test]
fn nats_may_go_and_come_back() {
    on_runtime(async {
        let both = Both::with_nats().await;
        let mut pair = Pair::of(both.settled().await, both.settled().await).await;
        pair.works().await;
        for wipes in [false, true] {
            both.server.kill();
            assert_eq!(over_postgres(&pair.here).await, "there is no connection");
            pair.works().await;
            if wipes {
                both.server.wipe();
            }
            both.server.start_again();
            over_nats(&pair.here).await;
            pair.works().await;
        }
    });
}

#[test]
fn nats_may_come_later() {
    on_runtime(async {
        let both = Both::without_nats().await;
        let mut pair = Pair::of(both.open().await, both.open().await).await;
        pair.works().await;
        both.server.start_again();
        over_nats(&pair.here).await;
        pair.works().await;
    });
}

/// A pull that waits while NATS goes and comes hears of what is published over NATS alone.
#[test]
fn a_pull_outlives_what_it_began_over() {
    on_runtime(async {
        let both = Both::without_nats().await;
        let node = both.open().await;
        let signals = node.signals();
        let pulling = async || {
            let wait = Duration::from_mins(10);
            let pulling = tokio::time::timeout(PATIENCE, signals.pull(8, wait));
            let pulled = pulling.await.expect("it comes").unwrap();
            assert_eq!(pulled[0].thread_id, thread());
            signals.ack(&pulled[0].receipt).await.unwrap();
        };
        let publishing = async || {
            both.server.start_again();
            let alone = both.server.connect().await;
            over_nats(&node).await;
            alone.signals().publish(&thread()).await.unwrap();
        };
        tokio::join!(pulling(), publishing());
        tokio::join!(pulling(), async {
            // The server has taken that pull in before it answers this one.
            let another = node.signals().pull(8, Duration::from_millis(100)).await;
            assert!(another.unwrap().is_empty());
            both.server.kill();
            both.server.wipe();
            over_postgres(&node).await;
            publishing().await;
        });
    });
}

#[test]
fn nodes_with_nats_and_without_understand_each_other() {
    on_runtime(async {
        let both = Both::with_nats().await;
        let gone = Server::start();
        gone.kill();
        let cut_off = || async {
            let nats = Nats::connect(gone.options()).await.unwrap();
            Fallback::new(nats, both.installation.bus().await, &OnRuntime)
        };
        Pair::of(both.settled().await, cut_off().await).await.works().await;
        Pair::of(cut_off().await, both.settled().await).await.works().await;
    });
}

#[test]
fn without_postgres_nats_carries_on() {
    on_runtime(async {
        let mut postgres = Postgres::start().unwrap();
        let installation = Installation::of(&postgres).await;
        let both = Both { installation, server: Server::start(), is_up: true };
        let mut pair = Pair::of(both.settled().await, both.settled().await).await;
        pair.works().await;
        postgres.kill().unwrap();
        pair.works().await;
        postgres.start_again().unwrap();
        both.server.kill();
        pair.works().await;
    });
}
