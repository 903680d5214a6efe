//! Real clients against fake providers, over real HTTP.

use std::sync::Arc;

use postroom_agent::{AgentExecutor, AgentRegistry, ModelConfig};
use postroom_core::ports::RunOutcome;
use postroom_core::run::{Termination, Usage, WaitReason};
use serde_json::{Value, json};

use crate::fake::{Fake, FixedClock, agent, env, executor, one_agent, one_model, output};
use crate::server::{Answer, Server, sse};

pub const KEY: &str = "sk-very-secret";
pub const SSE: &str = "text/event-stream";
pub const NDJSON: &str = "application/x-ndjson";

fn executor_for(provider: &str, url: String) -> AgentExecutor {
    let config = ModelConfig {
        provider: provider.into(),
        model: Some("test-model".into()),
        base_url: Some(url),
        api_key_env: Some("TEST_KEY".into()),
        ..ModelConfig::default()
    };
    let registry = AgentRegistry::builder(env(&[("TEST_KEY", KEY)]), Arc::new(FixedClock))
        .models(one_model("m", config))
        .agents(one_agent(agent("m", &["clock"])))
        .build()
        .unwrap();
    executor(registry)
}

/// Asks for the time through `provider`, which calls the clock and then answers.
async fn ask_the_time(provider: &str, path: &str, answers: Vec<Answer>) -> (Arc<Fake>, Server) {
    let server = Server::start(answers).await;
    let executor = executor_for(provider, format!("{}{path}", server.url));
    let fake = Fake::new(&["the time?"]);
    assert_eq!(output(fake.execute(&executor).await), "It is late.");
    assert_eq!(
        fake.run.lock().usage,
        Usage { input_tokens: 30, output_tokens: 12, ..Usage::default() }
    );
    assert!(fake.transcript()[2].1.contains("+02:00"), "{:?}", fake.transcript());
    assert_eq!(server.asked.lock().len(), 2);
    let no_key_in = format!("{:?}{:?}", fake.events.lock(), fake.run.lock().state);
    assert!(!no_key_in.contains(KEY));
    (fake, server)
}

pub fn openai_chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "x", "object": "chat.completion.chunk", "model": "test-model",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

pub fn openai_usage() -> Value {
    json!({"choices": [], "usage": {"prompt_tokens": 15, "completion_tokens": 6, "total_tokens": 21}})
}

pub fn openai(data: &[Value]) -> String {
    format!("{}data: [DONE]\n\n", sse(data))
}

pub fn openai_says(text: &[&str]) -> String {
    let mut data: Vec<Value> =
        text.iter().map(|text| openai_chunk(&json!({"content": text}), None)).collect();
    data.extend([openai_chunk(&json!({}), Some("stop")), openai_usage()]);
    openai(&data)
}

fn openai_calls() -> String {
    let call = |id: Option<&str>, name: Option<&str>, arguments: &str| {
        let mut call = json!({"index": 0, "function": {"arguments": arguments}});
        if let (Some(id), Some(name)) = (id, name) {
            call["id"] = id.into();
            call["type"] = "function".into();
            call["function"]["name"] = name.into();
        }
        openai_chunk(&json!({"tool_calls": [call]}), None)
    };
    openai(&[
        openai_chunk(&json!({"role": "assistant", "content": null}), None),
        call(Some("call_abc"), Some("clock"), ""),
        call(None, None, "{\"utc_"),
        call(None, None, "offset\":\"+02:00\"}"),
        openai_chunk(&json!({}), Some("tool_calls")),
        openai_usage(),
    ])
}

#[tokio::test]
async fn openai_streams_calls_tools_and_counts() {
    let answers = vec![
        Answer::Streams(SSE, openai_calls()),
        Answer::Streams(SSE, openai_says(&["It ", "is ", "late."])),
    ];
    let (fake, server) = ask_the_time("openai", "/v1", answers).await;
    let asked = server.asked.lock();
    assert!(asked[0].head.starts_with("POST /v1/chat/completions "), "{}", asked[0].head);
    assert!(asked[0].head.to_lowercase().contains(&format!("authorization: bearer {KEY}")));
    assert_eq!(asked[0].body["model"], "test-model");
    assert_eq!(asked[0].body["messages"][0]["content"], "Be brief.");
    assert_eq!(asked[0].body["tools"][0]["function"]["name"], "clock");
    let messages = &asked[1].body["messages"];
    assert_eq!(messages[2]["tool_calls"][0]["id"], "call_abc");
    assert_eq!(messages[3]["role"], "tool");
    assert_eq!(messages[3]["tool_call_id"], "call_abc");
    assert!(messages[3]["content"].as_str().unwrap().contains("+02:00"));
    let deltas: Vec<_> = fake.event_names();
    assert!(deltas.contains(&"tool_call_arguments_delta"), "{deltas:?}");
    assert_eq!(fake.shown(), "It is late.");
}

