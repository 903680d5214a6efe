//! Names, thoughts, attachments and errors on the wire.

use std::sync::Arc;
use std::time::Duration;

use postroom_agent::model::{ModelError, ModelRequest, Stop};
use postroom_core::id::ToolCallId;
use postroom_core::message::{Block, Content, Message, Role, ToolCall};
use postroom_core::run::Usage;
use serde_json::{Value, json};

use crate::ask::{Heard, ask, config, hear, model, named, question, says, tool};
use crate::providers::{SSE, openai, openai_chunk, openai_says, openai_usage};
use crate::server::{Answer, Server, sse};

fn result(id: &ToolCallId, text: &str) -> Arc<Message> {
    let block =
        Block::ToolResult { tool_call_id: id.clone(), output: json!(text), is_error: false };
    Arc::new(Message { content: Content::Blocks(vec![block]), ..(*says(Role::Tool, "")).clone() })
}

/// The conversation with the answer that was heard, and a result for each of its calls.
fn continued(heard: &Heard, continuation: Value) -> ModelRequest {
    let mut answer = (*says(Role::Assistant, &heard.text)).clone();
    answer.tool_calls.clone_from(&heard.calls);
    answer.metadata.insert("continuation".into(), continuation);
    let mut messages = vec![says(Role::User, "hi"), Arc::new(answer)];
    messages.extend(heard.calls.iter().map(|call| result(&call.id, "done")));
    ModelRequest { messages, tools: vec![tool("mcp:files/read")], ..question() }
}

fn calls_openai(name: &str) -> Answer {
    let call = json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
        "function": {"name": name, "arguments": "{}"}}]});
    let chunks = [openai_chunk(&call, None), openai_chunk(&json!({}), Some("tool_calls"))];
    Answer::Streams(SSE, openai(&chunks))
}

#[tokio::test]
async fn tools_have_their_own_names_here_and_fitting_ones_there() {
    let request = ModelRequest {
        tools: vec![tool("mcp:files/read"), tool("web_search"), tool("clock")],
        ..question()
    };
    let (heard, asked) = ask("openai", calls_openai("mcp_files_read"), request.clone()).await;
    let names: Vec<&str> = asked.body["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names[0], "mcp_files_read");
    assert!(names[1].starts_with("web_search_"), "not the provider's own: {names:?}");
    assert_eq!(names[2], "clock");
    assert_eq!(heard.calls[0].name, "mcp:files/read");

    let says = Answer::Streams(SSE, openai_says(&["Done."]));
    let (_, asked) = ask("openai", says, continued(&heard, Value::Null)).await;
    let call = &asked.body["messages"][1]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "mcp_files_read");

    let (heard, _) = ask("openai", calls_openai("made_up"), request).await;
    assert_eq!(heard.calls[0].name, "made_up", "the loop answers that there is none");
}

#[tokio::test]
async fn ids_of_one_provider_are_fit_for_another() {
    let id = ToolCallId::parse("call#clock#0").unwrap();
    let call = ToolCall { id, name: "clock".into(), arguments: json!({}) };
    let heard = Heard { calls: vec![call], ..Heard::default() };
    let request = continued(&heard, Value::Null);
    let (_, asked) = ask("anthropic", Answer::Fails(500, "", String::new()), request).await;
    let id = asked.body["messages"][1]["content"][0]["id"].as_str().unwrap();
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{id}");
    assert_eq!(asked.body["messages"][2]["content"][0]["tool_use_id"], id);
}

fn responses(events: &[Value]) -> Answer {
    Answer::Streams(SSE, events.iter().map(named).collect())
}

fn completed() -> Value {
    json!({"type": "response.completed", "response": {"id": "r", "status": "completed",
        "model": "test-model", "output": [], "usage": {"input_tokens": 15, "output_tokens": 6,
        "total_tokens": 21, "input_tokens_details": {"cached_tokens": 9}}}})
}

