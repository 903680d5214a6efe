//! NATS where it is there, PostgreSQL where it is not.
//!
//! Each node listens on both. What it says, it says over NATS; over PostgreSQL too while NATS is
//! not ready here, or while another node says that PostgreSQL alone reaches it. So nodes that have
//! lost NATS and nodes that have not go on understanding each other, and the way back needs nobody's
//! help.

mod feed;
mod live;
mod signals;

pub use feed::FallbackFeed;
pub use live::FallbackLive;
pub use signals::FallbackSignals;

use postroom_core::ports::Spawner;
use tokio::sync::watch;

use crate::nats::{Nats, State};
use crate::postgres::Bus;

/// What a node's traffic goes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traffic {
    /// NATS, as it should.
    Nats,
    /// PostgreSQL, which is slower.
    Postgres {
        /// What is wrong with NATS.
        reason: String,
    },
}

/// Signals, live control and events over NATS, and over PostgreSQL without it.
#[derive(Clone)]
pub struct Fallback {
    nats: Nats,
    bus: Bus,
    traffic: watch::Receiver<Traffic>,
}

impl Fallback {
    /// Prefers `nats` to `bus`; says in the log when that changes.
    pub fn new(nats: Nats, bus: Bus, spawner: &dyn Spawner) -> Self {
        let state = nats.state();
        let (traffic, seen) = watch::channel(traffic(&state.borrow()));
        bus.set_depends(!nats.is_ready());
        spawner.spawn(Box::pin(watch_over(state, traffic, bus.clone())));
        Self { nats, bus, traffic: seen }
    }

    /// What this node's traffic goes over; a `watch`, so that a change can be awaited.
    pub fn traffic(&self) -> watch::Receiver<Traffic> {
        self.traffic.clone()
    }

    /// Signals.
    pub fn signals(&self) -> FallbackSignals {
        FallbackSignals {
            nats: self.nats.signals(),
            postgres: self.bus.signals(),
            both: self.clone(),
        }
    }

    /// Live control.
    pub fn live(&self) -> FallbackLive {
        FallbackLive { nats: self.nats.live(), postgres: self.bus.live(), both: self.clone() }
    }

    /// The event feed.
    pub fn feed(&self) -> FallbackFeed {
        FallbackFeed { nats: self.nats.feed(), postgres: self.bus.feed(), both: self.clone() }
    }

    /// Whether NATS alone does not reach everybody.
    fn needs_postgres(&self) -> bool {
        !self.nats.is_ready() || self.bus.some_depend()
    }
}

fn traffic(state: &State) -> Traffic {
    match state {
        State::Ready { .. } => Traffic::Nats,
        State::Connecting => Traffic::Postgres { reason: "it is being connected to".to_owned() },
        State::Lost { reason } => Traffic::Postgres { reason: reason.clone() },
    }
}

/// Tells this node, the other nodes and people what traffic goes over, for as long as the connection
/// to NATS is held.
async fn watch_over(mut state: watch::Receiver<State>, seen: watch::Sender<Traffic>, bus: Bus) {
    // Nothing is lost that was not there yet, and nothing is back that was not lost.
    let mut was_ready = matches!(*state.borrow_and_update(), State::Ready { .. });
    let mut said_lost = false;
    while state.changed().await.is_ok() {
        let now = state.borrow_and_update().clone();
        let is_ready = matches!(now, State::Ready { .. });
        bus.set_depends(!is_ready);
        seen.send_replace(traffic(&now));
        match &now {
            State::Ready { version } if !was_ready && said_lost => {
                tracing::info!(%version, "NATS is back: traffic goes over it again");
                said_lost = false;
            }
            State::Ready { version } if !was_ready => {
                tracing::info!(%version, "traffic between nodes goes over NATS");
            }
            State::Lost { reason } if !said_lost => {
                tracing::warn!(%reason, "NATS is missing: traffic goes over PostgreSQL, slower");
                said_lost = true;
            }
            State::Lost { reason } => tracing::debug!(%reason, "NATS is still missing"),
            State::Ready { .. } | State::Connecting => {}
        }
        was_ready = is_ready;
    }
}
