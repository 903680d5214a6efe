//! `/v1/runs`: listing, reading, cancelling, steering.

use serde_json::{Value, json};

use crate::house::{House, id};

#[tokio::test]
async fn a_run_has_exactly_the_fields_of_the_specification() {
    let house = House::open().await;
    let run = house.run("t", "hello").await;
    let mut fields: Vec<&str> = run.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let mut wanted = [
        "run_id",
        "thread_id",
        "agent_id",
        "agent_version",
        "parent_run_id",
        "origin",
        "status",
        "waiting",
        "termination",
        "output",
        "error",
        "usage",
        "steps",
        "attempt",
        "metadata",
        "created_at",
        "started_at",
        "finished_at",
    ];
    wanted.sort_unstable();
    assert_eq!(fields, wanted);
    assert_eq!(run["origin"], "user");
    assert_eq!(run["waiting"], Value::Null);
    assert_eq!(run["usage"], json!({"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0}));
    assert_eq!(run["attempt"], 1);
    assert!(id(&run, "created_at").ends_with('Z'));
    assert!(id(&run, "started_at") <= id(&run, "finished_at"));
}

#[tokio::test]
async fn runs_are_listed_newest_first_by_filter_and_page() {
    let house = House::open().await;
    let first = id(&house.run("t", "one").await, "run_id");
    let second = id(&house.run("t", "two").await, "run_id");
    let asking = id(&house.run("u", "ask").await, "run_id");
    let child = json!({"messages": "x", "agent_id": "other", "parent_run_id": first});
    let child = id(&house.post("/v1/runs?wait=true", &child).await.ok(200), "run_id");

    let list = async |query: &str| -> Vec<String> {
        let page = house.get(&format!("/v1/runs{query}")).await.ok(200);
        assert_eq!(page["next_cursor"], Value::Null);
        page["items"].as_array().unwrap().iter().map(|run| id(run, "run_id")).collect()
    };
    assert_eq!(list("").await, [child.as_str(), &asking, &second, &first]);
    assert_eq!(list("?thread_id=t").await, [second.as_str(), &first]);
    assert_eq!(list("?status=waiting").await, [asking.as_str()]);
    assert_eq!(list("?agent_id=other").await, [child.as_str()]);
    assert_eq!(list(&format!("?parent_run_id={first}")).await, [child.as_str()]);
    let of_thread = house.get("/v1/threads/t/runs").await.ok(200);
    assert_eq!(of_thread["items"].as_array().unwrap().len(), 2);

    let mut seen = Vec::new();
    let mut path = "/v1/runs?limit=3".to_owned();
    loop {
        let page = house.get(&path).await.ok(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|run| id(run, "run_id")));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/runs?limit=3&cursor={cursor}");
    }
    assert_eq!(seen, [child, asking, second, first]);
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    let house = House::open().await;
    for (query, word) in [
        ("limit=0", "1 to 1000"),
        ("limit=1001", "1 to 1000"),
        ("limit=many", "limit"),
        ("status=asleep", "status"),
        ("colour=red", "colour"),
        ("thread_id=%20", "thread_id"),
    ] {
        let answer = house.get(&format!("/v1/runs?{query}")).await;
        answer.problem_saying(400, "invalid_parameter", word);
    }
    house.get("/v1/runs?cursor=nonsense").await.problem(400, "invalid");
    house.get("/v1/runs/none").await.problem(404, "unknown_run");
    house.get("/v1/threads/none/runs").await.problem(404, "unknown_thread");
    house.get("/v1/runs/%0A").await.problem(400, "invalid_id");
    house.get("/v1/runs/%FF").await.problem(400, "invalid_id");
}

#[tokio::test]
async fn cancelling_ends_what_is_queued_waits_or_executes_once() {
    let house = House::open().await;
    let held = id(&house.submit("t", "hold").await, "run_id");
    house.running(&held).await;
    let queued = id(&house.submit("t", "x").await, "run_id");
    let waiting = id(&house.run("u", "ask").await, "run_id");
    for run_id in [&queued, &waiting, &held] {
        let cancelled = house.poke(&format!("/v1/runs/{run_id}/cancel")).await.ok(202);
        assert_eq!(cancelled, json!({"cancelled": true}));
        let run = house.get(&format!("/v1/runs/{run_id}/wait")).await.ok(200);
        assert_eq!(run["status"], "done");
        assert_eq!(run["termination"]["type"], "cancelled");
        assert_eq!(run["error"], Value::Null);
        house.poke(&format!("/v1/runs/{run_id}/cancel")).await.problem(409, "illegal_run_state");
    }
    house.poke("/v1/runs/none/cancel").await.problem(404, "unknown_run");
}

#[tokio::test]
async fn inputs_steer_exactly_their_run() {
    let house = House::open().await;
    let run_id = id(&house.submit("t", "listen").await, "run_id");
    house.running(&run_id).await;
    let inputs = format!("/v1/runs/{run_id}/inputs");
    let accepted = house.post(&inputs, &json!({"messages": "heard"})).await.ok(202);
    assert_eq!(accepted["run_id"], run_id.as_str());
    let run = house.get(&format!("/v1/runs/{run_id}/wait")).await.ok(200);
    assert_eq!(run["output"], "heard");
    house.post(&inputs, &json!({"messages": "late"})).await.problem(409, "run_not_active");
    house.post(&inputs, &json!({"messages": []})).await.problem(400, "invalid");
    house.post(&inputs, &json!({"message": "x"})).await.problem_saying(
        400,
        "invalid_body",
        "message",
    );
    house.post("/v1/runs/none/inputs", &json!({"messages": "x"})).await.problem(404, "unknown_run");
}