fn responses_calls() -> Answer {
    let item = json!({"type": "function_call", "call_id": "call_1", "name": "mcp_files_read",
        "arguments": ""});
    let mut done = item.clone();
    done["arguments"] = json!("{\"path\":\"/a\"}");
    responses(&[
        json!({"type": "response.created", "response": {}}),
        json!({"type": "response.reasoning_summary_text.delta", "delta": "Let me look."}),
        json!({"type": "response.output_item.done", "output_index": 0, "item":
            {"type": "reasoning", "encrypted_content": "c2VhbGVk"}}),
        json!({"type": "response.output_text.delta", "delta": "I look. "}),
        json!({"type": "response.output_item.added", "output_index": 1, "item": item}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1,
            "delta": "{\"path\":"}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1,
            "delta": "\"/a\"}"}),
        json!({"type": "response.output_item.done", "output_index": 1, "item": done}),
        completed(),
    ])
}

fn thinking(request: ModelRequest) -> ModelRequest {
    let options = serde_json::from_value(json!({"reasoning_effort": "low"})).unwrap();
    ModelRequest { options, ..request }
}

#[tokio::test]
async fn responses_stream_think_call_and_get_their_thoughts_back() {
    let request = ModelRequest { tools: vec![tool("mcp:files/read")], ..question() };
    let (heard, asked) = ask("openai_resp", responses_calls(), thinking(request)).await;
    assert!(asked.head.starts_with("POST /responses "), "{}", asked.head);
    assert_eq!((heard.text.as_str(), heard.thought.as_str()), ("I look. ", "Let me look."));
    assert_eq!(heard.calls[0].name, "mcp:files/read");
    assert_eq!(heard.calls[0].arguments, json!({"path": "/a"}));
    let finished = heard.end.clone().unwrap().unwrap();
    assert_eq!(finished.usage, Usage { input_tokens: 15, output_tokens: 6, cached_tokens: 9 });
    assert_eq!(finished.model.as_deref(), Some("openai_resp/test-model"));

    let next = thinking(continued(&heard, finished.continuation));
    let (heard, asked) = ask("openai_resp", responses(&[completed()]), next.clone()).await;
    let input = asked.body["input"].to_string();
    assert!(input.contains("c2VhbGVk") && input.contains("function_call_output"), "{input}");
    assert_eq!(heard.finished().stop, Stop::Complete);

    // Sealed thoughts are no other model's business, and would be refused there.
    let says = Answer::Streams(SSE, openai_says(&["Done."]));
    let (_, asked) = ask("anthropic", says, next).await;
    assert!(!asked.body.to_string().contains("c2VhbGVk"));
}

#[tokio::test]
async fn responses_that_fail_say_why() {
    let text = || json!({"type": "response.output_text.delta", "delta": "Half"});
    let failed = |code: &str| {
        json!({"type": "response.failed", "response": {"id": "r", "status": "failed",
            "model": "m", "error": {"code": code, "message": "no"}}})
    };
    let incomplete = |reason: &str| {
        json!({"type": "response.incomplete", "response": {"id": "r", "status": "incomplete",
            "model": "m", "incomplete_details": {"reason": reason}}})
    };
    let heard = |events: Vec<Value>| async move {
        ask("openai_resp", responses(&events), question()).await.0
    };
    assert_eq!(heard(vec![text()]).await.code(), "transient", "the connection was lost");
    let failed = |code| heard(vec![text(), failed(code)]);
    assert_eq!(failed("context_length_exceeded").await.code(), "context_too_long");
    assert_eq!(failed("server_error").await.code(), "transient");
    let stop = |reason| heard(vec![text(), incomplete(reason)]);
    assert_eq!(stop("max_output_tokens").await.finished().stop, Stop::TooLong);
    assert_eq!(stop("content_filter").await.finished().stop, Stop::Filtered);
    let error = json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow"});
    assert_eq!(heard(vec![error]).await.code(), "transient");
}