#[tokio::test]
async fn anthropic_streams_calls_tools_and_counts() {
    let event =
        |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let begins = || {
        event(json!({"type": "message_start", "message": {"id": "m", "role": "assistant",
            "content": [], "model": "test-model", "usage": {"input_tokens": 15, "output_tokens": 1}}}))
    };
    let ends = |reason: &str| {
        event(json!({"type": "content_block_stop", "index": 0}))
            + &event(json!({"type": "message_delta", "delta": {"stop_reason": reason},
                "usage": {"output_tokens": 6}}))
            + &event(json!({"type": "message_stop"}))
    };
    let calls = begins()
        + &event(json!({"type": "content_block_start", "index": 0, "content_block":
            {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {}}}))
        + &event(json!({"type": "content_block_delta", "index": 0, "delta":
            {"type": "input_json_delta", "partial_json": "{\"utc_offset\":"}}))
        + &event(json!({"type": "content_block_delta", "index": 0, "delta":
            {"type": "input_json_delta", "partial_json": "\"+02:00\"}"}}))
        + &ends("tool_use");
    let says = begins()
        + &event(json!({"type": "content_block_start", "index": 0, "content_block":
            {"type": "text", "text": ""}}))
        + &event(json!({"type": "content_block_delta", "index": 0, "delta":
            {"type": "text_delta", "text": "It is late."}}))
        + &ends("end_turn");
    let answers = vec![Answer::Streams(SSE, calls), Answer::Streams(SSE, says)];
    let (_, server) = ask_the_time("anthropic", "/v1/", answers).await;
    let asked = server.asked.lock();
    assert!(asked[0].head.starts_with("POST /v1/messages "), "{}", asked[0].head);
    assert!(asked[0].head.to_lowercase().contains(&format!("x-api-key: {KEY}")));
    let result = &asked[1].body["messages"][2]["content"][0];
    assert_eq!(
        (&result["type"], &result["tool_use_id"]),
        (&json!("tool_result"), &json!("toolu_1"))
    );
}

#[tokio::test]
async fn gemini_streams_calls_tools_and_gets_its_signature_back() {
    let chunk = |parts: Value, finish: Option<&str>| {
        let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
        if let Some(finish) = finish {
            candidate["finishReason"] = finish.into();
        }
        json!({"candidates": [candidate], "usageMetadata":
            {"promptTokenCount": 15, "candidatesTokenCount": 6, "totalTokenCount": 21}})
    };
    let call = json!([{"functionCall": {"name": "clock", "args": {"utc_offset": "+02:00"}},
        "thoughtSignature": "c2lnbmVk"}]);
    let calls = sse(&[chunk(call, Some("STOP"))]);
    let says = sse(&[
        chunk(json!([{"text": "It is "}]), None),
        chunk(json!([{"text": "late."}]), Some("STOP")),
    ]);
    let answers = vec![Answer::Streams(SSE, calls), Answer::Streams(SSE, says)];
    let (_, server) = ask_the_time("gemini", "/v1beta", answers).await;
    let asked = server.asked.lock();
    assert!(asked[0].head.contains("/v1beta/models/test-model:streamGenerateContent"));
    let contents = asked[1].body["contents"].to_string();
    assert!(contents.contains("c2lnbmVk"), "{contents}");
    assert!(contents.contains("functionResponse"), "{contents}");
}

