//! Events: pages and streams.

use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{House, id};

#[tokio::test]
async fn a_page_and_a_stream_show_the_same_events() {
    let house = House::open().await;
    let run_id = id(&house.run("t", "talk").await, "run_id");
    let page = house.get("/v1/threads/t/events").await.ok(200);
    let items = page["items"].as_array().unwrap();
    let seqs: Vec<u64> = items.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=items.len() as u64).collect::<Vec<_>>(), "gapless");
    for event in items {
        let mut fields: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["at", "data", "run_id", "seq", "thread_id", "type"]);
    }
    let frames = house.follow(&format!("/v1/runs/{run_id}/events")).await.rest().await;
    let streamed: Vec<Value> = frames.iter().map(|frame| frame.data.clone()).collect();
    assert_eq!(&streamed, items);
    let of_run = house.get(&format!("/v1/runs/{run_id}/events")).await.ok(200);
    assert_eq!(&of_run["items"], &page["items"]);
}

#[tokio::test]
async fn pages_of_events_follow_each_other() {
    let house = House::open().await;
    for text in ["talk", "x", "y"] {
        house.run("t", text).await;
    }
    let run_id = id(&house.run("t", "talk").await, "run_id");
    house.run("t", "z").await;
    for path in ["/v1/threads/t/events".to_owned(), format!("/v1/runs/{run_id}/events")] {
        let whole = house.get(&format!("{path}?limit=1000")).await.ok(200);
        assert_eq!(whole["next_cursor"], Value::Null);
        let mut seen = Vec::new();
        let mut next = format!("{path}?limit=2");
        loop {
            let page = house.get(&next).await.ok(200);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2);
            seen.extend(items.iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            next = format!("{path}?limit=2&cursor={cursor}");
        }
        assert_eq!(&seen, whole["items"].as_array().unwrap());
    }
    let of_run = house.get(&format!("/v1/runs/{run_id}/events")).await.ok(200);
    assert!(
        of_run["items"].as_array().unwrap().iter().all(|event| event["run_id"] == run_id.as_str())
    );
}

#[tokio::test]
async fn a_stream_that_is_resumed_gives_each_event_once() {
    let house = House::open().await;
    house.run("t", "talk").await;
    let count = house.get("/v1/threads/t").await.ok(200)["event_count"].as_u64().unwrap();
    let mut seen = Vec::new();
    // The connection breaks after every event, and another run goes on meanwhile.
    let mut last = 0;
    for _ in 0..count {
        let frame = house.resume("/v1/threads/t/events?after=0", last).await.next().await.unwrap();
        last = frame.id.unwrap();
        seen.push(last);
        if last == 2 {
            house.submit("t", "talk").await;
        }
    }
    assert_eq!(seen, (1..=count).collect::<Vec<_>>());
    let frame =
        house.follow(&format!("/v1/threads/t/events?after={last}")).await.next().await.unwrap();
    assert_eq!(frame.id, Some(count + 1));
}

#[tokio::test]
async fn history_goes_over_into_what_happens_now() {
    let house = House::open().await;
    house.run("t", "one").await;
    let mut all = house.follow("/v1/threads/t/events?after=0").await;
    let mut live = house.follow("/v1/threads/t/events").await;
    all.until("run_finished").await;
    house.run("t", "two").await;
    let new = all.until("run_finished").await;
    assert_eq!(live.until("run_finished").await, new, "a plain stream begins now");
}

#[tokio::test]
async fn a_run_is_followed_through_its_waits_to_its_end() {
    let house = House::open().await;
    let run_id = id(&house.run("t", "ask").await, "run_id");
    let path = format!("/v1/runs/{run_id}/events");
    let mut stream = house.follow(&path).await;
    let waiting = stream.until("run_waiting").await;
    let open = tokio::time::timeout(Duration::from_millis(100), stream.next()).await;
    assert!(open.is_err(), "the run waits, and so does the stream");
    let decision = json!([{"tool_call_id": "call-1", "action": "resume"}]);
    house.post(&format!("/v1/runs/{run_id}/decisions"), &decision).await.ok(202);
    let rest = stream.rest().await;
    assert_eq!(rest.last().unwrap().event, "run_finished");
    assert!(rest.iter().any(|frame| frame.event == "tool_call_resumed"));

    // Somebody who comes later, or comes back, sees the same and is let go.
    let whole = house.follow(&path).await.rest().await;
    assert_eq!(whole, [waiting.clone(), rest].concat());
    let last = waiting.last().unwrap().id.unwrap();
    assert_eq!(house.resume(&path, last).await.rest().await, whole[waiting.len()..]);
    let end = whole.last().unwrap().id.unwrap();
    assert_eq!(house.resume(&path, end).await.rest().await, []);
    assert_eq!(house.resume(&path, end + 1000).await.rest().await, []);
}

