//! Traces that go on at another node.

use postroom_testbed::Postgres;
use serde_json::json;

use super::collector::{Collector, Seen};
use super::support::Home;
use super::{TRACE, has, is_part, one, serve, submit};

fn config(collector: &Collector, schema: &str, places: u32) -> String {
    format!(
        "[store]\nurl = {:?}\nschema = {schema:?}\nconnections = 4\n\
         [limits]\nmax_concurrent_runs = {places}\ndrain_ms = 500\n\
         [mailbox]\nlease_ms = 3000\nlease_renewal_interval_ms = 500\nlease_margin_ms = 500\n\
         sweep_interval_ms = 500\nheartbeat_interval_ms = 500\ndefault_retry_delay_ms = 50\n\
         [telemetry]\notlp_endpoint = {:?}\n",
        Postgres::shared().url(),
        collector.endpoint,
    )
}

#[tokio::test]
async fn a_run_that_another_node_executes_is_in_the_callers_trace() {
    let collector = Collector::start().await;
    let here = Home::with_config(&config(&collector, "traces elsewhere", 1));
    let there = Home::with_config(&config(&collector, "traces elsewhere", 8));
    // The only place here is taken before there is anybody else.
    let mut full = serve(&here, &[]).await;
    let occupying = full.submit("long", "slow 600").await;
    full.until(&format!("/v1/runs/{occupying}"), |run| run["status"] == "running").await;
    let mut free = serve(&there, &[]).await;

    let body = json!({"thread_id": "short", "messages": "what time is it?"});
    let run = submit(&full, "/v1/runs?wait=true", &body).await;
    assert_eq!(run["status"], "done", "{run}");
    for node in [&mut full, &mut free] {
        node.signal("TERM").await;
        assert_eq!(node.exit().await, Some(0));
    }

    let of_both = |spans: &[Seen]| {
        ["POST /v1/runs", "invoke_agent default", "execute_tool clock"]
            .iter()
            .all(|name| spans.iter().any(|span| span.trace == TRACE && span.name == *name))
    };
    let spans = collector.until(of_both).await;
    let (request, submission) = (one(&spans, "POST /v1/runs"), one(&spans, "submit"));
    let (queue, attempt) = (one(&spans, "queue"), one(&spans, "invoke_agent default"));
    is_part(submission, request);
    is_part(queue, submission);
    is_part(attempt, submission);
    is_part(one(&spans, "execute_tool clock"), attempt);
    assert_eq!(request.node(), submission.node());
    assert_eq!(queue.node(), attempt.node());
    assert_ne!(request.node(), attempt.node(), "it was to be executed elsewhere");
}

#[tokio::test]
async fn an_attempt_after_a_crash_is_in_the_same_trace() {
    let collector = Collector::start().await;
    let here = Home::with_config(&config(&collector, "traces crash", 8));
    let there = Home::with_config(&config(&collector, "traces crash", 8));
    let mut dies = serve(&here, &[]).await;
    let body = json!({"thread_id": "t", "messages": "slow 4"});
    let run = submit(&dies, "/v1/runs", &body).await;
    let path = format!("/v1/runs/{}", run["run_id"].as_str().unwrap());
    dies.until(&path, |run| run["status"] == "running").await;
    collector.until(|spans| has(spans, "submit")).await;
    dies.kill().await;

    let mut lives = serve(&there, &[]).await;
    lives.until(&path, |run| run["status"] == "done").await;
    lives.signal("TERM").await;
    assert_eq!(lives.exit().await, Some(0));
    let spans = collector.until(|spans| has(spans, "invoke_agent default")).await;
    let (submission, attempt) = (one(&spans, "submit"), one(&spans, "invoke_agent default"));
    is_part(attempt, submission);
    assert_ne!(attempt.node(), submission.node());
    assert_eq!(attempt.says("postroom.attempt"), "2");
    is_part(one(&spans, "chat demo"), attempt);
}
