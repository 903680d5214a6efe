//! What must hold at the end.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::clients::Accepted;
use super::readers::Followed;
use super::support::Server;
use super::{KILLS, THREADS, thread_id};

async fn all(server: &Server, path: &str, after: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut last = 0;
    loop {
        let page = server.get(&format!("{path}?{after}={last}&limit=1000")).await;
        let more = page["items"].as_array().unwrap();
        let Some(newest) = more.last() else { return items };
        last = newest["seq"].as_u64().unwrap();
        items.extend(more.iter().cloned());
    }
}

fn path(thread: usize, tail: &str) -> String {
    format!("/v1/threads/{}/{tail}", thread_id(thread).replace(' ', "%20"))
}

/// Every accepted message is in its thread's log exactly once, in the order of its sender; nothing
/// else of any sender is there; each run has answered once.
pub async fn logs(server: &Server, accepted: &[Accepted]) {
    for thread in 0..THREADS {
        let log = all(server, &path(thread, "messages"), "after_seq").await;
        for (at, message) in log.iter().enumerate() {
            assert_eq!(message["seq"].as_u64(), Some(at as u64 + 1), "the log has a gap");
        }
        let sent: HashMap<&str, &Accepted> = accepted
            .iter()
            .filter(|message| message.thread == thread)
            .map(|message| (message.message_id.as_str(), message))
            .collect();
        let mut newest: BTreeMap<usize, usize> = BTreeMap::new();
        let mut found = 0;
        let mut answers: HashMap<&str, usize> = HashMap::new();
        for logged in &log {
            let message = &logged["message"];
            if message["role"] == "user" {
                let id = message["id"].as_str().unwrap();
                let sent = sent.get(id).unwrap_or_else(|| panic!("{id} was never sent"));
                assert_eq!(logged["run_id"], sent.run_id.as_str(), "{id} is in another run");
                let previous = newest.insert(sent.client, sent.number);
                let in_order = previous.map_or(0, |number| number + 1) == sent.number;
                assert!(in_order, "thread {thread}: {id} comes after {previous:?}");
                found += 1;
            }
            let is_answer = message["role"] == "assistant"
                && message["tool_calls"].as_array().is_none_or(Vec::is_empty);
            if is_answer {
                *answers.entry(logged["run_id"].as_str().unwrap()).or_default() += 1;
            }
        }
        assert_eq!(found, sent.len(), "thread {thread}: messages are missing or doubled");
        for message in sent.values() {
            assert_eq!(answers.get(message.run_id.as_str()), Some(&1), "{message:?}: answers");
        }
    }
}

/// Every run ended well.
pub async fn runs(server: &Server, accepted: &[Accepted]) {
    for message in accepted {
        let run = server.get(&format!("/v1/runs/{}", message.run_id)).await;
        assert_eq!(run["status"], "done", "{run:#}");
        assert_eq!(run["termination"]["type"], "natural_end", "{run:#}");
    }
}

/// Readers saw each event once, without a gap, and the same as the log has now; and in no thread
/// were two runs active at once.
pub async fn events(server: &Server, followed: Vec<Followed>) {
    let mut connections = 0;
    for followed in followed {
        let Followed { thread, events: seen, .. } = &followed;
        let log = all(server, &path(*thread, "events"), "after").await;
        assert_eq!(log.len(), seen.len(), "thread {thread}");
        for (logged, seen) in log.iter().zip(seen) {
            assert_eq!(logged, seen, "thread {thread}: what was seen is not what is kept");
        }
        one_at_a_time(*thread, seen);
        connections += followed.connections;
    }
    println!("{connections} connections of {THREADS} readers through {KILLS} kills");
    assert!(connections > THREADS * 2, "the readers were hardly interrupted: nothing was tested");
}

fn one_at_a_time(thread: usize, events: &[Value]) {
    let mut active: Option<&str> = None;
    let mut resets = 0;
    for event in events {
        let run = event["run_id"].as_str();
        match event["type"].as_str().unwrap() {
            "run_started" => {
                assert_eq!(active, None, "thread {thread}: a second run is active: {event}");
                active = run;
            }
            "attempt_reset" => {
                // A claim may die before its run has begun.
                assert!(active.is_none() || active == run, "thread {thread}: {event}");
                active = None;
                resets += 1;
            }
            "run_finished" => {
                assert_eq!(
                    active, run,
                    "thread {thread}: a run ended that was not active: {event}"
                );
                active = None;
            }
            _ => {}
        }
    }
    assert_eq!(active, None, "thread {thread}");
    println!("thread {thread}: {} events, {resets} attempts lost", events.len());
}
