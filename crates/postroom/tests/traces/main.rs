//! Traces of the built binary, as a collector gets them, and its log.

#[path = "../support/mod.rs"]
mod support;

mod cluster;
mod collector;
mod model;
mod receiver;

use std::time::Duration;

use collector::{Collector, Seen};
use model::Refusing;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use receiver::Receiver;
use serde_json::{Value, json};
use support::{Home, Server};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// The trace of a caller, and its span.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Starts a node whose spans are sent soon.
async fn serve(home: &Home, env: &[(&str, &str)]) -> Server {
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50").envs(env.iter().copied());
    home.start(command).await
}

/// Submits as a part of the caller's trace; answers what the server said.
async fn submit(server: &Server, path: &str, body: &Value) -> Value {
    let request = support::http().post(format!("{}{path}", server.url));
    let request = request.header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let request = request.header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// The one span of the trace with this name.
#[track_caller]
fn one<'s>(spans: &'s [Seen], name: &str) -> &'s Seen {
    let mut named = spans.iter().filter(|span| span.trace == TRACE && span.name == name);
    let one = named.next().unwrap_or_else(|| panic!("there is no {name}: {spans:#?}"));
    assert!(named.next().is_none(), "there are several {name}: {spans:#?}");
    one
}

#[track_caller]
fn is_part(child: &Seen, parent: &Seen) {
    assert_eq!(child.trace, parent.trace, "{child:#?} {parent:#?}");
    assert_eq!(child.parent, parent.id, "{child:#?} is not part of {parent:#?}");
}

fn has(spans: &[Seen], name: &str) -> bool {
    spans.iter().any(|span| span.name == name)
}

/// Lets it end in good order; says how long that took.
async fn ended(server: &mut Server) -> Duration {
    let began = Instant::now();
    server.signal("TERM").await;
    assert_eq!(server.exit().await, Some(0));
    began.elapsed()
}

#[tokio::test]
async fn a_run_with_a_tool_call_is_one_trace() {
    let collector = Collector::start().await;
    let home = Home::with_config(&format!(
        "[log]\nformat = \"json\"\n[telemetry]\notlp_endpoint = {:?}\nservice_name = \"room\"\n",
        collector.endpoint
    ));
    let mut server =
        serve(&home, &[("RUST_LOG", "postroom_service=debug,postroom_server=debug")]).await;
    let body = json!({"thread_id": "talk", "messages": "xylophone: what time is it?"});
    let run = submit(&server, "/v1/runs?wait=true", &body).await;
    assert_eq!(run["status"], "done", "{run}");
    ended(&mut server).await;

    let spans = collector.until(|spans| has(spans, "POST /v1/runs")).await;
    let request = one(&spans, "POST /v1/runs");
    assert_eq!((request.parent.as_str(), request.kind), (CALLER, SpanKind::Server));
    assert_eq!(request.says("http.request.method"), "POST");
    assert_eq!(request.says("http.route"), "/v1/runs");
    assert_eq!(request.says("http.response.status_code"), "200");
    assert_eq!(request.says("url.path"), "/v1/runs");
    assert_eq!(request.resource["service.name"], "room");

    let submission = one(&spans, "submit");
    is_part(submission, request);
    assert_eq!(submission.kind, SpanKind::Producer);
    assert_eq!(submission.says("postroom.run.id"), run["run_id"]);
    let queue = one(&spans, "queue");
    is_part(queue, submission);
    assert!(queue.began <= queue.ended);

    let attempt = one(&spans, "invoke_agent default");
    is_part(attempt, submission);
    assert_eq!(attempt.says("gen_ai.operation.name"), "invoke_agent");
    assert_eq!(attempt.says("gen_ai.agent.name"), "default");
    assert_eq!(attempt.says("gen_ai.conversation.id"), "talk");
    assert_eq!(attempt.says("postroom.attempt"), "1");
    assert_eq!(attempt.says("postroom.outcome"), "natural_end");
    assert!(!attempt.failed && attempt.began < attempt.ended);

    let mut chats: Vec<_> = spans.iter().filter(|span| span.name == "chat demo").collect();
    chats.sort_by_key(|chat| chat.began);
    let [asks, answers] = &chats[..] else { panic!("{chats:#?}") };
    for chat in [asks, answers] {
        is_part(chat, attempt);
        assert_eq!(chat.kind, SpanKind::Client);
        assert_eq!(chat.says("gen_ai.operation.name"), "chat");
        assert_eq!(chat.says("gen_ai.provider.name"), "demo");
        assert_eq!(chat.says("gen_ai.request.model"), "demo");
        assert_eq!(chat.says("gen_ai.response.model"), "demo");
        assert_eq!(chat.says("gen_ai.conversation.id"), "talk");
        assert!(chat.says("gen_ai.usage.input_tokens").parse::<u64>().unwrap() > 0);
        assert!(chat.says("gen_ai.usage.output_tokens").parse::<u64>().unwrap() > 0);
    }
    assert_eq!(asks.says("gen_ai.response.finish_reasons"), "tool_call");
    assert_eq!(answers.says("gen_ai.response.finish_reasons"), "stop");
    let call = one(&spans, "execute_tool clock");
    is_part(call, attempt);
    assert_eq!(call.says("gen_ai.operation.name"), "execute_tool");
    assert_eq!(call.says("gen_ai.tool.name"), "clock");
    assert!(!call.says("gen_ai.tool.call.id").is_empty());
    assert!(asks.ended <= call.began && call.ended <= answers.began);

    // What was said stays here.
    let sent = collector.bytes();
    assert!(!sent.windows(9).any(|bytes| bytes == b"xylophone"));
    the_log_names_the_trace(&home.log(), &run, attempt);
}

