//! `POST /v1/runs/{id}/decisions`.

use serde_json::json;

use crate::house::{House, id};

#[tokio::test]
async fn a_decision_lets_the_run_go_on_and_counts_once() {
    let house = House::open().await;
    let run_id = id(&house.run("t", "ask").await, "run_id");
    let path = format!("/v1/runs/{run_id}/decisions");
    let decision =
        json!([{"decision_id": "d", "tool_call_id": "call-1", "action": "resume", "reason": "go"}]);
    assert_eq!(house.post(&path, &decision).await.ok(202), json!({"delivered": "queued"}));
    let run = house.get(&format!("/v1/runs/{run_id}/wait")).await.ok(200);
    assert_eq!(run["output"], "go");

    assert_eq!(house.post(&path, &decision).await.ok(202), json!({"delivered": "queued"}));
    let other = json!([{"decision_id": "e", "tool_call_id": "call-1", "action": "cancel"}]);
    house.post(&path, &other).await.problem(409, "ticket_closed");
    let unknown = json!([{"tool_call_id": "call-2", "action": "resume"}]);
    house.post(&path, &unknown).await.problem(404, "unknown_ticket");
    house.post("/v1/runs/none/decisions", &decision).await.problem(404, "unknown_run");
    house.post(&path, &json!([])).await.problem(400, "invalid");
    house.post(&path, &json!({})).await.problem(400, "invalid_body");
    let log = house.get("/v1/threads/t/events").await.ok(200);
    let resumed =
        log["items"].as_array().unwrap().iter().filter(|e| e["type"] == "tool_call_resumed");
    assert_eq!(resumed.count(), 1);
}

#[tokio::test]
async fn decisions_may_come_with_a_submission() {
    let house = House::open().await;
    let run_id = id(&house.run("t", "ask").await, "run_id");
    let body = json!({"messages": [], "decisions": [{"tool_call_id": "call-1", "action": "resume", "reason": "go"}]});
    let accepted = house.post("/v1/threads/t/runs?wait=true", &body).await.ok(200);
    assert_eq!(accepted["run_id"], run_id.as_str());
    assert_eq!(accepted["output"], "go");
}
