//! `POST /v1/runs/batch`.

use axum::http::Method;
use serde_json::{Value, json};

use crate::house::{House, id, with};

#[tokio::test]
async fn each_item_has_its_own_answer_in_order() {
    let house = House::open().await;
    let runs = json!({"runs": [
        {"thread_id": "a", "messages": "one"},
        {"thread_id": "b", "messages": "x", "colour": "red"},
        {"thread_id": "a", "messages": "two", "expected_run_id": "none-such"},
        "not a submission",
        {"messages": "three"},
    ]});
    let answer = house.post("/v1/runs/batch", &runs).await.ok(202);
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), 5);
    assert_eq!(items[0]["thread_id"], "a");
    assert_eq!((&items[1]["status"], &items[1]["code"]), (&json!(400), &json!("invalid_body")));
    assert!(id(&items[1], "detail").contains("colour"));
    assert_eq!((&items[2]["status"], &items[2]["code"]), (&json!(409), &json!("unexpected_run")));
    assert_eq!(items[3]["code"], "invalid_body");
    for (item, output) in [(&items[0], "one"), (&items[4], "three")] {
        let run = house.get(&format!("/v1/runs/{}/wait", id(item, "run_id"))).await.ok(200);
        assert_eq!(run["output"], output);
    }
    house.get("/v1/threads/b").await.problem(404, "unknown_thread");
}

#[tokio::test]
async fn a_repeated_batch_submits_nothing_twice() {
    let house = House::open().await;
    let runs = json!({"runs": [{"messages": "one"}, {"thread_id": "t", "messages": "two"}, {}]});
    let batch = || with(house.json(Method::POST, "/v1/runs/batch", &runs), "idempotency-key", "k");
    let ids = |answer: &Value| -> Vec<Value> {
        answer["items"].as_array().unwrap().iter().map(|item| item["run_id"].clone()).collect()
    };
    let first = house.send(batch()).await.ok(202);
    let again = house.send(batch()).await.ok(202);
    assert_eq!(ids(&first), ids(&again));
    assert!(ids(&first)[2].is_null());
    let runs = house.get("/v1/runs").await.ok(200);
    assert_eq!(runs["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_thousand_are_taken_and_one_more_is_not() {
    let house = House::open().await;
    let runs = |count| json!({"runs": vec![json!({"messages": "x"}); count]});
    let full = house.post("/v1/runs/batch", &runs(1_000)).await.ok(202);
    let items = full["items"].as_array().unwrap();
    assert_eq!(items.len(), 1_000);
    assert!(items.iter().all(|item| item["run_id"].is_string()));
    house.post("/v1/runs/batch", &runs(1_001)).await.problem(400, "too_many_runs");
    house.post("/v1/runs/batch", &json!([])).await.problem(400, "invalid_body");
    assert_eq!(house.post("/v1/runs/batch", &runs(0)).await.ok(202)["items"], json!([]));
}
