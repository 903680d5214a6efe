//! `/v1/schedules`.

use serde_json::{Value, json};

use crate::house::House;

fn hourly() -> Value {
    json!({"schedule_id": "news", "cron": "0 * * * *", "time_zone": "Europe/Berlin",
        "run": {"messages": "What is new?", "agent_id": "assistant", "metadata": {"a": 1}}})
}

#[tokio::test]
async fn a_schedule_is_made_shown_and_removed() {
    let house = House::open().await;
    let made = house.post("/v1/schedules", &hourly()).await.ok(201);
    assert_eq!(made["schedule_id"], "news");
    assert_eq!(made["status"], "active");
    assert_eq!((&made["cron"], &made["time_zone"]), (&json!("0 * * * *"), &json!("Europe/Berlin")));
    assert_eq!((&made["missed"], &made["fired"]), (&json!("once"), &json!(0)));
    assert!(made["next_at"].as_str().unwrap().ends_with(":00:00.000Z"), "{made:#}");
    assert_eq!(made["run"]["messages"][0]["content"], "What is new?");
    assert_eq!(made["run"]["metadata"], json!({"a": 1}));

    house.post("/v1/schedules", &hourly()).await.problem(409, "schedule_exists");
    let daily = json!({"cron": "@daily", "run": {"messages": "x"}});
    let other = house.post("/v1/schedules", &daily).await.ok(201);
    assert_eq!(other["time_zone"], "UTC");
    let list = house.get("/v1/schedules").await.ok(200);
    let ids: Vec<&Value> =
        list["items"].as_array().unwrap().iter().map(|item| &item["schedule_id"]).collect();
    assert_eq!(ids, [&other["schedule_id"], &json!("news")], "the newest first");
    let page = house.get("/v1/schedules?limit=1").await.ok(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = house.get(&format!("/v1/schedules?limit=1&cursor={cursor}")).await.ok(200);
    assert_eq!(page["items"][0]["schedule_id"], "news");
    assert_eq!(house.get("/v1/schedules/news").await.ok(200)["cron"], made["cron"]);

    assert_eq!(house.delete("/v1/schedules/news").await.status, 204);
    house.get("/v1/schedules/news").await.problem(404, "unknown_schedule");
    house.delete("/v1/schedules/news").await.problem(404, "unknown_schedule");
    house.post("/v1/schedules", &hourly()).await.ok(201);
}

#[tokio::test]
async fn a_schedule_is_paused_and_resumed() {
    let house = House::open().await;
    house.post("/v1/schedules", &hourly()).await.ok(201);
    for _ in 0..2 {
        let paused = house.post("/v1/schedules/news/pause", &json!({})).await.ok(200);
        assert_eq!((&paused["status"], &paused["next_at"]), (&json!("paused"), &Value::Null));
    }
    house.post("/v1/schedules", &hourly()).await.problem(409, "schedule_exists");
    let resumed = house.post("/v1/schedules/news/resume", &json!({})).await.ok(200);
    assert_eq!(resumed["status"], "active");
    assert!(resumed["next_at"].is_string(), "{resumed:#}");
    house.post("/v1/schedules/none/pause", &json!({})).await.problem(404, "unknown_schedule");
}

#[tokio::test]
async fn a_schedule_submits_at_its_times() {
    let house = House::open().await;
    let mut every_second = hourly();
    every_second["cron"] = json!("* * * * * *");
    every_second["run"]["thread_id"] = json!("diary");
    house.post("/v1/schedules", &every_second).await.ok(201);
    let fired = house
        .until("/v1/schedules/news", |schedule| schedule["fired"].as_u64().is_some_and(|n| n >= 2))
        .await;
    let run_id = fired["last_run_id"].as_str().unwrap();
    let run = house.get(&format!("/v1/runs/{run_id}/wait")).await.ok(200);
    assert_eq!((&run["origin"], &run["thread_id"]), (&json!("schedule"), &json!("diary")));
    assert_eq!(run["metadata"]["schedule_id"], "news");
    assert_eq!(run["metadata"]["a"], 1);
}

#[tokio::test]
async fn what_is_no_schedule_is_refused_with_its_place() {
    let house = House::open().await;
    for (field, value, code, says) in [
        ("cron", json!("every day"), "invalid_schedule", "cron"),
        ("cron", json!("0 0 30 2 *"), "invalid_schedule", "names no time"),
        ("time_zone", json!("Mars"), "invalid_schedule", "time_zone"),
        ("missed", json!("never"), "invalid_body", "missed"),
        ("schedule_id", json!("x".repeat(101)), "invalid_id", "schedule"),
        ("run", json!({"messages": []}), "invalid_schedule", "run.messages"),
        ("run", json!({"messages": "x", "max_attempts": 0}), "invalid_schedule", "max_attempts"),
        ("run", json!({"messages": "x", "run_id": "y"}), "invalid_body", "run_id"),
        (
            "run",
            json!({"messages": "x", "thread_id": "postroom:x"}),
            "reserved_id",
            "run.thread_id",
        ),
        ("run", json!({"messages": "x", "webhook": "x"}), "invalid_body", "webhook"),
        ("often", json!(true), "invalid_body", "often"),
    ] {
        let mut body = hourly();
        body[field] = value;
        let problem = house.post("/v1/schedules", &body).await.problem(400, code);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem:#}");
    }
    let list = house.get("/v1/schedules").await.ok(200);
    assert_eq!(list["items"], json!([]), "nothing was written");
}

#[tokio::test]
async fn ids_of_postrooms_own_are_nobodys() {
    let house = House::open().await;
    let text = json!({"messages": "x"});
    let into = "/v1/threads/postroom:schedule:default:news/runs";
    house.post(into, &text).await.problem(400, "reserved_id");
    let named = json!({"messages": "x", "thread_id": "postroom:x"});
    house.post("/v1/runs", &named).await.problem(400, "reserved_id");
    let agent = json!({"messages": "x", "agent_id": "postroom:schedule"});
    house.post("/v1/runs", &agent).await.problem(400, "reserved_id");
    let thread = json!({"thread_id": "postroom:x"});
    house.post("/v1/threads", &thread).await.problem(400, "reserved_id");
}
