//! `POST /v1/runs`, `POST /v1/threads/{id}/runs`.

use std::time::Duration;

use axum::http::Method;
use postroom_service::Config;
use serde_json::{Value, json};

use crate::house::{House, id, with};

#[tokio::test]
async fn a_submission_is_accepted_and_answered() {
    let house = House::open().await;
    let accepted = house.submit("t", "hello").await;
    assert_eq!(accepted["thread_id"], "t");
    assert!(accepted["dispatch_id"].is_string());
    assert!(["running", "queued"].contains(&accepted["status"].as_str().unwrap()));

    let run = house.get(&format!("/v1/runs/{}/wait", id(&accepted, "run_id"))).await.ok(200);
    assert_eq!(run["status"], "done");
    assert_eq!(run["output"], "hello");
    let termination = json!({"type": "natural_end", "code": null, "message": null});
    assert_eq!(run["termination"], termination);
}

#[tokio::test]
async fn without_a_thread_id_or_with_a_blank_one_the_thread_is_new() {
    let house = House::open().await;
    for body in [json!({"messages": "x"}), json!({"messages": "x", "thread_id": "  "})] {
        let accepted = house.post("/v1/runs", &body).await.ok(202);
        assert_eq!(id(&accepted, "thread_id").len(), 36);
    }
    let named = house.post("/v1/runs", &json!({"messages": "x", "thread_id": " t "})).await.ok(202);
    assert_eq!(named["thread_id"], "t");
}

#[tokio::test]
async fn every_documented_field_is_taken() {
    let house = House::open().await;
    let parent = id(&house.run("parent", "x").await, "run_id");
    let body = json!({
        "agent_id": "assistant",
        "messages": [
            {"role": "user", "content": "hello", "id": "m-1"},
            {"role": "user", "content": [{"type": "text", "text": "there"}, {"type": "image", "url": "data:,"}],
             "metadata": {"k": 1}, "visibility": "internal"},
        ],
        "mode": "enqueue",
        "expected_run_id": null, "run_id": "run-1", "parent_run_id": parent, "dedupe_key": "d",
        "priority": 7, "delay_ms": 3_600_000, "available_at": null, "max_attempts": 2,
        "delivery": {"boundary": "new_run", "granularity": "one", "barrier": true},
        "decisions": [], "frontend_tools": [{"name": "f"}], "overrides": {"model": "small"},
        "metadata": {"a": "b"}, "webhook": "https://example.com/hook"
    });
    let accepted = house.post("/v1/threads/t/runs", &body).await.ok(202);
    assert_eq!(accepted["run_id"], "run-1");
    assert_eq!(accepted["status"], "queued");
    assert_eq!(accepted["message_ids"][0], "m-1");

    let run = house.get("/v1/runs/run-1").await.ok(200);
    assert_eq!(run["status"], "created");
    assert_eq!(run["agent_id"], "assistant");
    assert_eq!(run["parent_run_id"], parent.as_str());
    assert_eq!(run["metadata"], json!({"a": "b"}));
    let dispatch =
        house.get(&format!("/v1/dispatches/{}", id(&accepted, "dispatch_id"))).await.ok(200);
    assert_eq!(dispatch["priority"], 7);
    assert_eq!(dispatch["max_attempts"], 2);
    assert_eq!(dispatch["dedupe_key"], "d");
    assert_eq!(dispatch["status"], "queued");
    assert!(id(&dispatch, "available_at") > id(&dispatch, "created_at"));

    let again =
        house.post("/v1/threads/t/runs", &json!({"messages": "y", "dedupe_key": "d"})).await;
    again.problem(409, "duplicate_key");
}

#[tokio::test]
async fn work_for_later_waits_until_then() {
    let house = House::open().await;
    let at = json!({"messages": "x", "available_at": "2999-01-01T00:00:00Z"});
    let accepted = house.post("/v1/runs", &at).await.ok(202);
    let dispatch =
        house.get(&format!("/v1/dispatches/{}", id(&accepted, "dispatch_id"))).await.ok(200);
    assert_eq!(dispatch["available_at"], "2999-01-01T00:00:00.000Z");
    let soon =
        house.post("/v1/runs?wait=true", &json!({"messages": "x", "delay_ms": 50})).await.ok(200);
    assert_eq!(soon["status"], "done");
}

