//! Health, metrics, the system, agents, and the page for people.

use axum::http::Method;
use serde_json::json;

use crate::client::request;
use crate::house::{House, with};

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
async fn the_first_page_says_where_the_api_is() {
    let house = House::open().await;
    let page = house.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text().contains("/v1/runs"));
}