#[tokio::test]
async fn all_threads_of_the_node_are_watched_at_once() {
    let house = House::open().await;
    let mut stream = house.follow("/v1/events").await;
    house.run("a", "x").await;
    house.run("b", "y").await;
    let first = stream.until("run_finished").await;
    let second = stream.until("run_finished").await;
    assert!(first.iter().all(|frame| frame.data["thread_id"] == "a" && frame.id.is_none()));
    assert!(second.iter().all(|frame| frame.data["thread_id"] == "b"));
}

#[tokio::test]
async fn streams_end_when_the_server_closes() {
    let mut house = House::open().await;
    house.post("/v1/threads", &json!({"thread_id": "t"})).await.ok(201);
    let mut stream = house.follow("/v1/threads/t/events").await;
    assert_eq!(stream.retry, None);
    house.closing.cancel();
    assert_eq!(stream.next().await, None);
    assert_eq!(stream.retry, Some(1_000), "it says when to come back");
    let served = tokio::time::timeout(Duration::from_secs(5), house.server.join_next()).await;
    served.expect("the server ends").unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind_and_one_that_is_slow_holds_nobody_up() {
    let house = House::open().await;
    house.post("/v1/threads", &json!({"thread_id": "t"})).await.ok(201);
    drop(house.follow("/v1/threads/t/events").await);
    let mut slow = house.follow("/v1/threads/t/events?after=0").await;
    for _ in 0..300 {
        house.run("t", "talk").await;
    }
    let count = house.get("/v1/threads/t").await.ok(200)["event_count"].as_u64().unwrap();
    for seq in 1..=count {
        assert_eq!(slow.next().await.unwrap().id, Some(seq));
    }
}

#[tokio::test]
async fn wrong_places_to_begin_are_refused() {
    let house = House::open().await;
    let run_id = id(&house.run("t", "x").await, "run_id");
    for path in ["/v1/threads/t/events".to_owned(), format!("/v1/runs/{run_id}/events")] {
        house.get(&format!("{path}?after=x")).await.problem(400, "invalid_parameter");
        house.get(&format!("{path}?cursor=x")).await.problem(400, "invalid_cursor");
        let request = crate::client::request(axum::http::Method::GET, house.url(&path));
        let request = crate::house::with(request, "last-event-id", "x");
        house.send(request).await.problem(400, "invalid_header");
        let page = house.get(&format!("{path}?after=100000")).await.ok(200);
        assert_eq!(page, json!({"items": [], "next_cursor": null}));
    }
    house.get("/v1/threads/none/events").await.problem(404, "unknown_thread");
    house.get("/v1/runs/none/events").await.problem(404, "unknown_run");
}

#[tokio::test]
async fn a_run_in_the_middle_of_a_long_thread_is_shown_whole() {
    let house = House::open().await;
    let mut runs = Vec::new();
    for _ in 0..150 {
        runs.push(id(&house.run("t", "talk").await, "run_id"));
    }
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.len();
        let page =
            house.get(&format!("/v1/threads/t/events?limit=1000&after={after}")).await.ok(200);
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        if page["next_cursor"].is_null() {
            break;
        }
    }
    assert!(all.len() > 1_000, "long enough to be searched: {}", all.len());
    for run_id in [&runs[0], &runs[1], &runs[75], &runs[149]] {
        let of_run: Vec<Value> =
            all.iter().filter(|event| event["run_id"] == run_id.as_str()).cloned().collect();
        let path = format!("/v1/runs/{run_id}/events");
        let page = house.get(&path).await.ok(200);
        assert_eq!(page, json!({"items": of_run, "next_cursor": null}));
        let frames = house.follow(&path).await.rest().await;
        let streamed: Vec<Value> = frames.into_iter().map(|frame| frame.data).collect();
        assert_eq!(streamed, of_run);
    }
}
