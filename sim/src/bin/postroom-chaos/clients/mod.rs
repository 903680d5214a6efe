//! The clients: they use the cluster as people and programs do, through HTTP, and note what they are
//! told.

pub mod http;
pub mod meddler;
pub mod person;
pub mod reader;
pub mod sender;

use std::sync::Arc;

use postroom_sim::chance::Chance;
use tokio::sync::watch;

use crate::told::Told;
use http::Http;

/// What clients may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Everything.
    Load,
    /// Nothing new: see to it that what was begun comes to its end.
    Healed,
    /// Nothing any more.
    Over,
}

/// What all clients know.
#[derive(Clone)]
pub struct Town {
    pub http: Http,
    /// Where the nodes are.
    pub nodes: Arc<Vec<String>>,
    pub threads: Arc<Vec<String>>,
    pub told: Arc<Told>,
    pub phase: watch::Receiver<Phase>,
}

impl Town {
    /// Any node.
    pub fn node(&self, chance: &Chance) -> String {
        chance.pick(&self.nodes).clone()
    }

    /// Any thread.
    pub fn thread(&self, chance: &Chance) -> String {
        chance.pick(&self.threads).clone()
    }

    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }
}
