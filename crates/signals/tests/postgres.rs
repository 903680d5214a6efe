//! The suites over a real PostgreSQL.

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_conformance::{Network, Nodes, Time};
use postroom_core::id::ThreadId;
use postroom_core::ports::{EventFeed, LiveControl, Signals};
use postroom_testbed::{Postgres, Shutdown};
use support::database::Installation;
use support::{on_runtime, threads};

#[async_trait]
impl Network<dyn Signals> for Installation {
    async fn node(&self) -> Arc<dyn Signals> {
        Arc::new(self.bus().await.signals())
    }

    async fn disturb(&self) {
        self.break_connections().await;
    }
}

#[async_trait]
impl Network<dyn LiveControl> for Installation {
    async fn node(&self) -> Arc<dyn LiveControl> {
        Arc::new(self.bus().await.live())
    }

    async fn disturb(&self) {
        self.break_connections().await;
    }
}

#[async_trait]
impl Network<dyn EventFeed> for Installation {
    async fn node(&self) -> Arc<dyn EventFeed> {
        Arc::new(self.bus().await.feed())
    }

    async fn disturb(&self) {
        self.break_connections().await;
    }
}

async fn signals() -> Nodes<dyn Signals> {
    Arc::new(Installation::new().await)
}

async fn live() -> Nodes<dyn LiveControl> {
    Arc::new(Installation::new().await)
}

async fn feed() -> Nodes<dyn EventFeed> {
    Arc::new(Installation::new().await)
}

postroom_conformance::signals_suite!(Time::Real, signals().await);
postroom_conformance::live_suite!(Time::Real, live().await);
postroom_conformance::feed_suite!(Time::Real, feed().await);

/// Pulls and acknowledges until nothing came for a while; says how often each thread came.
async fn pull_all(signals: &dyn Signals) -> HashMap<ThreadId, u32> {
    let mut seen = HashMap::new();
    loop {
        let pulled = signals.pull(4, Duration::from_secs(1)).await.unwrap();
        if pulled.is_empty() {
            return seen;
        }
        for signal in pulled {
            signals.ack(&signal.receipt).await.unwrap();
            *seen.entry(signal.thread_id).or_default() += 1;
        }
    }
}

#[test]
fn one_of_the_nodes_that_have_room_looks_at_a_signal() {
    on_runtime(async {
        let house = Installation::new().await;
        let (full, b, c) = (house.bus().await, house.bus().await, house.bus().await);
        let names = threads(200);
        let publishing = async {
            for thread_id in &names {
                full.signals().publish(thread_id).await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let (b, c) = (b.signals(), c.signals());
        let (b, c, ()) = tokio::join!(pull_all(&b), pull_all(&c), publishing);
        let looks: u32 = b.values().chain(c.values()).sum();
        let both = names.iter().all(|name| b.contains_key(name) || c.contains_key(name));
        assert!(both, "some never came");
        assert!(looks < 220, "200 signals were looked at {looks} times");
        // Each has its share.
        assert!(b.len() > 50 && c.len() > 50, "{} and {}", b.len(), c.len());
    });
}

#[test]
fn a_node_without_room_leaves_its_turn_to_the_next() {
    on_runtime(async {
        let house = Installation::new().await;
        let (full, also_full, free) = (house.bus().await, house.bus().await, house.bus().await);
        let names = threads(50);
        for thread_id in &names {
            full.signals().publish(thread_id).await.unwrap();
        }
        let seen = pull_all(&free.signals()).await;
        assert_eq!(seen.len(), names.len());
        // It has heard that they are dealt with.
        assert_eq!(pull_all(&also_full.signals()).await, HashMap::new());
    });
}

#[test]
fn installations_in_one_database_do_not_hear_each_other() {
    on_runtime(async {
        let (house, other) = (Installation::new().await, Installation::new().await);
        let (here, elsewhere) = (house.bus().await, other.bus().await);
        for thread_id in &threads(10) {
            here.signals().publish(thread_id).await.unwrap();
        }
        assert_eq!(pull_all(&elsewhere.signals()).await, HashMap::new());
        assert_eq!(pull_all(&here.signals()).await.len(), 10);
    });
}

#[test]
fn a_server_that_restarts_is_waited_for() {
    on_runtime(async {
        let mut server = Postgres::start().unwrap();
        let house = Installation::of(&server).await;
        let (here, there) = (house.bus().await, house.bus().await);
        server.stop(Shutdown::Immediate).unwrap();
        for bus in [&here, &there] {
            bus.connected().wait_for(|connected| !connected).await.unwrap();
            let refused = bus.signals().publish(&threads(1)[0]).await;
            assert!(refused.is_err(), "nobody can hear it");
        }
        server.start_again().unwrap();
        for bus in [&here, &there] {
            bus.connected().wait_for(|connected| *connected).await.unwrap();
        }
        here.signals().publish(&threads(1)[0]).await.unwrap();
        assert_eq!(pull_all(&there.signals()).await.len(), 1);
    });
}

#[test]
fn a_node_that_goes_hangs_up() {
    on_runtime(async {
        let house = Installation::new().await;
        let bus = house.bus().await;
        let (signals, subscription) = (bus.signals(), bus.feed());
        drop(bus);
        assert_eq!(house.connections().await, 1, "its parts still hold it");
        drop((signals, subscription));
        let gone = async {
            while house.connections().await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("it hangs up");
    });
}
