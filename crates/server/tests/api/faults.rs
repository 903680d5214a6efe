//! What a client is told when the store or the service is not there.

use std::time::Duration;

use postroom_core::error::StoreError;
use postroom_service::Config;
use serde_json::json;

use crate::house::{House, id};

fn reason() -> String {
    "the disk is full".to_owned()
}

#[tokio::test]
async fn a_store_that_is_unavailable_is_503_and_nothing_was_written() {
    let house = House::open().await;
    house.store.fails(StoreError::Unavailable { reason: reason() });
    let refused = house.post("/v1/threads/t/runs", &json!({"messages": "x"})).await;
    refused.problem_saying(503, "store_unavailable", "the disk is full");
    house.get("/v1/runs").await.problem(503, "store_unavailable");
    house.get("/health/ready").await.problem(503, "not_ready");
    assert_eq!(house.get("/health/live").await.status, 200);
    assert_eq!(house.get("/metrics").await.status, 200, "a scrape is answered all the same");
    house.store.fails(None);
    house.get("/v1/threads/t").await.problem(404, "unknown_thread");
    assert_eq!(house.run("t", "x").await["status"], "done", "it recovers by itself");
    house.get("/health/ready").await.ok(200);
}

#[tokio::test]
async fn a_lost_answer_says_how_to_repeat_safely() {
    let house = House::open().await;
    house.store.fails(StoreError::OutcomeUnknown { reason: reason() });
    let lost = house.post("/v1/threads/t/runs", &json!({"messages": "x"})).await;
    lost.problem_saying(503, "outcome_unknown", "Idempotency-Key");
    house.store.fails(None);
}

#[tokio::test]
async fn a_damaged_store_is_500() {
    let house = House::open().await;
    house.store.fails(StoreError::Corrupt { reason: reason() });
    house.get("/v1/threads/t").await.problem_saying(500, "store_corrupt", "restore the database");
    house.store.fails(None);
}

#[tokio::test]
async fn before_the_start_and_after_the_end_nothing_is_taken() {
    let house = House::not_started(Config::default()).await;
    house.get("/health/live").await.ok(200);
    house.get("/health/ready").await.problem(503, "not_ready");
    house.post("/v1/runs", &json!({"messages": "x"})).await.problem(503, "not_ready");
    let batch = house.post("/v1/runs/batch", &json!({"runs": [{"messages": "x"}]})).await.ok(202);
    assert_eq!(batch["items"][0]["code"], "not_ready");

    house.postroom.start().await.unwrap();
    house.get("/health/ready").await.ok(200);
    assert_eq!(house.run("t", "x").await["status"], "done");

    house.postroom.shutdown().await;
    house.get("/health/ready").await.problem(503, "not_ready");
    house.poke("/v1/threads/t/interrupt").await.problem(503, "not_ready");
    house.post("/v1/runs", &json!({"messages": "x"})).await.problem(503, "not_ready");
    assert_eq!(house.get("/v1/threads/t").await.status, 200, "what there is can be read");
}

#[tokio::test]
async fn while_it_drains_it_is_not_ready_and_its_streams_go_on() {
    let house = House::open().await;
    let run_id = id(&house.submit("t", "listen").await, "run_id");
    house.running(&run_id).await;
    let mut stream = house.follow(&format!("/v1/runs/{run_id}/events")).await;
    let draining = house.postroom.shutdown();
    let drained = async {
        while house.get("/health/ready").await.status == 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let problem = house.get("/health/ready").await;
        problem.problem_saying(503, "not_ready", "draining");
        house.post(&format!("/v1/runs/{run_id}/inputs"), &json!({"messages": "go"})).await.ok(202);
        stream.until("run_finished").await;
    };
    tokio::join!(draining, drained);
}
