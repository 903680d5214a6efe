//! The suites over a real NATS. Disturbed, the server is killed, loses its storage, and comes back.

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_conformance::{Network, Nodes, Time};
use postroom_core::ports::{EventFeed, LiveControl, Signals};
use postroom_signals::nats::{Nats, State};
use support::nats::{Plain, Server, options};
use support::{on_runtime, threads};

#[async_trait]
impl Network<dyn Signals> for Server {
    async fn node(&self) -> Arc<dyn Signals> {
        Arc::new(self.connect().await.signals())
    }

    async fn disturb(&self) {
        self.lose_everything();
    }
}

#[async_trait]
impl Network<dyn LiveControl> for Server {
    async fn node(&self) -> Arc<dyn LiveControl> {
        Arc::new(self.connect().await.live())
    }

    async fn disturb(&self) {
        self.lose_everything();
    }
}

#[async_trait]
impl Network<dyn EventFeed> for Server {
    async fn node(&self) -> Arc<dyn EventFeed> {
        Arc::new(self.connect().await.feed())
    }

    async fn disturb(&self) {
        self.lose_everything();
    }
}

fn signals() -> Nodes<dyn Signals> {
    Arc::new(Server::start())
}

fn live() -> Nodes<dyn LiveControl> {
    Arc::new(Server::start())
}

fn feed() -> Nodes<dyn EventFeed> {
    Arc::new(Server::start())
}

postroom_conformance::signals_suite!(Time::Real, signals());
postroom_conformance::live_suite!(Time::Real, live());
postroom_conformance::feed_suite!(Time::Real, feed());

async fn reason(nats: &Nats) -> String {
    let mut state = nats.state();
    let wanted = |state: &State| matches!(state, State::Lost { reason } if reason != "there is no connection");
    let lost = state.wait_for(wanted);
    let lost = tokio::time::timeout(Duration::from_secs(20), lost).await.expect("it is noticed");
    match lost.unwrap().clone() {
        State::Lost { reason } => reason,
        other => unreachable!("waited for another than {other:?}"),
    }
}

#[test]
fn a_server_without_jetstream_is_told_apart() {
    on_runtime(async {
        let server = Plain::start();
        let nats = Nats::connect(options(&server.url)).await.unwrap();
        assert_eq!(reason(&nats).await, "JetStream is off: start nats-server with --jetstream");
        assert!(nats.signals().publish(&threads(1)[0]).await.is_err());
        assert!(nats.signals().pull(1, Duration::from_millis(10)).await.is_err());
    });
}

#[test]
fn a_stream_that_is_no_work_queue_is_told_apart() {
    on_runtime(async {
        let server = Server::start();
        let client = async_nats::connect(server.url()).await.unwrap();
        let name = "POSTROOM_the=20house=2e=20=2a_SIGNALS";
        let context = async_nats::jetstream::new(client);
        let others = async_nats::jetstream::stream::Config {
            name: name.to_owned(),
            subjects: vec!["postroom.>".to_owned()],
            ..Default::default()
        };
        context.create_stream(others).await.unwrap();
        let nats = Nats::connect(server.options()).await.unwrap();
        let reason = reason(&nats).await;
        assert!(reason.contains("retention is Limits and should be WorkQueue"), "{reason}");
        assert!(reason.contains("delete it"), "{reason}");
        // It is looked for again and again.
        context.delete_stream(name).await.unwrap();
        let mut state = nats.state();
        let ready = state.wait_for(|state| matches!(state, State::Ready { .. }));
        tokio::time::timeout(Duration::from_secs(20), ready).await.expect("it works").unwrap();
    });
}

#[test]
fn a_stream_of_another_version_is_changed() {
    on_runtime(async {
        let server = Server::start();
        drop(server.connect().await);
        let client = async_nats::connect(server.url()).await.unwrap();
        let context = async_nats::jetstream::new(client);
        let stream = context.get_stream("POSTROOM_the=20house=2e=20=2a_SIGNALS").await.unwrap();
        let mut others = stream.cached_info().config.clone();
        others.max_age = Duration::from_hours(2);
        others.max_messages = 5;
        context.update_stream(&others).await.unwrap();
        let nats = server.connect().await;
        for thread_id in &threads(20) {
            nats.signals().publish(thread_id).await.unwrap();
        }
        let pulled = nats.signals().pull(32, Duration::from_secs(5)).await.unwrap();
        assert_eq!(pulled.len(), 20, "more than five fit");
    });
}

#[test]
fn a_thread_waits_once_however_often_it_is_signalled() {
    on_runtime(async {
        let server = Server::start();
        let nats = server.connect().await;
        for _ in 0..50 {
            nats.signals().publish(&threads(1)[0]).await.unwrap();
        }
        let pulled = nats.signals().pull(32, Duration::from_secs(5)).await.unwrap();
        assert_eq!(pulled.len(), 1);
    });
}

#[test]
fn what_can_not_be_an_address_is_refused() {
    on_runtime(async {
        for url in ["", "nats://", "nats://a b:1", "nats://127.0.0.1:99999", "http://[", ","] {
            assert!(Nats::connect(options(url)).await.is_err(), "{url:?} was taken");
        }
    });
}