#[tokio::test]
async fn anthropic_gets_its_signed_thoughts_back() {
    let block = |index: u32, block: Value| {
        named(&json!({"type": "content_block_start", "index": index, "content_block": block}))
    };
    let delta = |index: u32, delta: Value| {
        named(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
    };
    let stop = |index: u32| named(&json!({"type": "content_block_stop", "index": index}));
    let body = [
        named(&json!({"type": "message_start", "message": {"usage": {"input_tokens": 5,
            "output_tokens": 1, "cache_read_input_tokens": 10}}})),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "I should look."})),
        delta(0, json!({"type": "signature_delta", "signature": "c2lnbmVk"})),
        stop(0),
        block(1, json!({"type": "tool_use", "id": "toolu_1", "name": "mcp_files_read"})),
        stop(1),
        named(&json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 6}})),
        named(&json!({"type": "message_stop"})),
    ];
    let request = ModelRequest { tools: vec![tool("mcp:files/read")], ..question() };
    let (heard, _) = ask("anthropic", Answer::Streams(SSE, body.concat()), request).await;
    assert_eq!(heard.thought, "I should look.");
    let finished = heard.end.clone().unwrap().unwrap();
    assert_eq!((finished.usage.input_tokens, finished.usage.cached_tokens), (15, 10));

    let next = continued(&heard, finished.continuation);
    let (_, asked) = ask("anthropic", Answer::Fails(500, "", String::new()), next).await;
    let answer = &asked.body["messages"][1]["content"];
    assert_eq!(
        answer[0],
        json!({"type": "thinking", "thinking": "I should look.", "signature": "c2lnbmVk"})
    );
    assert_eq!(answer[1]["type"], "tool_use");
}

#[tokio::test]
async fn cached_tokens_are_counted() {
    let mut usage = openai_usage();
    usage["usage"]["prompt_tokens_details"] = json!({"cached_tokens": 12});
    let body = openai(&[openai_chunk(&json!({"content": "Hi."}), Some("stop")), usage]);
    let (heard, _) = ask("openai", Answer::Streams(SSE, body), question()).await;
    assert_eq!(heard.finished().usage.cached_tokens, 12);
}

/// What `provider` is sent of these blocks.
async fn sent(provider: &str, blocks: Value) -> String {
    let mut asks = (*says(Role::User, "")).clone();
    asks.content = serde_json::from_value(blocks).unwrap();
    let request = ModelRequest { messages: vec![Arc::new(asks)], ..question() };
    let (_, asked) = ask(provider, Answer::Fails(500, "", String::new()), request).await;
    asked.body.to_string()
}

#[tokio::test]
async fn pictures_and_files_go_along_or_are_spoken_of() {
    let image = json!([{"type": "image", "url": "https://example.org/cat.png"}]);
    let pdf = json!([{"type": "file", "url": "data:application/pdf;base64,aGk=", "name": "a.pdf"}]);
    let far = json!([{"type": "file", "url": "https://example.org/a.pdf"}]);
    let text = json!([{"type": "file", "url": "data:text/csv;base64,YSxi", "name": "t.csv"}]);
    let broken = json!([{"type": "file", "url": "data:text/csv;base64,/w==", "name": "t.csv"}]);
    let unseen = "that you can't be shown";
    for provider in ["openai", "openai_resp", "anthropic", "gemini", "ollama", "cohere"] {
        let body = sent(provider, image.clone()).await;
        assert!(body.contains("https://example.org/cat.png"), "{provider}: {body}");
        let is_told = matches!(provider, "ollama" | "cohere");
        assert_eq!(body.contains(unseen), is_told, "{provider}: {body}");

        let body = sent(provider, pdf.clone()).await;
        assert_eq!(body.contains("aGk="), !is_told, "{provider}: {body}");
        assert_eq!(body.contains(unseen), is_told, "{provider}: {body}");

        let body = sent(provider, far.clone()).await;
        assert!(body.contains("https://example.org/a.pdf"), "{provider}: {body}");
        assert_eq!(body.contains(unseen), is_told || provider == "openai", "{provider}: {body}");

        let body = sent(provider, text.clone()).await;
        assert!(body.contains("The file t.csv:\\na,b"), "{provider}: {body}");
        assert!(sent(provider, broken.clone()).await.contains("t.csv can't be read"));
    }
}

