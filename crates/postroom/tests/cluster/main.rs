//! Several nodes of the built binary on one PostgreSQL: any of them answers for all of them, and
//! none of them is needed.

#[path = "../support/mod.rs"]
mod support;

mod rolling;
mod site;

use std::time::Duration;

use serde_json::json;
use site::{LEASE, SWEEP, Site, Traffic, in_time, text};
use tokio::time::Instant;

#[tokio::test]
async fn any_node_answers_for_the_one_that_executes() {
    for traffic in [Traffic::Postgres, Traffic::PastPgBouncer, Traffic::Nats] {
        let site = Site::open(3, traffic).await;
        events_stream_from_all(&site).await;
        people_reach_the_run_from_anywhere(&site).await;
        every_node_lists_all(&site).await;
    }
}

/// The text of a run streams from a node that does not execute it while it is said, and goes on
/// from another one where the first was left.
async fn events_stream_from_all(site: &Site) {
    let run = site.submit(&site.nodes[0], "streamed", "slow 3", "enqueue").await;
    let executing = site.executing(&run).await;
    let (here, there) = ((executing + 1) % 3, (executing + 2) % 3);

    let mut seen = Vec::new();
    let mut events = site.follow(&site.nodes[here], &run, 0).await;
    let mut deltas = 0;
    while deltas < 2 {
        let event = events.next().await.expect("it ended before anything was said");
        deltas += u32::from(event["type"] == "text_delta");
        seen.push(event);
    }
    let now = site.nodes[there].get(&format!("/v1/runs/{run}")).await;
    assert_eq!(now["status"], "running", "what is said is seen while it is said");
    drop(events);

    let last = seen.last().unwrap()["seq"].as_u64().unwrap();
    let mut events = site.follow(&site.nodes[there], &run, last).await;
    while let Some(event) = events.next().await {
        seen.push(event);
    }
    assert_eq!(seen.last().unwrap()["type"], "run_finished");
    // Each once and in order, and the same everywhere.
    for node in &site.nodes {
        let page = node.get(&format!("/v1/runs/{run}/events?limit=1000")).await;
        assert_eq!(page["items"].as_array().unwrap(), &seen);
    }
}

/// Steering, a decision, an interruption and a cancellation arrive wherever they are said.
async fn people_reach_the_run_from_anywhere(site: &Site) {
    let asking = site.submit(&site.nodes[0], "asked", "I want approval", "enqueue").await;
    let path = format!("/v1/runs/{asking}");
    let run = site.nodes[1].until(&path, |run| run["status"] == "waiting").await;
    let call = text(&run["waiting"]["tickets"][0]["tool_call_id"]);
    let decisions = json!([{"tool_call_id": call, "action": "resume", "result": {}}]);
    site.post(&site.nodes[2], &format!("{path}/decisions"), &decisions, 202).await;
    assert_eq!(site.done(&site.nodes[1], &asking).await["termination"]["type"], "natural_end");

    let slow = site.submit(&site.nodes[0], "stopped", "slow 600", "enqueue").await;
    let executing = site.executing(&slow).await;
    let began = Instant::now();
    let wish = "what time is it?";
    let instead = site.submit(site.other(executing), "stopped", wish, "interrupt").await;
    assert_eq!(site.done(&site.nodes[executing], &slow).await["termination"]["type"], "cancelled");
    assert_eq!(site.done(site.other(executing), &instead).await["status"], "done");
    in_time(began, Duration::from_secs(1));

    let slow = site.submit(&site.nodes[1], "stopped", "slow 600", "enqueue").await;
    let executing = site.executing(&slow).await;
    let began = Instant::now();
    let path = format!("/v1/runs/{slow}");
    let steering = json!({"messages": "and another thing"});
    site.post(site.other(executing), &format!("{path}/inputs"), &steering, 202).await;
    site.post(site.other(executing), &format!("{path}/cancel"), &json!({}), 202).await;
    assert_eq!(site.done(&site.nodes[executing], &slow).await["termination"]["type"], "cancelled");
    in_time(began, Duration::from_secs(1));
    // What came too late for that run is taken in by the next one, once.
    let path = "/v1/threads/stopped/messages?limit=1000";
    let steered = "and another thing";
    site.nodes[0].until(path, |log| log.to_string().matches(steered).count() >= 1).await;
    let log = site.log(&site.nodes[2], "stopped").await;
    let said = log.iter().filter(|(role, words)| role == "user" && words == steered);
    assert_eq!(said.count(), 1, "{log:?}");
}

