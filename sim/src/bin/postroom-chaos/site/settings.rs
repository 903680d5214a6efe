//! The configuration of a node.

use serde_json::json;

/// Where mailboxes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// PostgreSQL, with a standby.
    Postgres,
    /// A file; one node alone.
    Sqlite,
}

/// The file that it is then.
pub const SQLITE_FILE: &str = "postroom.db";

/// The times that the nodes go by: small, so that a short run sees many leases end.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    pub lease_ms: u64,
    pub lease_renewal_interval_ms: u64,
    pub lease_margin_ms: u64,
    pub suspended_lease_ms: u64,
    pub sweep_interval_ms: u64,
    pub retry_delay_ms_max: u64,
    pub cancel_wait_ms: u64,
    pub attempts_max: u64,
}

impl Numbers {
    /// Those of every run.
    pub const CHAOS: Self = Self {
        lease_ms: 3_000,
        lease_renewal_interval_ms: 800,
        lease_margin_ms: 400,
        suspended_lease_ms: 6_000,
        sweep_interval_ms: 1_500,
        retry_delay_ms_max: 300,
        cancel_wait_ms: 2_000,
        attempts_max: 40,
    };
}

/// What a node must know.
pub struct Settings<'s> {
    pub port: u16,
    /// Names the process in the database: node, and how often it was started.
    pub writer: &'s str,
    pub database_port: Option<u16>,
    pub nats_port: Option<u16>,
    pub model_port: u16,
}

impl Settings<'_> {
    /// As `postroom.toml`.
    pub fn toml(&self, numbers: &Numbers) -> String {
        let store = match self.database_port {
            Some(port) => {
                let writer = self.writer;
                format!("postgres://postgres@127.0.0.1:{port}/postgres?application_name={writer}")
            }
            None => format!("sqlite://{SQLITE_FILE}"),
        };
        let signals = match self.nats_port {
            Some(port) => format!("[signals]\nnats_url = \"nats://127.0.0.1:{port}\"\n"),
            None => String::new(),
        };
        let Numbers {
            lease_ms,
            lease_renewal_interval_ms,
            lease_margin_ms,
            suspended_lease_ms,
            sweep_interval_ms,
            retry_delay_ms_max,
            cancel_wait_ms,
            attempts_max,
        } = numbers;
        let cancel_grace_ms = cancel_wait_ms / 2;
        let (port, model_port) = (self.port, self.model_port);
        format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n\
             [store]\nurl = {store}\n\
             {signals}\
             [limits]\ndrain_ms = 2000\nmax_concurrent_runs = 32\n\
             [mailbox]\n\
             lease_ms = {lease_ms}\n\
             lease_renewal_interval_ms = {lease_renewal_interval_ms}\n\
             lease_margin_ms = {lease_margin_ms}\n\
             suspended_lease_ms = {suspended_lease_ms}\n\
             sweep_interval_ms = {sweep_interval_ms}\n\
             default_max_attempts = {attempts_max}\n\
             default_retry_delay_ms = 50\n\
             max_retry_delay_ms = {retry_delay_ms_max}\n\
             cancel_wait_ms = {cancel_wait_ms}\n\
             cancel_grace_ms = {cancel_grace_ms}\n\
             decision_poll_ms = 1000\n\
             [models.ledger]\nprovider = \"openai\"\nmodel = \"ledger\"\n\
             base_url = \"http://127.0.0.1:{model_port}/v1\"\n\
             api_key_env = \"{KEY_VARIABLE}\"\n\
             [agents.default]\nmodel = \"ledger\"\ntools = [\"clock\", \"demo_action\"]\n",
            store = json!(store),
        )
    }
}

/// The variable that holds the model's key, which nobody looks at.
pub const KEY_VARIABLE: &str = "LEDGER_KEY";
