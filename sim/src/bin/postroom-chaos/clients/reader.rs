//! Readers: each follows one thread's events, on one node after the other, as a browser does that
//! goes on after the last event it has seen.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use anyhow::{Context, bail};
use postroom_sim::chance::Chance;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::http::Got;
use super::{Phase, Town};
use crate::check::readers::Seen;

/// How long a reader stays with a node.
const STAYS_MS: std::ops::Range<u64> = 500..6_000;

/// Follows a thread until all is over.
pub async fn follow(thread_id: String, town: Town, chance: Chance) -> Seen {
    let mut seen = Seen { thread_id, ..Seen::default() };
    while town.phase() != Phase::Over {
        connect(&mut seen, &town, &chance, u64::MAX).await;
        sleep(Duration::from_millis(50)).await;
    }
    seen
}

/// Reads on until it has seen as much as the thread has.
pub async fn catch_up(mut seen: Seen, town: &Town, chance: &Chance, within: Duration) -> Seen {
    let deadline = Instant::now() + within;
    let all = loop {
        match count(&seen.thread_id, town, chance).await {
            Ok(all) => break all,
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
            Err(error) => {
                seen.problems.push(error.to_string());
                return seen;
            }
        }
    };
    while (seen.events.len() as u64) < all && Instant::now() < deadline {
        connect(&mut seen, town, chance, all).await;
    }
    seen
}

/// How many events the thread has.
async fn count(thread_id: &str, town: &Town, chance: &Chance) -> anyhow::Result<u64> {
    let url = format!("{}/v1/threads/{thread_id}", town.node(chance));
    match town.http.get(&url).await {
        Got::Answer { status: 200, body } => {
            body["event_count"].as_u64().context("a thread without a number of events")
        }
        // Nobody has written to it.
        Got::Answer { status: 404, .. } => Ok(0),
        got => bail!("{url}: {got:?}"),
    }
}

/// One connection to one node, for a while or up to an event.
async fn connect(seen: &mut Seen, town: &Town, chance: &Chance, last: u64) {
    let url = format!("{}/v1/threads/{}/events", town.node(chance), seen.thread_id);
    let after = seen.events.len() as u64;
    let Some(mut answer) = town.http.events(&url, after).await else { return };
    let ends_at = Instant::now() + chance.millis(STAYS_MS);
    let mut text = Vec::new();
    while (seen.events.len() as u64) < last {
        let left = ends_at.saturating_duration_since(Instant::now());
        let Ok(Ok(Some(bytes))) = timeout(left, answer.chunk()).await else { return };
        text.extend_from_slice(&bytes);
        while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
            let frame: Vec<u8> = text.drain(..end + 2).collect();
            take(&String::from_utf8_lossy(&frame), seen);
        }
    }
}

/// Takes one frame in. It must be of the next event.
fn take(frame: &str, seen: &mut Seen) {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let Some(data) = field("data:") else { return };
    let event: Value = match serde_json::from_str(data) {
        Ok(event) => event,
        Err(error) => return seen.problems.push(format!("{error}: {data}")),
    };
    let next = seen.events.len() as u64 + 1;
    let named = field("id:").and_then(|id| id.parse().ok());
    if event["seq"].as_u64() != Some(next) || named != Some(next) {
        seen.problems.push(format!("event {next} was next, and this came: {frame}"));
    }
    if field("event:") != event["type"].as_str() {
        seen.problems.push(format!("a frame of another type than its event: {frame}"));
    }
    seen.events.push((next, brief(&event)));
}

/// An event's type, and a number that stands for all of it.
fn brief(event: &Value) -> String {
    let whole = BuildHasherDefault::<DefaultHasher>::default().hash_one(event.to_string());
    format!("{} {whole:016x}", event["type"].as_str().unwrap_or_default())
}

/// All events that a thread has, as its log shows them.
pub async fn kept(thread_id: &str, town: &Town, node: &str) -> anyhow::Result<Vec<(u64, String)>> {
    let mut events: Vec<(u64, String)> = Vec::new();
    loop {
        let after = events.last().map_or(0, |(seq, _)| *seq);
        let url = format!("{node}/v1/threads/{thread_id}/events?after={after}&limit=1000");
        let items = match town.http.get(&url).await {
            Got::Answer { status: 200, body } => body["items"].as_array().cloned(),
            Got::Answer { status: 404, .. } => return Ok(events),
            got => bail!("{url}: {got:?}"),
        };
        let items = items.with_context(|| format!("{url}: no items"))?;
        if items.is_empty() {
            return Ok(events);
        }
        for item in items {
            let seq = item["seq"].as_u64().context("an event without a number")?;
            events.push((seq, brief(&item)));
        }
    }
}
