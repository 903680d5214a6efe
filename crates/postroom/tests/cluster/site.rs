//! Three nodes of the binary on one PostgreSQL, with NATS or without.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postroom_testbed::{Nats, PgBouncer, Postgres};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::support::{DEADLINE, Home, Server, http};

pub const LEASE: Duration = Duration::from_secs(3);
pub const SWEEP: Duration = Duration::from_secs(1);
/// How much longer than it should anything may take on a busy machine.
pub const SLACK: Duration = Duration::from_secs(8);

/// The nodes and what they share.
pub struct Site {
    pub homes: Vec<Home>,
    pub nodes: Vec<Server>,
    http: reqwest::Client,
    _nats: Option<Nats>,
    _pooler: Option<PgBouncer>,
}

/// What carries what the nodes tell each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    Postgres,
    /// The store is behind a pooler, and they listen past it.
    PastPgBouncer,
    Nats,
}

impl Site {
    pub async fn open(nodes: usize, traffic: Traffic) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let schema = format!("site {}", NEXT.fetch_add(1, Ordering::Relaxed));
        let postgres = Postgres::shared();
        let nats = (traffic == Traffic::Nats).then(|| Nats::start().unwrap());
        let pooler =
            (traffic == Traffic::PastPgBouncer).then(|| PgBouncer::start(postgres).unwrap());
        let store = match &pooler {
            Some(pooler) => format!("url = {:?}\nprepared_statements = false\n", pooler.url()),
            None => format!("url = {:?}\n", postgres.url()),
        };
        let signals = match (&nats, &pooler) {
            (Some(nats), _) => format!("nats_url = {:?}\n", nats.url()),
            (None, Some(_)) => format!("postgres_url = {:?}\n", postgres.url()),
            (None, None) => String::new(),
        };
        let config = format!(
            "[store]\n{store}schema = {schema:?}\nconnections = 4\n\
             [signals]\n{signals}\
             [limits]\ndrain_ms = 20000\n\
             [mailbox]\nlease_ms = {}\nlease_renewal_interval_ms = 500\nlease_margin_ms = 500\n\
             sweep_interval_ms = {}\nheartbeat_interval_ms = 500\ndefault_retry_delay_ms = 50\n",
            LEASE.as_millis(),
            SWEEP.as_millis(),
        );
        let homes: Vec<Home> = (0..nodes).map(|_| Home::with_config(&config)).collect();
        let mut running = Vec::new();
        for home in &homes {
            running.push(home.serve(&[]).await);
        }
        Self { homes, nodes: running, http: http(), _nats: nats, _pooler: pooler }
    }

    /// The place of the node that executes `run`, once one does.
    pub async fn executing(&self, run: &str) -> usize {
        let path = format!("/v1/runs/{run}");
        let run = self.nodes[0].until(&path, |run| run["status"] == "running").await;
        let path = format!("/v1/threads/{}/dispatches?status=claimed", text(&run["thread_id"]));
        let claimed = self.nodes[0].until(&path, |all| all["items"][0].is_object()).await;
        let holder = text(&claimed["items"][0]["claimed_by"]);
        for (place, node) in self.nodes.iter().enumerate() {
            if node.get("/v1/system").await["node"] == *holder {
                return place;
            }
        }
        panic!("{holder} is none of the nodes");
    }

    /// A node other than that.
    pub fn other(&self, than: usize) -> &Server {
        &self.nodes[(than + 1) % self.nodes.len()]
    }

    /// Posts to a node, and wants this status.
    pub async fn post(&self, node: &Server, path: &str, body: &Value, status: u16) -> Value {
        let request = self.http.post(format!("{}{path}", node.url));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        let answered = answer.status().as_u16();
        let said = answer.text().await.unwrap();
        assert_eq!(answered, status, "{path}: {said}");
        serde_json::from_str(&said).unwrap()
    }

    /// Submits a text to a thread in a mode; answers the run's id.
    pub async fn submit(&self, node: &Server, thread: &str, text_: &str, mode: &str) -> String {
        let body = json!({"messages": text_, "mode": mode});
        let answer = self.post(node, &format!("/v1/threads/{thread}/runs"), &body, 202).await;
        text(&answer["run_id"]).to_owned()
    }

    /// Waits at a node until the run is done.
    pub async fn done(&self, node: &Server, run: &str) -> Value {
        node.until(&format!("/v1/runs/{run}"), |run| run["status"] == "done").await
    }

    /// The texts of a thread's log, with who said them.
    pub async fn log(&self, node: &Server, thread: &str) -> Vec<(String, String)> {
        let log = node.get(&format!("/v1/threads/{thread}/messages?limit=1000")).await;
        let said = |part: &Value| part["text"].as_str().map(str::to_owned);
        let all = log["items"].as_array().unwrap().iter().map(|logged| {
            let message = &logged["message"];
            let words = match &message["content"] {
                Value::String(words) => words.clone(),
                // Calls of tools say nothing.
                parts => parts.as_array().into_iter().flatten().filter_map(said).collect(),
            };
            (text(&message["role"]).to_owned(), words)
        });
        all.collect()
    }

    /// Opens the run's events at a node, behind the one with this number.
    pub async fn follow(&self, node: &Server, run: &str, after: u64) -> Events {
        let request = self.http.get(format!("{}/v1/runs/{run}/events", node.url));
        let request = request.header("accept", "text/event-stream");
        let answer = request.header("last-event-id", after.to_string()).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        Events { answer, text: String::new() }
    }
}

/// Events as they come.
pub struct Events {
    answer: reqwest::Response,
    text: String,
}

impl Events {
    /// The next one; none when the stream has ended.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let frame: String = self.text.drain(..end + 2).collect();
                let data = frame.lines().find_map(|line| line.strip_prefix("data:"));
                let event = data.map(|data| serde_json::from_str(data).unwrap());
                if event.is_some() {
                    return event;
                }
            }
            let more = tokio::time::timeout(DEADLINE, self.answer.chunk()).await;
            let bytes = more.expect("the stream is silent").unwrap()?;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// Fails where it has taken longer since `began` than `promised` and some slack.
#[track_caller]
pub fn in_time(began: Instant, promised: Duration) {
    let took = began.elapsed();
    assert!(took < promised + SLACK, "{took:?} instead of {promised:?}");
}
