//! `/v1/threads`, and what is pending in them.

use serde_json::{Value, json};

use crate::house::{House, id};

#[tokio::test]
async fn a_thread_is_created_shown_changed_and_deleted() {
    let house = House::open().await;
    house.post("/v1/threads", &json!({"thread_id": "p"})).await.ok(201);
    let body = json!({"thread_id": "t", "metadata": {"k": "v", "n": 1}, "parent_thread_id": "p"});
    let created = house.post("/v1/threads", &body).await.ok(201);
    assert_eq!(created["thread_id"], "t");
    assert_eq!(created["parent_thread_id"], "p");
    for (field, value) in [
        ("metadata", json!({"k": "v", "n": 1})),
        ("dispatch_epoch", json!(0)),
        ("message_count", json!(0)),
        ("queued", json!(0)),
        ("active_run_id", Value::Null),
        ("open_run_id", Value::Null),
        ("latest_run_id", Value::Null),
    ] {
        assert_eq!(created[field], value, "{field}");
    }
    house.post("/v1/threads", &body).await.problem(409, "thread_exists");
    assert_eq!(id(&house.post("/v1/threads", &json!({})).await.ok(201), "thread_id").len(), 36);

    let changed =
        house.patch("/v1/threads/t", &json!({"metadata": {"k": null, "m": 2}})).await.ok(200);
    assert_eq!(changed["metadata"], json!({"n": 1, "m": 2}));
    house.patch("/v1/threads/none", &json!({"metadata": {}})).await.problem(404, "unknown_thread");
    house.patch("/v1/threads/t", &json!({"title": "x"})).await.problem_saying(
        400,
        "invalid_body",
        "title",
    );

    assert_eq!(house.delete("/v1/threads/t").await.status, 204);
    house.get("/v1/threads/t").await.problem(404, "unknown_thread");
    house.delete("/v1/threads/t").await.problem(404, "unknown_thread");
    let held = id(&house.submit("p", "hold").await, "run_id");
    house.running(&held).await;
    assert_eq!(house.delete("/v1/threads/p").await.status, 409);
}

#[tokio::test]
async fn threads_are_found_by_their_metadata() {
    let house = House::open().await;
    for (name, metadata) in
        [("a", json!({"team": "red"})), ("b", json!({"team": "red", "n": 5})), ("c", json!({}))]
    {
        house.post("/v1/threads", &json!({"thread_id": name, "metadata": metadata})).await.ok(201);
    }
    let list = async |query: &str| -> Vec<String> {
        let page = house.get(&format!("/v1/threads{query}")).await.ok(200);
        page["items"].as_array().unwrap().iter().map(|thread| id(thread, "thread_id")).collect()
    };
    assert_eq!(list("").await, ["c", "b", "a"]);
    assert_eq!(list("?metadata.team=red").await, ["b", "a"]);
    assert_eq!(list("?metadata.team=red&metadata.n=5").await, ["b"]);
    assert_eq!(list("?metadata.team=blue").await, [""; 0]);
    let page = house.get("/v1/threads?limit=2").await.ok(200);
    let cursor = id(&page, "next_cursor");
    assert_eq!(list(&format!("?limit=2&cursor={cursor}")).await, ["a"]);
    house.get("/v1/threads?team=red").await.problem_saying(400, "invalid_parameter", "team");
    house.get("/v1/threads?metadata.=red").await.problem(400, "invalid_parameter");
    house.get("/v1/threads?limit=0").await.problem_saying(400, "invalid_parameter", "1 to 1000");
}

