//! Nodes that tell each other through NATS.
//!
//! Signals are messages of a JetStream work queue that all nodes pull from, live commands are
//! requests to a subject that only their execution listens to, and events are told on a subject of
//! each thread. All of it is hints: NATS acknowledges before it syncs, and nothing is lost with it
//! that the store does not have.
//!
//! A server that is not there, or loses its storage, is waited for: the connection, the stream and
//! its consumer are made anew. Meanwhile [`Nats::state`] says what is missing.

mod ears;
mod feed;
mod keeper;
mod live;
mod pull;
mod queue;
mod signals;
mod subject;
mod wire;

pub use feed::NatsFeed;
pub use live::NatsLive;
pub use signals::NatsSignals;

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State as Connection;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use postroom_core::ports::{IdSource, Spawner};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use subject::Subjects;

/// How to reach NATS.
pub struct Options {
    /// Where to: `nats://host:4222`, several with commas between them. A user and a password may
    /// stand in it.
    pub url: String,
    /// What encrypts the connection, where the address asks for it (`tls://`); `None` for the
    /// library's own.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Which installation this is: nodes hear each other if they name the same.
    pub installation: String,
    /// Names this node among the others: new with each process.
    pub ids: Arc<dyn IdSource>,
    /// Starts tasks.
    pub spawner: Arc<dyn Spawner>,
}

/// What an address may be refused for.
#[derive(Debug, thiserror::Error)]
#[error("not an address of NATS: {reason}")]
pub struct InvalidUrl {
    /// What is wrong.
    pub reason: String,
}

/// How it stands with NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is being connected to for the first time.
    Connecting,
    /// All of it works.
    Ready {
        /// The server's.
        version: String,
    },
    /// Something is missing; it is looked for again and again.
    Lost {
        /// What, and what to do about it.
        reason: String,
    },
}

/// A connection to NATS. Clones are the same one; when the last is gone it is closed.
#[derive(Clone)]
pub struct Nats {
    held: Arc<Held>,
}

struct Held {
    shared: Arc<Shared>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.closed.cancel();
    }
}

struct Shared {
    client: Client,
    subjects: Subjects,
    /// This node, among the others.
    me: u64,
    spawner: Arc<dyn Spawner>,
    state: watch::Sender<State>,
    /// How often the connection was made: it may have lost something in between.
    connections: watch::Sender<u64>,
    /// Somebody has met with a failure: look what is missing.
    trouble: Notify,
    closed: CancellationToken,
}

/// How often the server is asked whether it is still there. Two silent answers end the connection.
const PING_EVERY: Duration = Duration::from_secs(2);
/// How long it is waited for an answer that needs no work.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest pause between tries to connect.
const RECONNECT_MAX: Duration = Duration::from_secs(2);

impl Nats {
    /// A connection that makes itself, now or as soon as it can, for as long as it is held.
    ///
    /// # Errors
    /// [`InvalidUrl`] where the address can't be one.
    pub async fn connect(options: Options) -> Result<Self, InvalidUrl> {
        let connections = watch::Sender::new(0);
        let counted = connections.clone();
        let mut settings = ConnectOptions::new()
            .name("postroom")
            .retry_on_initial_connect()
            .ping_interval(PING_EVERY)
            .connection_timeout(PATIENCE)
            .reconnect_delay_callback(|tries| {
                let doubled = Duration::from_millis(50 << tries.min(6));
                doubled.min(RECONNECT_MAX)
            })
            .event_callback(move |event| {
                if matches!(event, Event::Connected) {
                    counted.send_modify(|count| *count += 1);
                }
                std::future::ready(())
            });
        if let Some(tls) = &options.tls {
            settings = settings.tls_client_config((**tls).clone());
        }
        let client = settings.connect(addresses(&options.url)?).await;
        let client = client.map_err(|error| InvalidUrl { reason: error.to_string() })?;
        let shared = Arc::new(Shared {
            client,
            subjects: Subjects::of(&options.installation),
            me: options.ids.random(),
            spawner: options.spawner,
            state: watch::Sender::new(State::Connecting),
            connections,
            trouble: Notify::new(),
            closed: CancellationToken::new(),
        });
        shared.spawner.spawn(Box::pin(keeper::keep(shared.clone())));
        Ok(Self { held: Arc::new(Held { shared }) })
    }

    /// How it stands; a `watch`, so that a change can be awaited.
    pub fn state(&self) -> watch::Receiver<State> {
        self.shared().state.subscribe()
    }

    /// Whether all of it works.
    pub fn is_ready(&self) -> bool {
        matches!(*self.shared().state.borrow(), State::Ready { .. })
    }

    /// Signals over this connection.
    pub fn signals(&self) -> NatsSignals {
        NatsSignals { nats: self.clone() }
    }

    /// Live control over this connection.
    pub fn live(&self) -> NatsLive {
        NatsLive { nats: self.clone() }
    }

    /// The event feed over this connection.
    pub fn feed(&self) -> NatsFeed {
        NatsFeed::new(self)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.held.shared
    }
}

fn addresses(url: &str) -> Result<Vec<ServerAddr>, InvalidUrl> {
    let address = |part: &str| {
        let address: ServerAddr =
            part.trim().parse().map_err(|error: std::io::Error| error.to_string())?;
        if address.host().is_empty() { Err("it names no host".to_owned()) } else { Ok(address) }
    };
    url.split(',').map(address).collect::<Result<_, _>>().map_err(|reason| InvalidUrl { reason })
}

impl Shared {
    fn is_connected(&self) -> bool {
        self.client.connection_state() == Connection::Connected
    }

    /// Resolves once the server has taken in all that was sent before, subscriptions above all: it
    /// answers a request that nobody listens to by itself, in its turn. `false`: it did not answer.
    async fn round_trip(&self) -> bool {
        let asked = self.client.request(self.subjects.nobody(), bytes::Bytes::new());
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => error.kind() == async_nats::RequestErrorKind::NoResponders,
            Err(_) => false,
        }
    }
}
