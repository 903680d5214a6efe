//! The task from its submission to its end, over the death of its server and the next one's life.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use postroom_core::id::ThreadId;
use postroom_core::message::Role;
use postroom_core::ports::{MailboxStore, RunFilter};
use postroom_core::sabotage::Moment;
use postroom_stores::sqlite::{Options, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::house::{Call, House};
use crate::support::{DEADLINE, Home, Server, http};

const THREAD: &str = "task";

/// How far the task was when its server died.
pub struct Death {
    /// Inferences that the provider had been asked for.
    pub asked: usize,
    /// Calls that the tool had been given.
    pub called: usize,
    /// The model's answers in the thread's log.
    pub answers: usize,
    /// Calls with a result in a log.
    pub results: BTreeSet<String>,
}

/// What the task came to.
pub struct Story {
    pub asked: Vec<usize>,
    pub called: Vec<Call>,
    /// The thread's log, as anybody would read it.
    pub told: Vec<String>,
    /// Of its first server, if that died before the task was done.
    pub death: Option<Death>,
}

impl Story {
    /// What the tool was asked to work on, in order of the name.
    pub fn worked(&self) -> Vec<&str> {
        let mut worked: Vec<&str> = self.called.iter().map(|call| call.what.as_str()).collect();
        worked.sort_unstable();
        worked
    }
}

/// Plays the task; its first server dies when it has passed that moment so often.
pub async fn play(house: &House, dies: Option<(Moment, u64)>) -> Story {
    let sabotage = dies.map(|(moment, after)| format!("{moment:?}:{after}"));
    let mut server = serve(&house.home, sabotage).await;
    let mut death = None;
    if finish(house, &server).await.is_err() {
        assert!(dies.is_some(), "the server does not answer:\n{}", house.home.log());
        // SIGABRT leaves no exit status.
        assert_eq!(server.exit().await, None, "{}", house.home.log());
        death = Some(died(house).await);
        server = serve(&house.home, None).await;
        finish(house, &server).await.unwrap_or_else(|gone| {
            panic!("the second server does not answer: {gone}\n{}", house.home.log())
        });
    }
    let log = server.get(&format!("/v1/threads/{THREAD}/messages?limit=100")).await;
    let (asked, called) = house.desk.read(|ledger| (ledger.asked.clone(), ledger.called.clone()));
    Story { asked, called, told: told(&log), death }
}

async fn serve(home: &Home, sabotage: Option<String>) -> Server {
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("PLANNER_KEY", "none").envs(sabotage.map(|name| ("POSTROOM_SABOTAGE", name)));
    home.start(command).await
}

/// Submits the task, approves what is asked, and waits for its end; an error if the server is gone.
async fn finish(house: &House, server: &Server) -> reqwest::Result<()> {
    let http = http();
    let post = |path: String, body: Value| {
        let request = http.post(format!("{}{path}", server.url));
        request
            .header("content-type", "application/json")
            .header("idempotency-key", "the task")
            .body(body.to_string())
            .send()
    };
    let submitted = post(format!("/v1/threads/{THREAD}/runs"), json!({"messages": "go"})).await?;
    assert_eq!(submitted.status(), 202);
    let deadline = Instant::now() + DEADLINE;
    loop {
        let runs = http.get(format!("{}/v1/runs?limit=100", server.url)).send().await?;
        let runs: Value = serde_json::from_str(&runs.text().await?).unwrap();
        let runs = runs["items"].as_array().unwrap();
        for run in runs {
            if run["thread_id"] == THREAD && run["status"] == "done" {
                house.desk.let_end();
            }
            let tickets = run["waiting"]["tickets"].as_array().cloned().unwrap_or_default();
            for ticket in tickets {
                let decision =
                    json!([{"tool_call_id": ticket["tool_call_id"], "action": "resume"}]);
                let path = format!("/v1/runs/{}/decisions", run["run_id"].as_str().unwrap());
                let status = post(path, decision).await?.status();
                // It may have been decided a moment ago.
                assert!(status == 202 || status == 409, "{status}");
            }
        }
        if runs.len() == 3 && runs.iter().all(|run| run["status"] == "done") {
            let well = |run: &Value| run["termination"]["type"] == "natural_end";
            assert!(runs.iter().all(well), "{runs:#?}");
            return Ok(());
        }
        assert!(Instant::now() < deadline, "the task does not end: {runs:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Looks at what the dead server has left.
async fn died(house: &House) -> Death {
    let ids = Arc::new(SystemIds::new());
    let options = Options::new(house.home.path("postroom.db"), Arc::new(SystemClock), ids);
    let store = SqliteStore::open(options).unwrap();
    let runs = store.runs(&RunFilter::default(), 100, None).await.unwrap().items;
    let threads: BTreeSet<ThreadId> = runs.into_iter().map(|run| run.thread_id).collect();
    let (mut answers, mut results) = (0, BTreeSet::new());
    for thread in threads {
        for logged in store.messages(&thread, 0, 100).await.unwrap() {
            match logged.message.role {
                Role::Assistant if thread.to_string() == THREAD => answers += 1,
                Role::Tool => {
                    let content = serde_json::to_value(&logged.message.content).unwrap();
                    results.insert(content[0]["tool_call_id"].as_str().unwrap().to_owned());
                }
                _ => {}
            }
        }
    }
    store.close();
    let (asked, called) = house.desk.read(|ledger| (ledger.asked.len(), ledger.called.len()));
    Death { asked, called, answers, results }
}

fn told(log: &Value) -> Vec<String> {
    let messages = log["items"].as_array().unwrap();
    for (place, logged) in messages.iter().enumerate() {
        assert_eq!(logged["seq"], json!(place + 1), "the log has no gap");
    }
    let tell = |logged: &Value| {
        let message = &logged["message"];
        let content = message["content"].to_string();
        // The ids of what was started are of this story alone.
        let content = content.split("\"run_id\"").next().unwrap_or_default().to_owned();
        let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
        let calls: Vec<_> = calls.iter().map(|call| call["id"].to_string()).collect();
        format!("{} {content} {calls:?}", message["role"])
    };
    let mut told: Vec<String> = messages.iter().map(tell).collect();
    // Calls of one step are answered in any order.
    told.sort();
    told
}
