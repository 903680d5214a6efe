//! Everything that runs: the nodes, what they talk to, and what stands in between.

mod binary;
mod database;
mod node;
mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use postroom_core::sabotage::Fault;
use postroom_testbed::{Nats, Proxy, Scratch, Weather};

pub use binary::Binary;
pub use database::Database;
pub use node::Node;
pub use settings::{Backend, Numbers};

use crate::plan::{Means, Peer};

/// What to build.
pub struct Blueprint<'b> {
    pub binary: &'b Binary,
    pub nodes: usize,
    pub backend: Backend,
    pub nats: bool,
    pub model_port: u16,
    /// A deliberate fault of the nodes.
    pub sabotage: Option<Fault>,
}

/// All of it. Dropped in this order: nodes before what they talk to, and the directory last.
pub struct Site {
    pub nodes: Vec<Node>,
    pub nats: Option<Nats>,
    pub database: Option<Database>,
    scratch: Scratch,
}

impl Site {
    /// Starts everything but the nodes.
    pub fn build(blueprint: &Blueprint<'_>) -> anyhow::Result<Self> {
        let scratch = Scratch::new("postroom-chaos-")?;
        let database = match blueprint.backend {
            Backend::Postgres => Some(Database::start()?),
            Backend::Sqlite => None,
        };
        let nats = blueprint.nats.then(Nats::start).transpose()?;
        let mut site = Self { nodes: Vec::new(), nats, database, scratch };
        for number in 0..blueprint.nodes {
            let proxied = |port: Option<u16>| port.map(Proxy::to).transpose();
            let database = proxied(site.database.as_ref().map(Database::port))?;
            let nats = proxied(site.nats.as_ref().map(Nats::port))?;
            let dir = site.scratch.join(format!("node-{number}"));
            std::fs::create_dir(&dir).context("no directory for a node")?;
            site.nodes.push(Node::new(number, dir, blueprint, database, nats)?);
        }
        Ok(site)
    }

    /// Starts the nodes, and waits until all are ready.
    pub fn start_nodes(&mut self, within: Duration) -> anyhow::Result<()> {
        // The first one makes the schema; the others could as well, and would only wait.
        for node in &mut self.nodes {
            node.start()?;
            node.until_ready(within)?;
        }
        Ok(())
    }

    /// What of the plan can be done here.
    pub fn means(&self, numbers: &Numbers) -> Means {
        Means {
            nodes: self.nodes.len(),
            postgres: self.database.is_some(),
            nats: self.nats.is_some(),
            // A store in a file goes by the clock of its one node: put forward and back again, that
            // node would wait for hours.
            faketime: self.database.is_some() && self.nodes.iter().all(Node::has_clock),
            small_disk: self.database.as_ref().is_some_and(Database::has_disk),
            lease: Duration::from_millis(numbers.lease_ms),
        }
    }

    /// Where the SQLite store is, if that is what the nodes use.
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        let node = self.nodes.first()?;
        self.database.is_none().then(|| node.dir().join(settings::SQLITE_FILE))
    }

    /// Changes what happens between a node and a peer.
    pub fn weather(&self, node: usize, peer: Peer, weather: Weather) {
        if let Some(proxy) = self.nodes[node].proxy(peer) {
            proxy.set(weather);
        }
    }

    /// After the database has moved.
    pub fn aim_at_database(&self) {
        let Some(database) = &self.database else { return };
        for node in &self.nodes {
            if let Some(proxy) = node.proxy(Peer::Database) {
                proxy.aim(database.port());
            }
        }
    }

    /// How many answers to a COMMIT never came back.
    pub fn replies_lost(&self) -> u64 {
        let proxies = self.nodes.iter().filter_map(|node| node.proxy(Peer::Database));
        proxies.map(Proxy::replies_lost).sum()
    }

    /// Keeps the logs for whoever looks for the cause of a violation.
    pub fn keep_logs(&self, dir: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        for node in &self.nodes {
            node.keep_logs(dir)?;
        }
        if let Some(database) = &self.database {
            std::fs::write(dir.join("postgres.log"), database.log())?;
        }
        if let Some(nats) = &self.nats {
            std::fs::write(dir.join("nats.log"), nats.log())?;
        }
        Ok(())
    }
}
