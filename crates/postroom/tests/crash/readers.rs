//! Readers that follow one thread each, as a browser would: after a lost connection they go on
//! after the last event that they have seen.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;

use super::support::http;
use super::{Address, thread_id};

/// What one reader has seen.
pub struct Followed {
    pub thread: usize,
    pub events: Vec<Value>,
    pub connections: usize,
}

/// Follows a thread until everything is done and seen.
pub async fn follow(
    thread: usize,
    mut address: Address,
    mut done: watch::Receiver<bool>,
) -> Followed {
    let mut seen = Followed { thread, events: Vec::new(), connections: 0 };
    let http = http();
    loop {
        let base = address.borrow_and_update().clone();
        tokio::select! {
            () = read(&http, &base, &mut seen) => sleep(Duration::from_millis(20)).await,
            changed = done.changed() => {
                changed.unwrap();
                break;
            }
        }
    }
    // The rest of it, up to what the thread says it has.
    let base = address.borrow().clone();
    let thread_view =
        http.get(url(&base, thread, None)).send().await.unwrap().bytes().await.unwrap();
    let thread_view: Value = serde_json::from_slice(&thread_view).unwrap();
    let all = thread_view["event_count"].as_u64().unwrap();
    while (seen.events.len() as u64) < all {
        let before = seen.events.len();
        let quiet = sleep(Duration::from_secs(10));
        tokio::select! {
            () = read_until(&http, &base, &mut seen, all) => {}
            () = quiet => panic!("thread {thread}: {before} of {all} events, and no more come"),
        }
    }
    seen
}

fn url(base: &str, thread: usize, tail: Option<&str>) -> reqwest::Url {
    let mut url = reqwest::Url::parse(base).unwrap();
    url.path_segments_mut().unwrap().extend(["v1", "threads", &thread_id(thread)]).extend(tail);
    url
}

async fn read(http: &reqwest::Client, base: &str, seen: &mut Followed) {
    read_until(http, base, seen, u64::MAX).await;
}

/// Reads one connection to its end, or up to an event. Every frame is checked as it comes: it must
/// be the next one.
async fn read_until(http: &reqwest::Client, base: &str, seen: &mut Followed, last: u64) {
    let request = http
        .get(url(base, seen.thread, Some("events")))
        .header("accept", "text/event-stream")
        .header("last-event-id", seen.events.len().to_string());
    let Ok(mut answer) = request.send().await else { return };
    match answer.status().as_u16() {
        200 => seen.connections += 1,
        // Not there yet, or not ready yet.
        404 | 503 => return,
        status => panic!("thread {}: status {status}", seen.thread),
    }
    let mut text = String::new();
    while let Ok(Some(bytes)) = answer.chunk().await {
        text.push_str(std::str::from_utf8(&bytes).unwrap_or_default());
        while let Some((frame, rest)) = text.split_once("\n\n") {
            take(frame, seen);
            text = rest.to_owned();
        }
        if seen.events.len() as u64 >= last {
            return;
        }
    }
}

fn take(frame: &str, seen: &mut Followed) {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let Some(data) = field("data:") else { return };
    let event: Value = serde_json::from_str(data).unwrap();
    let next = seen.events.len() as u64 + 1;
    assert_eq!(event["seq"].as_u64(), Some(next), "thread {}: {event}", seen.thread);
    assert_eq!(field("id:"), Some(next.to_string().as_str()));
    assert_eq!(field("event:"), event["type"].as_str());
    seen.events.push(event);
}
