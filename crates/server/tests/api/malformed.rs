//! Whatever a client sends: a clear problem, nothing written, no 5xx.

use axum::body::{Body, Bytes};
use axum::http::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::client::{Reply, request};
use crate::house::{House, with};

async fn post_bytes(
    house: &House,
    path: &str,
    content_type: &str,
    body: impl Into<Bytes>,
) -> Reply {
    let mut request = request(Method::POST, house.url(path));
    *request.body_mut() = Body::from(body.into());
    house.send(with(request, "content-type", content_type)).await
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let house = House::open().await;
    for body in ["", "{", "nope", "{} {}", "\u{feff}{}", "{\"messages\": \"\\ud800\"}"] {
        post_bytes(&house, "/v1/runs", "application/json", body).await.problem(400, "invalid_json");
    }
    for body in ["[]", " [\"t\", null, \"text\"]", "5", "null", "\"x\""] {
        post_bytes(&house, "/v1/runs", "application/json", body).await.problem(400, "invalid_body");
    }
    let bytes: &[u8] = b"{\"messages\": \"\xff\"}";
    post_bytes(&house, "/v1/runs", "application/json", bytes).await.problem(400, "invalid_json");
    let deep = format!(
        "{{\"messages\": \"x\", \"metadata\": {}1{}}}",
        "{\"a\":".repeat(500),
        "}".repeat(500)
    );
    post_bytes(&house, "/v1/runs", "application/json", deep).await.problem(400, "invalid_json");
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
    {
        let answer = post_bytes(&house, "/v1/runs", content_type, "{\"messages\": \"x\"}").await;
        answer.problem(415, "unsupported_media_type");
    }
    house.poke("/v1/runs").await.problem(415, "unsupported_media_type");
    let good = "{\"messages\": \"x\"}";
    assert_eq!(
        post_bytes(&house, "/v1/runs", "Application/JSON; charset=utf-8", good).await.status,
        202
    );
}

/// Serde by itself takes a list for an object whose fields are given by their places.
#[tokio::test]
async fn a_list_is_no_object_wherever_it_stands() {
    let house = House::open().await;
    let call = json!(["c", "clock", {}]);
    for body in [
        json!({"messages": "x", "delivery": ["new_run", "one", true]}),
        json!({"messages": "x", "decisions": [[null, "c", "resume"]]}),
        json!({"messages": [[null, "user", "x"]]}),
        json!({"messages": [{"content": [["text", "x"]]}]}),
        json!({"messages": [{"role": "assistant", "content": "x", "tool_calls": [call]}]}),
    ] {
        let answer = house.post("/v1/runs", &body).await;
        answer.problem_saying(400, "invalid_body", "expected an object");
    }
    let schedule = json!({"cron": "0 9 * * *", "run": ["t", null, "x"]});
    house.post("/v1/schedules", &schedule).await.problem(400, "invalid_body");
    let decisions = json!([[null, "c", "resume"]]);
    house.post("/v1/runs/r/decisions", &decisions).await.problem(400, "invalid_body");
}