#[tokio::test]
async fn the_log_is_read_in_pages() {
    let house = House::open().await;
    let messages: Vec<Value> = (0..5).map(|n| json!({"content": n.to_string()})).collect();
    house.post("/v1/threads/t/runs?wait=true", &json!({"messages": messages})).await.ok(200);
    let first = house.get("/v1/threads/t/messages?limit=2").await.ok(200);
    let item = &first["items"][0];
    assert_eq!(item["seq"], 1);
    assert_eq!(item["message"]["content"], "0");
    assert_eq!(item["message"]["role"], "user");
    assert!(item["run_id"].is_string() && item["created_at"].is_string());
    let rest = house
        .get(&format!("/v1/threads/t/messages?cursor={}", id(&first, "next_cursor")))
        .await
        .ok(200);
    let seqs: Vec<u64> =
        rest["items"].as_array().unwrap().iter().map(|i| i["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [3, 4, 5]);
    assert_eq!(rest["next_cursor"], Value::Null);
    let exact = house.get("/v1/threads/t/messages?after_seq=3&limit=2").await.ok(200);
    assert_eq!(exact["next_cursor"], Value::Null, "a page that is just full is the last");
    house.get("/v1/threads/none/messages").await.problem(404, "unknown_thread");
    house.get("/v1/threads/t/messages?cursor=x").await.problem(400, "invalid_cursor");
}

#[tokio::test]
async fn an_interrupt_supersedes_what_is_queued_and_stops_what_runs() {
    let house = House::open().await;
    let held = id(&house.submit("t", "hold").await, "run_id");
    house.running(&held).await;
    let queued = house.submit("t", "x").await;
    let interrupted = house.poke("/v1/threads/t/interrupt").await.ok(200);
    assert_eq!(interrupted["dispatch_epoch"], 1);
    assert_eq!(interrupted["superseded"][0]["dispatch_id"], queued["dispatch_id"]);
    assert_eq!(interrupted["superseded"][0]["status"], "superseded");
    assert_eq!(interrupted["active_dispatch"]["run_id"], held.as_str());
    let run = house.get(&format!("/v1/runs/{held}/wait")).await.ok(200);
    assert_eq!(run["termination"]["type"], "cancelled");
    let idle = house.poke("/v1/threads/t/interrupt").await.ok(200);
    assert_eq!(idle, json!({"dispatch_epoch": 2, "superseded": [], "active_dispatch": null}));
    house.poke("/v1/threads/none/interrupt").await.problem(404, "unknown_thread");
}

#[tokio::test]
async fn pending_messages_are_edited_ordered_and_taken_back() {
    let house = House::open().await;
    let held = id(&house.submit("t", "hold").await, "run_id");
    house.running(&held).await;
    let messages: Vec<Value> =
        ["a", "b", "c"].iter().map(|id| json!({"id": id, "content": id})).collect();
    house.post("/v1/threads/t/runs", &json!({"messages": messages, "mode": "steer"})).await.ok(202);
    let pending = async || -> Vec<(String, String)> {
        let list = house.get("/v1/threads/t/pending").await.ok(200);
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| (id(item, "message_id"), id(&item["message"], "content"))).collect()
    };
    let texts = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    assert_eq!(pending().await, texts(&[("a", "a"), ("b", "b"), ("c", "c")]));

    let edited = house.patch("/v1/threads/t/pending/b", &json!({"content": "B"})).await.ok(200);
    assert_eq!(edited["message"]["content"], "B");
    let order = "/v1/threads/t/pending/order";
    house.post(order, &json!({"message_ids": ["c", "a", "b"]})).await.ok(200);
    assert_eq!(house.delete("/v1/threads/t/pending/a").await.status, 204);
    assert_eq!(pending().await, texts(&[("c", "c"), ("b", "B")]));

    house.post(order, &json!({"message_ids": ["c"]})).await.problem(400, "invalid");
    house.post(order, &json!({"message_ids": ["c", "z"]})).await.problem(404, "unknown_message");
    house
        .patch("/v1/threads/t/pending/z", &json!({"content": "B"}))
        .await
        .problem(404, "unknown_message");
    house
        .patch("/v1/threads/none/pending/z", &json!({"content": "B"}))
        .await
        .problem(404, "unknown_thread");
    house.get("/v1/threads/none/pending").await.problem(404, "unknown_thread");

    let read = house.get("/v1/threads/t/messages").await.ok(200);
    let read = id(&read["items"][0]["message"], "id");
    house.delete(&format!("/v1/threads/t/pending/{read}")).await.problem(409, "already_consumed");
    let edit =
        house.patch(&format!("/v1/threads/t/pending/{read}"), &json!({"content": "x"})).await;
    edit.problem(409, "already_consumed");
}

#[tokio::test]
async fn nothing_overtakes_a_barrier() {
    let house = House::open().await;
    let held = id(&house.submit("t", "hold").await, "run_id");
    house.running(&held).await;
    for (name, barrier) in [("a", true), ("b", false)] {
        let body = json!({"messages": [{"id": name, "content": name}], "mode": "steer",
                          "delivery": {"barrier": barrier}});
        house.post("/v1/threads/t/runs", &body).await.ok(202);
    }
    let order = json!({"message_ids": ["b", "a"]});
    house.post("/v1/threads/t/pending/order", &order).await.problem(409, "barrier_overtaken");
}

#[tokio::test]
async fn threads_are_found_by_a_text_in_their_ids_or_metadata() {
    let house = House::open().await;
    for (name, metadata) in
        [("order-1", json!({"team": "Red"})), ("order-2", json!({})), ("x", json!({"k": "a&b=c"}))]
    {
        let body = json!({"thread_id": name, "metadata": metadata});
        house.post("/v1/threads", &body).await.ok(201);
    }
    let found = async |query: &str| -> Vec<String> {
        let page = house.get(&format!("/v1/threads?{query}")).await.ok(200);
        page["items"].as_array().unwrap().iter().map(|item| id(item, "thread_id")).collect()
    };
    assert_eq!(found("q=ORDER").await, ["order-2", "order-1"]);
    assert_eq!(found("q=red").await, ["order-1"]);
    assert_eq!(found("q=a%26b%3Dc").await, ["x"]);
    assert_eq!(found("q=order&metadata.team=Red").await, ["order-1"]);
    assert_eq!(found("q=").await, ["x", "order-2", "order-1"]);
    assert!(found("q=nobody").await.is_empty());
    let first = house.get("/v1/threads?q=order&limit=1").await.ok(200);
    let cursor = id(&first, "next_cursor");
    assert_eq!(found(&format!("q=order&cursor={cursor}")).await, ["order-1"]);
}