#[tokio::test]
async fn a_body_that_is_wrong_names_the_field() {
    let house = House::open().await;
    let cases: [(Value, &str); 17] = [
        (json!({"messages": "x", "colour": 1}), "colour"),
        (json!({"messages": [{"role": "king", "content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"content": "x"}, {"contents": "x"}]}), "contents"),
        (json!({"messages": [{"role": "user"}]}), "content"),
        (json!({"messages": [{"content": [{"type": "text", "text": "x", "bold": true}]}]}), "bold"),
        (json!({"messages": 5}), "a text, or a list of messages"),
        (json!({"messages": "x", "mode": "shout"}), "mode"),
        (json!({"messages": "x", "priority": 256}), "priority"),
        (json!({"messages": "x", "delay_ms": -1}), "delay_ms"),
        (json!({"messages": "x", "delay_ms": u64::MAX}), "delay_ms"),
        (json!({"messages": "x", "max_attempts": 0}), "max_attempts"),
        (json!({"messages": "x", "run_id": " "}), "run_id"),
        (json!({"messages": "x", "delivery": {"boundary": "later"}}), "delivery"),
        (json!({"messages": "x", "overrides": []}), "overrides"),
        (json!({"messages": "x", "webhook": "ftp://x"}), "webhook"),
        (
            json!({"messages": "x", "delay_ms": 1, "available_at": "2999-01-01T00:00:00Z"}),
            "not both",
        ),
        (
            json!({"messages": "x", "decisions": [{"tool_call_id": "c", "action": "maybe"}]}),
            "decisions[0].action",
        ),
    ];
    for (body, words) in cases {
        house.post("/v1/threads/t/runs", &body).await.problem_saying(400, "invalid_body", words);
    }
    let when = json!({"messages": "x", "available_at": "soon"});
    house.post("/v1/runs", &when).await.problem_saying(400, "invalid_time", "available_at");
    let id = json!({"messages": "x", "thread_id": "a\nb"});
    house.post("/v1/runs", &id).await.problem(400, "invalid_id");
    let other = json!({"messages": "x", "thread_id": "u"});
    house.post("/v1/threads/t/runs", &other).await.problem_saying(400, "invalid_body", "thread_id");
    house.post("/v1/threads/t/runs", &json!({})).await.problem(400, "invalid");
    house.post("/v1/threads/t/runs", &json!({"messages": []})).await.problem(400, "invalid");
    house
        .post("/v1/threads/t/runs?wiat=true", &json!({"messages": "x"}))
        .await
        .problem(400, "invalid_parameter");
    house.get("/v1/threads/t").await.problem(404, "unknown_thread");
}

#[tokio::test]
async fn a_thousand_messages_are_taken_and_one_more_is_not() {
    let house = House::open().await;
    let messages = |count| json!({"messages": vec![json!({"content": "x"}); count]});
    let full = house.post("/v1/threads/t/runs", &messages(1_000)).await.ok(202);
    assert_eq!(full["message_ids"].as_array().unwrap().len(), 1_000);
    house.post("/v1/threads/u/runs", &messages(1_001)).await.problem(400, "too_many_messages");
    house.get("/v1/threads/u").await.problem(404, "unknown_thread");
}

#[tokio::test]
async fn the_same_idempotency_key_brings_the_first_answer() {
    let house = House::open().await;
    for path in ["/v1/runs", "/v1/threads/t/runs"] {
        let submission = || {
            let request = house.json(Method::POST, path, &json!({"messages": "x"}));
            with(request, "idempotency-key", "the-key")
        };
        let first = house.send(submission()).await;
        let again = house.send(submission()).await;
        assert_eq!(first.header("idempotent-replayed"), None);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let (first, again) = (first.ok(202), again.ok(202));
        for name in ["run_id", "dispatch_id", "thread_id", "message_ids"] {
            assert_eq!(first[name], again[name], "{path}");
        }
        let log = format!("/v1/threads/{}/messages", id(&first, "thread_id"));
        assert_eq!(house.get(&log).await.ok(200)["items"].as_array().unwrap().len(), 1);
    }
    let bad = with(
        house.json(Method::POST, "/v1/runs", &json!({"messages": "x"})),
        "idempotency-key",
        "\u{fc}",
    );
    assert_eq!(house.send(bad).await.status, 202, "a key may be any text");
    let long = "k".repeat(256);
    let long = with(
        house.json(Method::POST, "/v1/runs", &json!({"messages": "x"})),
        "idempotency-key",
        &long,
    );
    house.send(long).await.problem(400, "invalid_id");
}

#[tokio::test]
async fn modes_meet_a_busy_thread_as_they_should() {
    let house = House::open().await;
    let held = id(&house.submit("t", "hold").await, "run_id");
    house.running(&held).await;
    let ask = async |mode: &str| {
        house.post("/v1/threads/t/runs", &json!({"messages": "next", "mode": mode})).await
    };
    ask("reject").await.problem(409, "thread_busy");
    let unexpected = json!({"messages": "x", "expected_run_id": "another"});
    house.post("/v1/threads/t/runs", &unexpected).await.problem(409, "unexpected_run");
    let elsewhere = json!({"messages": "x", "run_id": held});
    house
        .post("/v1/threads/u/runs", &elsewhere)
        .await
        .problem(409, "run_belongs_to_another_thread");

    let queued = ask("enqueue").await.ok(202);
    assert_eq!(queued["status"], "queued");
    let steered = ask("steer").await.ok(202);
    assert_eq!(steered["run_id"], held.as_str());
    let next = ask("interrupt").await.ok(202);
    let run = house.get(&format!("/v1/runs/{}/wait", id(&next, "run_id"))).await.ok(200);
    assert_eq!(run["status"], "done");
    let overtaken = house.get(&format!("/v1/runs/{}", id(&queued, "run_id"))).await.ok(200);
    assert_eq!(overtaken["termination"]["type"], "cancelled");
}

#[tokio::test]
async fn a_run_that_does_not_stop_is_a_conflict_and_nothing_is_written() {
    let mut config = Config::default();
    config.mailbox.cancel_wait_ms = 0;
    let house = House::with(config).await;
    let held = id(&house.submit("t", "hold").await, "run_id");
    house.running(&held).await;
    let before = house.get("/v1/threads/t").await.ok(200);
    let refused =
        house.post("/v1/threads/t/runs", &json!({"messages": "x", "mode": "interrupt"})).await;
    refused.problem(409, "active_run");
    let after = house.get("/v1/threads/t").await.ok(200);
    assert_eq!(before["message_count"], after["message_count"]);
    assert_eq!(before["dispatch_epoch"], after["dispatch_epoch"]);
}

#[tokio::test]
async fn a_full_queue_says_to_come_back() {
    let mut config = Config::default();
    config.limits.max_queued_per_thread = 1;
    config.limits.max_pending_per_thread = 1;
    let house = House::with(config).await;
    let held = id(&house.submit("t", "hold").await, "run_id");
    house.running(&held).await;
    house.submit("t", "waits").await;
    house.post("/v1/threads/t/runs", &json!({"messages": "x"})).await.problem(429, "queue_full");
    let steer = json!({"messages": [{"content": "a"}, {"content": "b"}], "mode": "steer"});
    house.post("/v1/threads/t/runs", &steer).await.problem(429, "pending_full");
}

#[tokio::test]
async fn waiting_ends_with_the_run_or_with_the_time() {
    let house = House::open().await;
    let done = house.run("a", "hello").await;
    assert_eq!(done["output"], "hello");

    let held = house
        .post("/v1/threads/b/runs?wait=true&timeout_ms=50", &json!({"messages": "hold"}))
        .await;
    let held = held.ok(202);
    assert!(["created", "running"].contains(&held["status"].as_str().unwrap()));
    let path = format!("/v1/runs/{}/wait?timeout_ms=50", id(&held, "run_id"));
    assert_eq!(house.get(&path).await.ok(202)["status"], "running");

    let asking = house.run("c", "ask").await;
    assert_eq!(asking["status"], "waiting");
    assert_eq!(asking["termination"], Value::Null);
    assert_eq!(
        asking["waiting"],
        json!({"reason": "tool_permission", "tickets": [{"tool_call_id": "call-1", "tool_name": "rm",
               "arguments": {"path": "/tmp/x"}, "message": "may I?"}]})
    );
    let failed = house.run("d", "fail").await;
    assert_eq!(failed["status"], "done");
    assert_eq!(failed["termination"]["type"], "error");
    assert_eq!(failed["termination"]["code"], "broken");
    house.get("/v1/runs/none/wait").await.problem(404, "unknown_run");
    house
        .get(&format!("/v1/runs/{}/wait?timeout_ms=x", id(&done, "run_id")))
        .await
        .problem(400, "invalid_parameter");
}

#[tokio::test]
async fn a_streamed_submission_shows_the_run_from_its_first_event_to_its_last() {
    let house = House::open().await;
    house.run("t", "earlier").await;
    let request = house.json(Method::POST, "/v1/threads/t/runs", &json!({"messages": "talk"}));
    let mut stream = house.stream(request).await;
    assert_eq!(stream.headers["x-thread-id"], "t");
    let run_id = stream.headers["x-run-id"].to_str().unwrap().to_owned();
    let frames = stream.rest().await;
    assert!(frames.iter().all(|frame| frame.data["run_id"] == run_id.as_str()));
    assert!(frames.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert!(frames.iter().all(|frame| frame.data["seq"].as_u64() == frame.id));
    let types: Vec<&str> = frames.iter().map(|frame| frame.event.as_str()).collect();
    assert_eq!(types.last(), Some(&"run_finished"));
    assert!(types.contains(&"run_queued") && types.contains(&"run_started"));
    let text: String = frames
        .iter()
        .filter(|frame| frame.event == "text_delta")
        .map(|frame| frame.data["data"]["text"].as_str().unwrap())
        .collect();
    assert_eq!(text, "one\r\n\r\ndata: two\n\n\u{2028}three");
}

#[tokio::test]
async fn a_streamed_submission_ends_where_the_run_waits_without_an_executor() {
    let house = House::open().await;
    let ask = |thread: &str, text: &str| {
        house.json(Method::POST, &format!("/v1/threads/{thread}/runs"), &json!({"messages": text}))
    };
    let mut durable = house.stream(ask("t", "ask")).await;
    let frames = durable.rest().await;
    let last = frames.last().unwrap();
    assert_eq!(last.event, "run_waiting");
    assert_eq!(last.data["data"]["live"], false);

    let mut live = house.stream(ask("u", "ask-live")).await;
    let frames = live.until("run_waiting").await;
    assert_eq!(frames.last().unwrap().data["data"]["live"], true);
    let run_id = live.headers["x-run-id"].to_str().unwrap().to_owned();
    let open = tokio::time::timeout(Duration::from_millis(100), live.next()).await;
    assert!(open.is_err(), "the stream stays open: {open:?}");
    let decisions = json!([{"tool_call_id": "call-1", "action": "resume", "reason": "yes"}]);
    let decided = house.post(&format!("/v1/runs/{run_id}/decisions"), &decisions).await.ok(202);
    assert_eq!(decided["delivered"], "live");
    assert_eq!(live.rest().await.last().unwrap().event, "run_finished");
}

#[tokio::test]
async fn a_repeated_streamed_submission_shows_the_whole_run_again() {
    let house = House::open().await;
    let body = json!({"messages": [{"id": "m", "content": "talk"}]});
    let ask = || house.json(Method::POST, "/v1/threads/t/runs", &body);
    let first = house.stream(ask()).await.rest().await;
    house.run("t", "later").await;
    assert_eq!(house.stream(ask()).await.rest().await, first);
    let with_key = || {
        with(
            house.json(Method::POST, "/v1/runs", &json!({"messages": "x"})),
            "idempotency-key",
            "k",
        )
    };
    let first = house.stream(with_key()).await.rest().await;
    assert_eq!(house.stream(with_key()).await.rest().await, first);
}
