//! The log of transitions, which PostgreSQL writes in the same transactions as the store: each
//! change of a row that matters, who made it, and when.

use anyhow::Context;
use postroom_testbed::Postgres;
use serde::Deserialize;
use serde_json::Value;

/// Begins to write the log. The store's schema must be there.
pub const INSTALL: &str = include_str!("install.sql");
const READ: &str = include_str!("read.sql");

/// One change of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    pub at_ms: i64,
    pub txid: u64,
    /// The process that wrote it: node, and how often that was started.
    pub writer: String,
    pub change: Change,
}

/// What changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Thread(Delta<ThreadRow>),
    Run(Delta<RunRow>),
    Dispatch(Delta<DispatchRow>),
    Claim(Delta<ClaimRow>),
    Message(Delta<MessageRow>),
}

/// A row before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta<R> {
    pub was: Option<R>,
    pub becomes: Option<R>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ThreadRow {
    pub thread_no: u64,
    pub epoch: u64,
    pub claim_number: u64,
    pub claimed_dispatch_id: Option<String>,
    pub active_run_id: Option<String>,
    pub open_run_id: Option<String>,
    pub queued: u64,
    pub readiness: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RunRow {
    pub thread_no: u64,
    pub id: String,
    pub status: String,
    pub dispatch_id: Option<String>,
    pub attempt: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DispatchRow {
    pub thread_no: u64,
    pub id: String,
    pub run_id: String,
    pub status: String,
    pub epoch: u64,
    pub attempt_count: u64,
    pub max_attempts: u64,
    pub instance_id: Option<String>,
    pub last_error: Option<String>,
    pub requeued_as: Option<String>,
}

impl DispatchRow {
    pub fn is_terminal(&self) -> bool {
        !matches!(self.status.as_str(), "queued" | "claimed")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClaimRow {
    pub thread_no: u64,
    pub claim_number: u64,
    pub lease_until: i64,
    pub dispatch_id: String,
    pub claimed_by: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MessageRow {
    pub thread_no: u64,
    pub seq: u64,
    pub run_id: String,
    pub role: String,
}

impl Change {
    /// The thread that it belongs to.
    pub fn thread_no(&self) -> u64 {
        fn of<R>(delta: &Delta<R>, number: fn(&R) -> u64) -> u64 {
            delta.becomes.as_ref().or(delta.was.as_ref()).map_or(0, number)
        }
        match self {
            Self::Thread(delta) => of(delta, |row| row.thread_no),
            Self::Run(delta) => of(delta, |row| row.thread_no),
            Self::Dispatch(delta) => of(delta, |row| row.thread_no),
            Self::Claim(delta) => of(delta, |row| row.thread_no),
            Self::Message(delta) => of(delta, |row| row.thread_no),
        }
    }
}

/// A line of the log as it is read.
#[derive(Deserialize)]
struct Line {
    at_ms: i64,
    txid: u64,
    writer: String,
    kind: String,
    was: Option<Value>,
    becomes: Option<Value>,
}

/// Reads the whole log, in order.
pub fn read(postgres: &Postgres) -> anyhow::Result<Vec<Transition>> {
    postgres.sql("postgres", READ)?.lines().map(parse).collect()
}

fn parse(line: &str) -> anyhow::Result<Transition> {
    let Line { at_ms, txid, writer, kind, was, becomes } =
        serde_json::from_str(line).with_context(|| format!("not a transition: {line}"))?;
    let change = match kind.as_str() {
        "threads" => Change::Thread(delta(was, becomes)?),
        "runs" => Change::Run(delta(was, becomes)?),
        "dispatches" => Change::Dispatch(delta(was, becomes)?),
        "claims" => Change::Claim(delta(was, becomes)?),
        "messages" => Change::Message(delta(was, becomes)?),
        other => anyhow::bail!("a transition of {other}"),
    };
    Ok(Transition { at_ms, txid, writer, change })
}

fn delta<R: serde::de::DeserializeOwned>(
    was: Option<Value>,
    becomes: Option<Value>,
) -> anyhow::Result<Delta<R>> {
    let row = |value: Option<Value>| value.map(serde_json::from_value).transpose();
    Ok(Delta { was: row(was)?, becomes: row(becomes)? })
}
