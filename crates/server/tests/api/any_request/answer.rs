//! What an answer must be, whatever was asked.

use std::time::Duration;

use http_body_util::BodyExt;
use postroom_core::ports::MailboxStore;
use serde_json::Value;

use super::request::Drawn;
use crate::client::{Reply, request};
use crate::house::House;
use crate::openapi;

/// Every problem that a request can be answered with while all is well, and its status: programs
/// rely on both.
const PROBLEMS: &[(&str, u16)] = &[
    ("active_run", 409),
    ("already_consumed", 409),
    ("already_requeued", 409),
    ("barrier_overtaken", 409),
    ("body_too_large", 413),
    ("duplicate_dispatch", 409),
    ("duplicate_key", 409),
    ("illegal_dispatch_state", 409),
    ("illegal_run_state", 409),
    ("invalid", 400),
    ("invalid_body", 400),
    ("invalid_cursor", 400),
    ("invalid_header", 400),
    ("invalid_id", 400),
    ("invalid_json", 400),
    ("invalid_parameter", 400),
    ("invalid_time", 400),
    ("key_invalid", 401),
    ("method_not_allowed", 405),
    ("nothing_to_cancel", 409),
    ("origin_not_allowed", 403),
    ("pending_full", 429),
    ("queue_full", 429),
    ("run_belongs_to_another_thread", 409),
    ("run_not_active", 409),
    ("thread_busy", 409),
    ("thread_exists", 409),
    ("ticket_closed", 409),
    ("too_many_messages", 400),
    ("too_many_runs", 400),
    ("unexpected_run", 409),
    ("unknown_agent", 404),
    ("unknown_dispatch", 404),
    ("unknown_key", 404),
    ("unknown_message", 404),
    ("unknown_path", 404),
    ("unknown_run", 404),
    ("unknown_thread", 404),
    ("unknown_ticket", 404),
    ("unsupported_media_type", 415),
    ("invalid_schedule", 400),
    ("reserved_id", 400),
    ("schedule_exists", 409),
    ("schedule_ended", 409),
    ("unknown_schedule", 404),
];

/// How much of a stream without an end is read.
const STREAM_TIME: Duration = Duration::from_millis(5);

/// Sends it, and checks the answer's form; answers the status.
pub async fn answered<S: MailboxStore + 'static>(house: &House<S>, drawn: &Drawn) -> u16 {
    let query = drawn.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let uri = house.url(&format!("{}{query}", drawn.path));
    let mut request = request(drawn.method.parse().unwrap(), uri);
    for (name, value) in &drawn.headers {
        request.headers_mut().insert(*name, value.to_vec().try_into().unwrap());
    }
    *request.body_mut() = drawn.body.clone().into();
    let response = house.answer(request).await;
    let status = response.status().as_u16();
    let is_stream = response
        .headers()
        .get("content-type")
        .is_some_and(|content_type| content_type == "text/event-stream");
    if is_stream {
        assert_eq!(status, 200);
        // One that ends must end whole; one that stays open is left.
        let all = tokio::time::timeout(STREAM_TIME, response.into_body().collect()).await;
        assert!(!matches!(all, Ok(Err(_))), "the stream broke off");
        return status;
    }
    let reply = Reply::read(response).await;
    openapi::check(drawn.method, &drawn.path, &reply);
    match status {
        200..300 => success(drawn, &reply),
        400..500 => refusal(drawn, &reply),
        _ => panic!("{status}: {}", reply.text()),
    }
    status
}

fn success(drawn: &Drawn, reply: &Reply) {
    if reply.status == 204 || drawn.method == "HEAD" {
        assert!(reply.body.is_empty(), "{}", reply.text());
        return;
    }
    if reply.header("content-type") != Some("application/json") {
        let is_file = drawn.path.starts_with("/dashboard/assets/");
        assert!(is_file || ["/", "/metrics"].contains(&drawn.path.as_str()), "{:?}", reply.headers);
        return;
    }
    let answer = reply.ok(reply.status);
    for problem in answer["items"].as_array().into_iter().flatten().filter(|item| is_problem(item))
    {
        assert_eq!(drawn.path, "/v1/runs/batch", "{problem}");
        known(problem);
    }
}

fn is_problem(item: &Value) -> bool {
    item["type"].as_str().is_some_and(|kind| kind.starts_with("urn:postroom:problem:"))
}

fn refusal(drawn: &Drawn, reply: &Reply) {
    if drawn.method == "HEAD" {
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        return;
    }
    let problem: Value = serde_json::from_slice(&reply.body)
        .unwrap_or_else(|error| panic!("{}: {error}: {}", reply.status, reply.text()));
    reply.problem(reply.status, problem["code"].as_str().unwrap_or("no code"));
    known(&problem);
}

/// It is one of those that programs know, and says something to people.
fn known(problem: &Value) {
    let known = PROBLEMS
        .iter()
        .any(|(code, status)| problem["code"] == *code && problem["status"] == *status);
    assert!(known, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
}