/// Every line is an object, and one that is about the run says of which trace it is.
fn the_log_names_the_trace(log: &str, run: &Value, attempt: &Seen) {
    let line = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let lines: Vec<Value> = log.lines().map(line).collect();
    for line in &lines {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key} is missing: {line}");
        }
    }
    let begun = lines.iter().find(|line| line["message"] == "an attempt begins");
    let begun = begun.unwrap_or_else(|| panic!("no line tells of the attempt: {log}"));
    assert_eq!(begun["trace_id"], TRACE);
    assert_eq!(begun["span_id"], attempt.id);
    assert_eq!(begun["thread_id"], "talk");
    assert_eq!(begun["run_id"], run["run_id"]);
}

#[tokio::test]
async fn what_a_run_brings_about_is_in_its_trace() {
    let collector = Collector::start().await;
    let mut receiver = Receiver::start().await;
    let home = Home::with_config(
        "[agents.default]\nmodel = \"demo\"\ntools = [\"delegate:helper\"]\n\
         [agents.helper]\nmodel = \"demo\"\n[webhooks]\nallow_private = [\"127.0.0.1\"]\n",
    );
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_SERVICE_NAME", "by variable"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("POSTROOM_WEBHOOK_SECRET", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
    ];
    let mut server = serve(&home, &env).await;
    let body = json!({
        "messages": "call delegate:helper {\"task\": \"say hello\"}",
        "webhook": receiver.url,
    });
    submit(&server, "/v1/runs", &body).await;
    let heard = receiver.next().await;
    ended(&mut server).await;

    let spans = collector.until(|spans| has(spans, "POST")).await;
    assert_eq!(spans[0].resource["service.name"], "by variable");
    assert_eq!(spans[0].resource["deployment.environment.name"], "test");
    let of = |id: &str| spans.iter().find(|span| span.id == id).unwrap();
    // From the child up.
    let child = one(&spans, "invoke_agent helper");
    let submission = of(&child.parent);
    assert_eq!(submission.name, "submit");
    let call = of(&submission.parent);
    assert_eq!(call.name, "execute_tool delegate:helper");
    let parent = of(&call.parent);
    assert_eq!(parent.name, "invoke_agent default");
    assert_eq!(of(&of(&parent.parent).parent).name, "POST /v1/runs");

    let post = one(&spans, "POST");
    assert_eq!(heard["traceparent"], format!("00-{TRACE}-{}-01", post.id).as_str());
    assert_eq!(post.says("http.response.status_code"), "200");
    let attempt = of(&post.parent);
    assert_eq!(attempt.name, "postroom:webhook");
    assert_eq!(of(&attempt.parent).name, "submit");
    let sent = collector.bytes();
    assert!(!sent.windows(12).any(|bytes| bytes == b"secret-place"), "the address is told");
}

#[tokio::test]
async fn each_time_of_a_schedule_is_a_trace() {
    let collector = Collector::start().await;
    let home =
        Home::with_config(&format!("[telemetry]\notlp_endpoint = {:?}\n", collector.endpoint));
    let mut server = serve(&home, &[]).await;
    let body = json!({"schedule_id": "beat", "cron": "* * * * * *", "run": {"messages": "tick"}});
    submit(&server, "/v1/schedules", &body).await;
    let name = "invoke_agent default";
    let spans =
        collector.until(|spans| spans.iter().filter(|span| span.name == name).count() >= 2).await;
    ended(&mut server).await;

    let mut traces: Vec<&str> = Vec::new();
    for run in spans.iter().filter(|span| span.name == name) {
        let submission = spans.iter().find(|span| span.id == run.parent);
        let firing = submission.and_then(|one| spans.iter().find(|span| span.id == one.parent));
        // The firing may still have been under way when its run had ended.
        if let Some(firing) = firing {
            assert_eq!((firing.name.as_str(), firing.parent.as_str()), ("postroom:schedule", ""));
            assert_eq!(firing.links, [TRACE], "it says who made the schedule");
        }
        traces.push(&run.trace);
    }
    traces.sort_unstable();
    traces.dedup();
    assert!(traces.len() >= 2 && !traces.contains(&TRACE), "{traces:?}");
}