async fn every_node_lists_all(site: &Site) {
    for node in &site.nodes {
        let system = node.until("/v1/system", |system| system["nodes"][2].is_object()).await;
        assert_eq!(system["store"], "postgres");
        let listed = system["nodes"].as_array().unwrap();
        for node in &site.nodes {
            let known = listed.iter().filter(|listed| listed["address"] == node.url.as_str());
            assert_eq!(known.count(), 1, "{system:#}");
        }
    }
}

#[tokio::test]
async fn a_run_goes_on_elsewhere_when_its_node_is_killed() {
    for traffic in [Traffic::Postgres, Traffic::Nats] {
        let mut site = Site::open(3, traffic).await;
        let run = site.submit(&site.nodes[0], "t", "slow 4", "enqueue").await;
        let behind = site.submit(&site.nodes[1], "t", "hello", "enqueue").await;
        let executing = site.executing(&run).await;
        let began = Instant::now();
        site.nodes[executing].kill().await;
        let ended = site.done(site.other(executing), &run).await;
        in_time(began, LEASE + SWEEP + Duration::from_secs(4));
        assert_eq!(ended["termination"]["type"], "natural_end", "{ended:#}");
        assert_eq!(ended["attempt"], 2, "{ended:#}");
        site.done(site.other(executing), &behind).await;
        assert_said_once(&site, executing, "t", &["slow 4", "hello"]).await;

        let path = "/v1/system";
        let dead = site.nodes[executing].url.clone();
        site.other(executing)
            .until(path, |system| {
                let mut listed = system["nodes"].as_array().into_iter().flatten();
                listed.any(|node| node["address"] == *dead && node["status"] == "silent")
            })
            .await;
    }
}

/// A node that is frozen beyond its lease and comes back writes nothing any more.
#[tokio::test]
async fn a_frozen_node_that_comes_back_writes_nothing() {
    let site = Site::open(3, Traffic::Postgres).await;
    let run = site.submit(&site.nodes[0], "t", "slow 4", "enqueue").await;
    let executing = site.executing(&run).await;
    let began = Instant::now();
    site.nodes[executing].signal("STOP").await;
    let ended = site.done(site.other(executing), &run).await;
    in_time(began, LEASE + SWEEP + Duration::from_secs(4));
    assert_eq!(ended["termination"]["type"], "natural_end", "{ended:#}");
    let events = site.other(executing).get("/v1/threads/t/events?limit=1000").await;

    site.nodes[executing].signal("CONT").await;
    // It works again: it executes what only it can.
    let next = site.submit(&site.nodes[executing], "u", "hello", "enqueue").await;
    site.done(&site.nodes[executing], &next).await;
    let ready =
        site.nodes[executing].until("/v1/system", |system| system["active_runs"] == 0).await;
    assert_eq!(ready["status"], "ready");
    for node in &site.nodes {
        assert_eq!(node.get("/v1/threads/t/events?limit=1000").await, events);
    }
    assert_said_once(&site, executing, "t", &["slow 4"]).await;
}

/// Each of `texts` is once in the log, and was answered once.
async fn assert_said_once(site: &Site, but: usize, thread: &str, texts: &[&str]) {
    let log = site.log(site.other(but), thread).await;
    let by = |who: &str| -> Vec<&str> {
        log.iter().filter(|(role, _)| role == who).map(|(_, words)| words.as_str()).collect()
    };
    assert_eq!(by("user"), texts, "{log:?}");
    assert_eq!(by("assistant").len(), texts.len(), "{log:?}");
}
