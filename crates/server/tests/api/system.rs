//! Health, metrics, the system, agents and settings.

use axum::http::Method;
use serde_json::{Value, json};

use crate::client::request;
use crate::house::{House, id, with};

#[tokio::test]
async fn the_system_says_how_it_is() {
    let house = House::open().await;
    house.run("t", "fail").await;
    let system = house.get("/v1/system").await.ok(200);
    assert_eq!(system["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(system["node"], "node-1");
    assert_eq!(system["store"], "memory");
    assert_eq!(system["status"], "ready");
    assert_eq!(system["active_runs"], 0);
    // Its first heartbeat may be under way.
    let listed = house.until("/v1/system", |system| system["nodes"][0].is_object()).await;
    let node = &listed["nodes"][0];
    assert_eq!((&node["node"], &node["status"]), (&json!("node-1"), &json!("ready")));
    assert_eq!((&node["version"], &node["max_concurrent_runs"]), (&system["version"], &json!(64)));
    assert!(node["seen_at"].as_str() >= node["started_at"].as_str(), "{node}");
    let depth = json!({"queued": 0, "claimed": 0, "acked": 0, "cancelled": 0, "superseded": 0, "dead_letter": 1});
    assert_eq!(system["depth"], depth);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let house = House::open().await;
    house.run("t", "x").await;
    let metrics = house.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain"));
    assert!(metrics.text().contains("# TYPE"));
    assert!(metrics.text().trim_end().ends_with("# EOF"));
    let scrape = with(
        request(Method::GET, house.url("/metrics")),
        "accept",
        "application/openmetrics-text;q=0.8,text/plain",
    );
    let scrape = house.send(scrape).await;
    assert!(scrape.header("content-type").unwrap().starts_with("application/openmetrics-text"));
}

#[tokio::test]
async fn agents_are_shown() {
    let house = House::open().await;
    let agents = house.get("/v1/agents").await.ok(200);
    assert_eq!(agents["items"][0]["agent_id"], "default");
    assert_eq!(house.get("/v1/agents/default").await.ok(200), agents["items"][0]);
    house.get("/v1/agents/none").await.problem(404, "unknown_agent");
}

#[tokio::test]
async fn settings_are_shown() {
    let house = House::open().await;
    let settings = house.get("/v1/settings").await.ok(200);
    let setting = json!({"key": "limits.drain_ms", "value": 1000, "origin": "--set"});
    assert_eq!(settings, json!({"items": [setting], "next_cursor": null}));
}

#[tokio::test]
async fn what_happened_of_late_is_told_in_numbers() {
    let house = House::open().await;
    let quiet = house.get("/v1/system/recent").await.ok(200);
    assert_eq!((&quiet["node"], &quiet["span_ms"]), (&json!("node-1"), &json!(10_000)));
    assert_eq!(quiet["spans"].as_array().unwrap().len(), 90);
    assert_eq!(quiet["total"]["accepted"], 0);
    assert_eq!(quiet["total"]["run_ms"]["p50"], Value::Null);
    assert!(quiet["at"].is_string() && quiet["last_span_ms"].as_u64().unwrap() <= 10_000);

    house.run("t", "x").await;
    house.run("t", "x").await;
    house.run("t", "fail").await;
    let held = id(&house.submit("t", "hold").await, "run_id");
    house.running(&held).await;
    house.poke(&format!("/v1/runs/{held}/cancel")).await.ok(202);
    house.until(&format!("/v1/runs/{held}"), |run| run["status"] == "done").await;
    let recent = house.until("/v1/system/recent", |recent| recent["total"]["cancelled"] == 1).await;
    let total = &recent["total"];
    for (name, count) in [
        ("accepted", 4),
        ("started", 4),
        ("completed", 2),
        ("cancelled", 1),
        ("failed", 1),
        ("dead_lettered", 1),
        ("retried", 0),
    ] {
        assert_eq!(total[name], count, "{name}: {total}");
        let spans = recent["spans"].as_array().unwrap();
        let sum: u64 = spans.iter().map(|span| span[name].as_u64().unwrap()).sum();
        assert_eq!(sum, count, "{name}");
    }
    for (name, count) in [("due_to_start_ms", 4), ("run_ms", 4), ("enqueue_to_completion_ms", 4)] {
        let spread = &total[name];
        assert_eq!(spread["count"], count, "{name}: {spread}");
        let ms = |name: &str| spread[name].as_f64().unwrap();
        assert!(ms("p50") <= ms("p90") && ms("p90") <= ms("p99") && ms("p99") <= ms("max"));
    }
}