#[tokio::test]
async fn no_secret_is_in_a_span_or_a_line() {
    const KEY: &str = "sk-canary-of-the-model";
    const HEADER: &str = "canary-of-the-collector";
    let (collector, model) = (Collector::start().await, Refusing::start().await);
    let home = Home::with_config(&format!(
        "[models.m]\nprovider = \"openai\"\nmodel = \"gpt-x\"\nbase_url = {:?}\napi_key_env = \"KEY\"\n\
         [agents.default]\nmodel = \"m\"\n\
         [telemetry]\notlp_endpoint = {:?}\nheaders_file = \"headers\"\n",
        model.url, collector.endpoint
    ));
    std::fs::write(home.path("headers"), format!("authorization=Bearer%20{HEADER}\n")).unwrap();
    let env = [("KEY", KEY), ("RUST_LOG", "trace")];
    let mut server = serve(&home, &env).await;
    let run = submit(&server, "/v1/runs?wait=true", &json!({"messages": "hello"})).await;
    assert_eq!(run["status"], "done", "{run}");
    let settings = server.get("/v1/settings").await;
    ended(&mut server).await;

    let spans = collector.until(|spans| has(spans, "POST /v1/runs")).await;
    let chat = one(&spans, "chat gpt-x");
    assert_eq!(chat.says("gen_ai.provider.name"), "openai");
    assert_eq!(chat.says("server.address"), "127.0.0.1");
    assert_eq!((chat.failed, chat.says("error.type")), (true, "bad_api_key"));
    assert!(one(&spans, "invoke_agent default").failed);

    for headers in collector.headers() {
        assert_eq!(headers["authorization"], format!("Bearer {HEADER}").as_str());
    }
    let mut print = home.command(&["serve", "--print-config"]);
    print.envs(env);
    let printed = support::finish(print).await.ok();
    let shown = [home.log(), settings.to_string(), format!("{printed:?}")].concat();
    let sent = String::from_utf8_lossy(&collector.bytes()).into_owned();
    for secret in [KEY, HEADER] {
        assert!(!shown.contains(secret), "{secret} is shown:\n{shown}");
        assert!(!sent.contains(secret), "{secret} is sent");
    }
}

#[tokio::test]
async fn without_a_collector_all_goes_on() {
    // One that nobody listens at, and one where nobody answers.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for address in [nobody, silent.local_addr().unwrap()] {
        let config = format!("[telemetry]\notlp_endpoint = \"http://{address}\"\n");
        let home = Home::with_config(&config);
        let mut server = serve(&home, &[]).await;
        for _ in 0..20 {
            let run = submit(&server, "/v1/runs?wait=true", &json!({"messages": "hello"})).await;
            assert_eq!(run["status"], "done", "{run}");
        }
        if address == nobody {
            until_logged(&home, "the collector does not take traces").await;
        }
        let took = ended(&mut server).await;
        assert!(took < Duration::from_secs(10), "the end took {took:?}");
        let said = home.log().matches("the collector does not take traces").count();
        assert!(said <= 1, "{}", home.log());
    }
}

async fn until_logged(home: &Home, line: &str) {
    let logged = async {
        while !home.log().contains(line) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(support::DEADLINE, logged).await.unwrap_or_else(|_| {
        panic!("nobody has said `{line}`: {}", home.log());
    });
}

#[tokio::test]
async fn nothing_is_sent_of_a_trace_that_nobody_keeps() {
    let collector = Collector::start().await;
    let config =
        format!("[telemetry]\notlp_endpoint = {:?}\nsampled_share = 0\n", collector.endpoint);
    let home = Home::with_config(&config);
    let mut server = serve(&home, &[]).await;
    server.submit("unheard", "hello").await;
    // The caller's trace is kept, whatever is thought here.
    submit(&server, "/v1/runs?wait=true", &json!({"messages": "hello"})).await;
    ended(&mut server).await;
    let spans = collector.until(|spans| has(spans, "POST /v1/runs")).await;
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:#?}");
}