#[tokio::test]
async fn errors_are_known_by_their_words() {
    let openai = |code: &str| json!({"error": {"message": "no", "type": "x", "code": code}});
    let anthropic = |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}});
    let gemini = |message: &str| json!({"error": {"code": 400, "message": message}});
    for (provider, status, body, expected) in [
        ("openai", 400, openai("context_length_exceeded"), "context_too_long"),
        (
            "openai",
            400,
            json!({"message": "This model's maximum context length is 8192 tokens."}),
            "context_too_long",
        ),
        (
            "openai",
            400,
            json!({"error": {"type": "exceed_context_size_error", "message": "m"}}),
            "context_too_long",
        ),
        ("openai", 400, openai("content_policy_violation"), "content_policy"),
        ("openai", 400, openai("content_filter"), "content_policy"),
        ("openai", 404, openai("model_not_found"), "unknown_model"),
        ("openai", 400, openai("model_not_found"), "unknown_model"),
        ("openai", 401, openai("invalid_api_key"), "bad_api_key"),
        ("openai", 402, openai("x"), "quota_exhausted"),
        ("openai", 429, openai("insufficient_quota"), "quota_exhausted"),
        ("openai", 429, openai("rate_limit_exceeded"), "transient"),
        ("openai", 422, openai("x"), "invalid_request"),
        (
            "anthropic",
            400,
            anthropic("invalid_request_error", "prompt is too long: 1 tokens > 2 maximum"),
            "context_too_long",
        ),
        (
            "anthropic",
            413,
            anthropic("request_too_large", "Request exceeds the maximum size"),
            "context_too_long",
        ),
        (
            "anthropic",
            400,
            anthropic("invalid_request_error", "Your credit balance is too low"),
            "quota_exhausted",
        ),
        ("anthropic", 529, anthropic("overloaded_error", "Overloaded"), "transient"),
        ("anthropic", 403, anthropic("permission_error", "no"), "bad_api_key"),
        (
            "gemini",
            400,
            gemini("The input token count (9) exceeds the maximum number of tokens allowed (8)."),
            "context_too_long",
        ),
        (
            "gemini",
            400,
            json!({"error": {"message": "m", "details": [{"reason": "API_KEY_INVALID"}]}}),
            "bad_api_key",
        ),
        (
            "gemini",
            429,
            json!({"error": {"details": [{"violations": [{"quotaId": "RequestsPerDay"}]}]}}),
            "quota_exhausted",
        ),
        ("ollama", 404, json!({"error": "model 'x' not found"}), "unknown_model"),
    ] {
        let answer = Answer::Fails(status, "", body.to_string());
        let (heard, _) = ask(provider, answer, question()).await;
        assert_eq!(heard.code(), expected, "{provider} {status} {body}");
    }
}

#[tokio::test]
async fn a_refusal_in_a_stream_is_known_too() {
    let overloaded =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let (heard, _) = ask("anthropic", Answer::Streams(SSE, named(&overloaded)), question()).await;
    assert_eq!(heard.code(), "transient");
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}});
    let (heard, _) = ask("gemini", Answer::Streams(SSE, sse(&[blocked])), question()).await;
    let error = heard.error();
    assert!(error.to_string().contains("PROHIBITED_CONTENT"), "{error}");
    assert!(matches!(error, ModelError::Permanent { code: "content_policy", .. }));
}

#[tokio::test]
async fn a_date_says_when_to_ask_again() {
    let headers = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                   retry-after: Sun, 06 Nov 1994 08:50:07 GMT\r\n";
    let (heard, _) = ask("openai", Answer::Fails(429, headers, "{}".into()), question()).await;
    let ModelError::Transient { retry_after, .. } = heard.error() else { panic!() };
    assert_eq!(retry_after, Some(Duration::from_secs(30)));
    let body = json!({"error": {"details": [{"retryDelay": "17s"}]}}).to_string();
    let (heard, _) = ask("gemini", Answer::Fails(429, "", body), question()).await;
    let ModelError::Transient { retry_after, .. } = heard.error() else { panic!() };
    assert_eq!(retry_after, Some(Duration::from_secs(17)));
}

#[tokio::test]
async fn a_key_can_come_from_a_file() {
    let path = std::env::temp_dir().join(format!("postroom-key-{}", std::process::id()));
    std::fs::write(&path, "sk-from-a-file\n").unwrap();
    let server = Server::start(vec![Answer::Fails(500, "", String::new())]).await;
    let mut config = config("openai", &server.url);
    config.api_key_env = None;
    config.api_key_file = Some(path.clone());
    hear(&model(config), question()).await.error();
    std::fs::remove_file(&path).unwrap();
    let head = server.asked.lock()[0].head.to_lowercase();
    assert!(head.contains("authorization: bearer sk-from-a-file\r\n"), "{head}");
}
