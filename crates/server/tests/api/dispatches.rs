//! `/v1/dispatches`.

use serde_json::json;

use crate::house::{House, id};

#[tokio::test]
async fn dispatches_are_listed_and_shown_with_every_field() {
    let house = House::open().await;
    house.run("t", "x").await;
    let held = id(&house.submit("u", "hold").await, "run_id");
    house.running(&held).await;
    let all = house.get("/v1/dispatches").await.ok(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let claimed = house.get("/v1/dispatches?status=claimed&thread_id=u").await.ok(200);
    let claimed = &claimed["items"][0];
    assert!(claimed["claim_token"].is_u64());
    assert_eq!(claimed["claimed_by"], "node-1");
    assert!(claimed["lease_until"].is_string());
    assert_eq!(claimed["run_status"], "running");

    let acked = house.get("/v1/threads/t/dispatches?status=acked").await.ok(200);
    let acked = &acked["items"][0];
    let shown = house.get(&format!("/v1/dispatches/{}", id(acked, "dispatch_id"))).await.ok(200);
    assert_eq!(&shown, acked);
    for null in ["claim_token", "claimed_by", "lease_until", "last_error", "requeued_as"] {
        assert!(acked[null].is_null(), "{null}");
    }
    assert_eq!(acked["run_response"], "x");
    assert_eq!(acked["termination"]["type"], "natural_end");
    assert!(acked["completed_at"].is_string());

    house.get("/v1/dispatches?status=lost").await.problem(400, "invalid_parameter");
    house.get("/v1/dispatches/not-a-uuid").await.problem(400, "invalid_id");
    let none = "/v1/dispatches/01900000-0000-7000-8000-000000000001";
    house.get(none).await.problem(404, "unknown_dispatch");
    house.poke(&format!("{none}/retry")).await.problem(404, "unknown_dispatch");
    house.get("/v1/threads/none/dispatches").await.problem(404, "unknown_thread");
}

#[tokio::test]
async fn a_dead_letter_is_retried_once() {
    let house = House::open().await;
    let run = house.run("t", "fail").await;
    assert_eq!(run["termination"]["code"], "broken");
    let dead = house.get("/v1/dispatches?status=dead_letter").await.ok(200);
    let path = format!("/v1/dispatches/{}/retry", id(&dead["items"][0], "dispatch_id"));
    let retried = house.poke(&path).await.ok(202);
    assert_eq!(retried["run_id"], run["run_id"]);
    assert_eq!(retried["attempt_count"], 0);
    house.poke(&path).await.problem(409, "already_requeued");
    house.run("u", "x").await;
    let acked = house.get("/v1/dispatches?status=acked").await.ok(200);
    let path = format!("/v1/dispatches/{}/retry", id(&acked["items"][0], "dispatch_id"));
    house.poke(&path).await.problem(409, "illegal_dispatch_state");
}

#[tokio::test]
async fn a_retried_run_is_streamed_through_both_its_ends() {
    let house = House::open().await;
    let run_id = id(&house.run("t", "fail").await, "run_id");
    let dead = house.get("/v1/dispatches?status=dead_letter").await.ok(200);
    house
        .poke(&format!("/v1/dispatches/{}/retry", id(&dead["items"][0], "dispatch_id")))
        .await
        .ok(202);
    house.get(&format!("/v1/runs/{run_id}/wait")).await.ok(200);
    let frames = house.follow(&format!("/v1/runs/{run_id}/events")).await.rest().await;
    let ends = frames.iter().filter(|frame| frame.event == "run_finished").count();
    assert_eq!(ends, 2);
    assert_eq!(frames.last().unwrap().event, "run_finished");
}

#[tokio::test]
async fn many_dead_letters_are_retried_by_filter() {
    let house = House::open().await;
    for n in 0..5 {
        house.run(&format!("t{n}"), "fail").await;
    }
    let other = json!({"messages": "fail", "agent_id": "other"});
    house.post("/v1/runs?wait=true", &other).await.ok(200);
    let retry = async |body| house.post("/v1/dispatches/retry", &body).await;
    let none =
        retry(json!({"status": "dead_letter", "before": "2000-01-01T00:00:00Z"})).await.ok(200);
    assert_eq!(none, json!({"retried": 0}));
    let one = retry(json!({"status": "dead_letter", "thread_id": "t0"})).await.ok(200);
    assert_eq!(one, json!({"retried": 1}));
    let agent = retry(json!({"status": "dead_letter", "agent_id": "other"})).await.ok(200);
    assert!(agent["retried"].as_u64().unwrap() >= 1);
    let rest = retry(json!({"status": "dead_letter"})).await.ok(200);
    assert!(rest["retried"].as_u64().unwrap() >= 4, "{rest}");

    retry(json!({"status": "acked"})).await.problem_saying(400, "invalid_body", "dead_letter");
    retry(json!({})).await.problem_saying(400, "invalid_body", "status");
    retry(json!({"status": "dead_letter", "before": "x"})).await.problem(400, "invalid_time");
}

#[tokio::test]
async fn terminal_dispatches_are_purged_and_their_runs_stay() {
    let house = House::open().await;
    let run_id = id(&house.run("t", "x").await, "run_id");
    let purged = house.delete("/v1/dispatches?before=2000-01-01T00:00:00Z").await.ok(200);
    assert_eq!(purged, json!({"deleted": 0}));
    let purged = house.delete("/v1/dispatches?before=2999-01-01T00:00:00Z").await.ok(200);
    assert_eq!(purged, json!({"deleted": 1}));
    assert_eq!(house.get(&format!("/v1/runs/{run_id}")).await.ok(200)["output"], "x");
    house.delete("/v1/dispatches").await.problem_saying(400, "invalid_parameter", "before");
}

#[tokio::test]
async fn dispatches_are_purged_by_status() {
    let house = House::open().await;
    house.run("t", "x").await;
    house.run("t", "fail").await;
    let purge = async |status| {
        let before = "before=2999-01-01T00:00:00Z";
        house.delete(&format!("/v1/dispatches?status={status}&{before}")).await
    };
    assert_eq!(purge("superseded").await.ok(200), json!({"deleted": 0}));
    assert_eq!(purge("dead_letter").await.ok(200), json!({"deleted": 1}));
    assert_eq!(purge("acked").await.ok(200), json!({"deleted": 1}));
    purge("queued").await.problem_saying(400, "invalid_parameter", "status");
    purge("nonsense").await.problem_saying(400, "invalid_parameter", "status");
}