#[tokio::test]
async fn ollama_streams_calls_tools_and_counts() {
    let line = |message: Value, done: bool| {
        let mut line = json!({"model": "test-model", "message": message, "done": done});
        if done {
            line["done_reason"] = "stop".into();
            line["prompt_eval_count"] = 15.into();
            line["eval_count"] = 6.into();
        }
        format!("{line}\n")
    };
    let call = json!({"role": "assistant", "content": "", "tool_calls":
        [{"function": {"name": "clock", "arguments": {"utc_offset": "+02:00"}}}]});
    let end = || line(json!({"role": "assistant", "content": ""}), true);
    let says = |text: &str| line(json!({"role": "assistant", "content": text}), false);
    let answers = vec![
        Answer::Streams(NDJSON, line(call, false) + &end()),
        Answer::Streams(NDJSON, says("It is ") + &says("late.") + &end()),
    ];
    let (_, server) = ask_the_time("ollama", "/v1", answers).await;
    let asked = server.asked.lock();
    assert!(asked[0].head.starts_with("POST /api/chat "), "{}", asked[0].head);
    assert_eq!(asked[1].body["messages"][3]["role"], "tool");
}

async fn outcome_of(answer: Answer) -> (RunOutcome, Arc<Fake>) {
    let server = Server::start(vec![answer]).await;
    let fake = Fake::new(&["hi"]);
    let outcome = fake.execute(&executor_for("openai", server.url.clone())).await;
    (outcome, fake)
}

fn fails(status: u16, headers: &'static str, message: &str) -> Answer {
    let body = json!({"error": {"message": message, "type": "x"}});
    Answer::Fails(status, headers, body.to_string())
}

#[tokio::test]
async fn what_the_moment_may_mend_is_transient() {
    for status in [408, 429, 500, 502, 503, 529] {
        let (outcome, _) = outcome_of(fails(status, "", "busy")).await;
        let RunOutcome::TransientError { error } = outcome else { panic!("{status}: {outcome:?}") };
        assert_eq!(error, format!("the provider answered {status}: busy"));
    }
}

