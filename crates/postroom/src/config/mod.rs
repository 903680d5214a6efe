//! The configuration: flags over environment over `postroom.toml` over defaults.
//!
//! All layers are merged into one table that remembers where each value came from, and the table is
//! read once into [`Config`]. So every error, of whatever layer, can name its place.

mod check;
mod layers;
mod postgres_url;
mod print;
mod secrets;
mod telemetry;
mod trust;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use postroom_agent::tools::HttpFetchConfig;
use postroom_agent::{AgentConfig, McpConfig, ModelConfig};
use postroom_automation::webhook::WebhooksConfig;
use postroom_server::TenantLimits;
use postroom_service::config::{Limits, Mailbox};
use serde::{Deserialize, Serialize};

use layers::Layers;
pub use layers::Origin;
pub use postgres_url::PostgresUrl;
pub use secrets::without_secrets;
pub use telemetry::{Otlp, Telemetry};

/// All settings with their defaults and an explanation of each, as a configuration file.
pub const DEFAULT_TOML: &str = include_str!("../config.default.toml");

/// The file that is read where `--config` names none.
const USUAL_FILE: &str = "postroom.toml";

/// All settings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the API is served.
    pub server: Server,
    /// Where mailboxes are kept.
    pub store: Store,
    /// How nodes wake each other.
    pub signals: Signals,
    /// How much at once.
    pub limits: Limits,
    /// How long, how often, how many times.
    pub mailbox: Mailbox,
    /// How much tenants may do, by their names; `*` stands for all that are not named.
    pub tenants: BTreeMap<String, TenantLimits>,
    /// Models by the names that agents use for them.
    pub models: BTreeMap<String, ModelConfig>,
    /// Agents by their ids.
    pub agents: BTreeMap<String, AgentConfig>,
    /// Settings of tools.
    pub tools: Tools,
    /// MCP servers by the names that agents use for their tools.
    pub mcp: BTreeMap<String, McpConfig>,
    /// How outcomes are posted.
    pub webhooks: WebhooksConfig,
    /// What is logged.
    pub log: Log,
    /// Where traces go.
    pub telemetry: Telemetry,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// `[tools]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tools {
    /// What `http_fetch` may do.
    pub http_fetch: HttpFetchConfig,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// `HOST:PORT`; port 0 takes a free one.
    pub listen: String,
    /// Serve everybody who can reach the address, although there are no keys.
    pub insecure_no_keys: bool,
    /// Answer nobody without a key, on loopback neither.
    pub require_keys: bool,
    /// Where web pages come from that may call, such as `https://app.example.com`.
    pub cors_origins: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8321".to_owned(),
            insecure_no_keys: false,
            require_keys: false,
            cors_origins: Vec::new(),
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite://PATH`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE` or `memory:`.
    pub url: String,
    /// PostgreSQL: the schema that the tables are in; made if it is not there.
    pub schema: String,
    /// PostgreSQL: how many connections this node takes at most, but for two that listen.
    pub connections: usize,
    /// PostgreSQL: whether statements are prepared; not behind a `PgBouncer` older than 1.21.
    pub prepared_statements: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: "sqlite://postroom.db".to_owned(),
            schema: "postroom".to_owned(),
            connections: 12,
            prepared_statements: true,
        }
    }
}

/// `[signals]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signals {
    /// With a PostgreSQL store: carries what nodes tell each other, so that PostgreSQL need not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_url: Option<String>,
    /// The PostgreSQL server itself, where `store.url` is a pooler in transaction mode: nodes listen
    /// to each other there, which takes a connection of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres_url: Option<String>,
}

/// Where a mailbox store is, as its URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In this process, and gone with it.
    Memory,
    /// In this file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database, for any number of nodes.
    Postgres(PostgresUrl),
}

/// The flags that stand over everything else.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Flags {
    /// The configuration file [default: ./postroom.toml, where there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where mailboxes are kept: `sqlite://PATH`, `postgres://…` or `memory:` [default: postroom.db in this directory]
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Any setting by its name, such as `limits.drain_ms=1000`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Something in the configuration that can't be used.
#[derive(Debug)]
pub struct Invalid {
    place: Option<Origin>,
    key: Option<String>,
    problem: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Invalid {}

impl Invalid {
    fn new(place: Option<Origin>, key: Option<String>, problem: impl Into<String>) -> Self {
        Self { place, key, problem: problem.into() }
    }
}

/// A configuration, and where each value of it came from.
#[derive(Debug)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    layers: Layers,
    source: Source,
}

/// Where a configuration is read from, so that it can be read again.
#[derive(Debug, Clone, Default)]
struct Source {
    flags: Flags,
    more: Vec<(&'static str, &'static str, String)>,
}

impl Loaded {
    /// Reads the file, the environment and the flags, and checks what they come to.
    ///
    /// # Errors
    /// [`Invalid`] names the place of the first thing that can't be used.
    pub fn read(
        flags: &Flags,
        more: &[(&'static str, &'static str, String)],
    ) -> Result<Self, Invalid> {
        let mut layers = Layers::default();
        if let Some((path, text)) = file(flags.config.as_deref())? {
            layers.add_file(&path, &text)?;
        }
        layers.add_environment(std::env::vars_os())?;
        for setting in &flags.set {
            layers.add_setting(setting)?;
        }
        if let Some(url) = &flags.store {
            layers.add_flag("--store", "store.url", url);
        }
        for (flag, key, value) in more {
            layers.add_flag(flag, key, value);
        }
        let loaded = Self::of(layers)?;
        let source = Source { flags: flags.clone(), more: more.to_vec() };
        Ok(Self { source, ..loaded })
    }

    /// Reads it again from where it was read.
    ///
    /// # Errors
    /// As [`Loaded::read`].
    pub fn read_again(&self) -> Result<Self, Invalid> {
        Self::read(&self.source.flags, &self.source.more)
    }

    /// The file that is read, or would be if it were there.
    pub fn file(&self) -> &Path {
        self.source.flags.config.as_deref().unwrap_or(Path::new(USUAL_FILE))
    }

    fn of(layers: Layers) -> Result<Self, Invalid> {
        let loaded = Self { config: layers.read()?, layers, source: Source::default() };
        loaded.check()?;
        Ok(loaded)
    }

    /// An error about the value at `key`, with its place.
    pub fn invalid(&self, key: &str, problem: impl Into<String>) -> Invalid {
        Invalid::new(self.layers.origin(key).cloned(), Some(key.to_owned()), problem)
    }
}

/// The configuration file's text; `None` where there is no file and none was asked for.
fn file(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, Invalid> {
    let path = named.unwrap_or(Path::new(USUAL_FILE)).to_owned();
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let problem = format!("the configuration can't be read: {error}");
            Err(Invalid::new(Some(Origin::File { path, line: None }), None, problem))
        }
    }
}

#[cfg(test)]
mod any_input;
#[cfg(test)]
mod tests;