#[tokio::test]
async fn a_body_over_four_mebibytes_is_refused_and_one_under_is_not() {
    let house = House::open().await;
    let of = |bytes: usize| {
        let frame = "{\"messages\": \"\"}".len();
        format!("{{\"messages\": \"{}\"}}", "x".repeat(bytes - frame))
    };
    let limit = 4 * 1024 * 1024;
    assert_eq!(post_bytes(&house, "/v1/runs", "application/json", of(limit)).await.status, 202);
    let over = post_bytes(&house, "/v1/runs", "application/json", of(limit + 1)).await;
    over.problem_saying(413, "body_too_large", "4194304");
    let far_over = post_bytes(&house, "/v1/runs", "application/json", of(3 * limit)).await;
    far_over.problem(413, "body_too_large");
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems_too() {
    let house = House::open().await;
    for path in ["/nothing", "/v1", "/v1/runs/a/b/c", "/v1//runs"] {
        house.get(path).await.problem(404, "unknown_path");
    }
    let wrong = house.delete("/v1/runs").await;
    wrong.problem(405, "method_not_allowed");
    let allowed = wrong.header("allow").unwrap();
    assert!(allowed.contains("POST") && allowed.contains("GET"), "{allowed}");
    house.poke("/health/live").await.problem(405, "method_not_allowed");
}

/// JSON of any form, with the API's own words among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        proptest::sample::select(vec![
            "messages",
            "role",
            "content",
            "id",
            "mode",
            "thread_id",
            "run_id",
            "decisions",
            "delivery",
            "metadata",
            "runs",
            "type",
            "text",
            "tool_call_id",
            "action",
            "status",
            "message_ids",
            "before",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

const PLACES: [(&str, &str); 12] = [
    ("POST", "/v1/runs"),
    ("POST", "/v1/threads/t/runs"),
    ("POST", "/v1/runs/batch"),
    ("POST", "/v1/runs/r/decisions"),
    ("POST", "/v1/runs/r/inputs"),
    ("POST", "/v1/threads"),
    ("PATCH", "/v1/threads/t"),
    ("PATCH", "/v1/threads/t/pending/m"),
    ("POST", "/v1/threads/t/pending/order"),
    ("POST", "/v1/dispatches/retry"),
    ("DELETE", "/v1/dispatches"),
    ("GET", "/v1/threads"),
];

/// Everything that there is.
async fn contents(house: &House) -> Value {
    let mut all = Vec::new();
    for path in ["/v1/threads?limit=1000", "/v1/runs?limit=1000", "/v1/dispatches?limit=1000"] {
        all.push(house.get(path).await.ok(200)["items"].clone());
    }
    json!(all)
}

#[test]
fn nothing_that_is_sent_breaks_the_server_and_what_is_refused_writes_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let house = runtime.block_on(House::open());
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        any_json().prop_map(|json| json.to_string().into_bytes()),
    ];
    let place = (proptest::sample::select(PLACES.to_vec()), "[ -~]{0,12}");
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let sent = TestRunner::new(config).run(&(place, body), |(((method, path), query), body)| {
        runtime.block_on(async {
            let encoded: Vec<String> = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let uri = house.url(&format!("{path}?{}", encoded.concat()));
            // Half of the requests have a query: a parameter of no route.
            let uri = if query.len() % 2 == 0 { house.url(path) } else { uri };
            let mut request = request(method.parse().unwrap(), uri);
            *request.body_mut() = Body::from(body.clone());
            let before = contents(&house).await;
            let answer = house.send(with(request, "content-type", "application/json")).await;
            if answer.status >= 400 {
                let problem: Value = serde_json::from_slice(&answer.body).unwrap();
                answer.problem(answer.status, problem["code"].as_str().unwrap());
                assert!(answer.status < 500, "{problem}");
                assert_eq!(contents(&house).await, before, "{problem}");
            }
        });
        Ok(())
    });
    sent.unwrap();
}

const LISTS: [&str; 10] = [
    "/v1/threads",
    "/v1/runs",
    "/v1/dispatches",
    "/v1/threads/t",
    "/v1/threads/t/runs",
    "/v1/threads/t/messages",
    "/v1/threads/t/dispatches",
    "/v1/threads/t/events",
    "/v1/threads/t/pending",
    "/v1/agents",
];

#[test]
fn whatever_is_asked_for_is_a_page_or_a_problem() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let house = runtime.block_on(House::open());
    let said = json!({"thread_id": "t", "messages": "hello"}).to_string();
    let said = runtime.block_on(post_bytes(&house, "/v1/runs", "application/json", said));
    assert_eq!(said.status, 202);
    let name = proptest::sample::select(vec![
        "limit",
        "cursor",
        "after",
        "after_seq",
        "status",
        "thread_id",
        "agent_id",
        "parent_run_id",
        "metadata.team",
        "metadata.",
    ]);
    let value = prop_oneof![
        proptest::sample::select(vec![
            "0", "1", "1000", "-1", "queued", "done", "t", "", "%", "%ff"
        ])
        .prop_map(str::to_owned),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| format!("{number:x}")),
        proptest::collection::vec(any::<u8>(), 0..6)
            .prop_map(|bytes| bytes.iter().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>())
            .prop_map(|encoded| encoded.concat()),
        "[a-z0-9%&=+;.]{0,8}",
    ];
    let query = proptest::collection::vec((name, value), 0..4);
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    let asked = TestRunner::new(config).run(
        &(proptest::sample::select(LISTS.to_vec()), query),
        |(path, query)| {
            let query: Vec<_> =
                query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let path = format!("{path}?{}", query.join("&"));
            runtime.block_on(async {
                let answer = house.get(&path).await;
                if answer.status == 200 {
                    serde_json::from_slice::<Value>(&answer.body).unwrap();
                    return;
                }
                let problem: Value = serde_json::from_slice(&answer.body).unwrap();
                answer.problem(answer.status, problem["code"].as_str().unwrap());
                assert!((400..500).contains(&answer.status), "{path}: {problem}");
            });
            Ok(())
        },
    );
    asked.unwrap();
}