#[tokio::test]
async fn a_limit_with_an_end_gives_way_until_then() {
    let (outcome, _) = outcome_of(fails(429, "retry-after: 17\r\n", "slow down")).await;
    let RunOutcome::Waiting { wait, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(wait.reason, WaitReason::RateLimit);
    assert_eq!(wait.resume_in.unwrap().as_secs(), 17);
}

#[tokio::test]
async fn a_short_limit_is_waited_out() {
    let says = Answer::Streams(SSE, openai_says(&["Hello."]));
    let server = Server::start(vec![fails(429, "retry-after-ms: 10\r\n", "slow"), says]).await;
    let fake = Fake::new(&["hi"]);
    let outcome = fake.execute(&executor_for("openai", server.url.clone())).await;
    assert_eq!(output(outcome), "Hello.");
}

#[tokio::test]
async fn what_nothing_will_mend_ends_the_run() {
    for (status, message, expected) in [
        (400, "bad request", "invalid_request"),
        (401, "bad key sk-very-secret", "bad_api_key"),
        (403, "not you", "bad_api_key"),
        (404, "no such model", "unknown_model"),
        (429, "you exceeded: insufficient_quota", "quota_exhausted"),
    ] {
        let (outcome, fake) = outcome_of(fails(status, "", message)).await;
        let RunOutcome::Completed { result, .. } = &outcome else { panic!("{outcome:?}") };
        let Termination::Error(reason) = &result.termination else { panic!("{outcome:?}") };
        assert_eq!(reason.code, expected);
        assert!(reason.message.contains(&status.to_string()));
        let all = format!("{outcome:?}{:?}", fake.events.lock());
        assert!(!all.contains(KEY), "the key is cut out");
    }
}

#[tokio::test]
async fn a_lost_connection_is_transient_and_nothing_half_is_kept() {
    let half = openai_chunk(&json!({"content": "Half an ans"}), None);
    let garbage = "data: {not json\n\n".to_owned();
    let page = "<html>It works!</html>".to_owned();
    for answer in [
        Answer::Drops(SSE, sse(std::slice::from_ref(&half))),
        Answer::Streams(SSE, sse(&[half])),
        Answer::Streams(SSE, garbage),
        Answer::Streams("text/html", page),
        Answer::Fails(500, "", "\u{0}".repeat(100_000)),
    ] {
        let (outcome, fake) = outcome_of(answer).await;
        let RunOutcome::TransientError { error } = outcome else { panic!("{outcome:?}") };
        assert!(error.chars().count() < 600);
        assert_eq!(fake.log.lock().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_without_its_end_is_not_taken_for_whole() {
    let gemini = sse(&[json!({
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Half"}]}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 15, "candidatesTokenCount": 6},
    })]);
    let message = json!({"role": "assistant", "content": "Half"});
    let ollama = format!("{}\n", json!({"model": "m", "message": message, "done": false}));
    let anthropic = format!(
        "event: content_block_start\ndata: {}\n\n",
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    );
    for (provider, kind, body) in
        [("gemini", SSE, gemini), ("ollama", NDJSON, ollama), ("anthropic", SSE, anthropic)]
    {
        let server = Server::start(vec![Answer::Streams(kind, body)]).await;
        let fake = Fake::new(&["hi"]);
        let outcome = fake.execute(&executor_for(provider, server.url.clone())).await;
        assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{provider}: {outcome:?}");
        assert_eq!(fake.log.lock().len(), 1);
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_is_sorted_too() {
    let half = openai_chunk(&json!({"content": "Half"}), None);
    let broken = |kind: &str| {
        Answer::Streams(
            SSE,
            sse(&[half.clone(), json!({"error": {"message": "no", "type": kind}})]),
        )
    };
    let (outcome, _) = outcome_of(broken("server_error")).await;
    assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
    let (outcome, _) = outcome_of(broken("invalid_request_error")).await;
    assert!(matches!(outcome, RunOutcome::Completed { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_transient() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let outcome = Fake::new(&["hi"]).execute(&executor_for("openai", url)).await;
    let RunOutcome::TransientError { error } = outcome else { panic!("{outcome:?}") };
    assert!(error.contains("can't be reached"), "{error}");
}

#[tokio::test]
async fn an_https_address_is_spoken_to_with_tls() {
    let server = Server::start_without_http().await;
    let url = server.url.replace("http:", "https:");
    let outcome = Fake::new(&["hi"]).execute(&executor_for("openai", url)).await;
    let RunOutcome::TransientError { error } = outcome else { panic!("{outcome:?}") };
    assert!(error.contains("InvalidContentType"), "{error}");
}

#[tokio::test]
async fn arguments_that_are_no_json_go_back_to_the_model_as_an_error() {
    let call = json!({"tool_calls": [{"index": 0, "id": "c", "type": "function",
        "function": {"name": "clock", "arguments": "{\"utc_off"}}]});
    let broken = openai(&[openai_chunk(&call, None), openai_chunk(&json!({}), Some("tool_calls"))]);
    let says = Answer::Streams(SSE, openai_says(&["Sorry."]));
    let server = Server::start(vec![Answer::Streams(SSE, broken), says]).await;
    let fake = Fake::new(&["hi"]);
    let outcome = fake.execute(&executor_for("openai", server.url.clone())).await;
    assert_eq!(output(outcome), "Sorry.");
    assert!(fake.transcript()[2].1.contains("not valid JSON"));
    let asked = server.asked.lock();
    let arguments = &asked[1].body["messages"][2]["tool_calls"][0]["function"]["arguments"];
    serde_json::from_str::<Value>(arguments.as_str().unwrap()).expect("the history is valid JSON");
}

#[tokio::test]
async fn a_picture_goes_along() {
    let server = Server::start(vec![Answer::Streams(SSE, openai_says(&["A cat."]))]).await;
    let fake = Fake::new(&[]);
    let content = serde_json::from_value(json!([
        {"type": "text", "text": "what is it?"},
        {"type": "image", "url": "data:image/png;base64,aGk="},
        {"type": "image", "url": "https://example.org/cat.webp?x=1"},
    ]));
    let mut message = postroom_core::message::NewMessage::user("");
    message.content = content.unwrap();
    fake.append(vec![message]);
    let outcome = fake.execute(&executor_for("openai", server.url.clone())).await;
    assert_eq!(output(outcome), "A cat.");
    let body = server.asked.lock()[0].body.to_string();
    assert!(body.contains("data:image/png;base64,aGk="), "{body}");
    assert!(body.contains("https://example.org/cat.webp?x=1"), "{body}");
}
