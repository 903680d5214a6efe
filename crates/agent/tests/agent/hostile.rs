//! Providers that send what nobody should have to read.

use std::time::Duration;

use futures::StreamExt;
use postroom_agent::model::{ModelError, ModelEvent};
use serde_json::{Value, json};

use crate::ask::{Heard, ask, config, hear, model, named, question};
use crate::providers::{NDJSON, SSE, openai, openai_chunk, openai_says};
use crate::server::{Answer, Server, sse};

async fn heard(answer: Answer) -> Heard {
    ask("openai", answer, question()).await.0
}

fn piece(index: u64, id: Option<&str>, name: Option<&str>, arguments: &str) -> Value {
    let mut piece = json!({"index": index, "function": {"arguments": arguments}});
    if let Some(id) = id {
        piece["id"] = id.into();
    }
    if let Some(name) = name {
        piece["function"]["name"] = name.into();
    }
    piece
}

fn calls(pieces: &[Value]) -> Answer {
    let mut chunks: Vec<Value> =
        pieces.iter().map(|piece| openai_chunk(&json!({"tool_calls": [piece]}), None)).collect();
    chunks.push(openai_chunk(&json!({}), Some("tool_calls")));
    Answer::Streams(SSE, openai(&chunks))
}

fn called(heard: &Heard) -> Vec<(&str, &Value)> {
    heard.calls.iter().map(|call| (call.name.as_str(), &call.arguments)).collect()
}

#[tokio::test]
async fn a_byte_at_a_time_is_still_an_answer() {
    let body = openai_says(&["Grüße ", "aus 東京."]);
    let bytes = body.bytes().map(|byte| vec![byte]).collect();
    assert_eq!(heard(Answer::Sends(SSE, bytes)).await.text, "Grüße aus 東京.");
}

#[tokio::test]
async fn silence_has_its_time() {
    let half = sse(&[openai_chunk(&json!({"content": "Half"}), None)]);
    let server = Server::start(vec![Answer::Stops(SSE, half)]).await;
    let mut answer = model(config("openai", &server.url)).stream(question()).await.unwrap();
    assert_eq!(answer.next().await, Some(Ok(ModelEvent::TextDelta("Half".into()))));
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = answer.next().await.unwrap().unwrap_err();
    assert!(matches!(error, ModelError::Transient { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_mins(11), "{:?}", began.elapsed());
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn mixed_pieces_of_calls_find_their_own() {
    let answer = calls(&[
        piece(1, Some("b"), Some("second"), ""),
        piece(0, None, None, "{\"a\""),
        piece(1, None, None, "{\"b\""),
        piece(0, Some("a"), Some("first"), ":1}"),
        piece(1, None, None, ":2}"),
    ]);
    let heard = heard(answer).await;
    assert_eq!(called(&heard), [("second", &json!({"b": 2})), ("first", &json!({"a": 1}))]);
    let shown: String = heard
        .events
        .iter()
        .filter_map(|event| match event {
            ModelEvent::ToolCallArgumentsDelta { delta, .. } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(shown, "{\"b\"{\"a\":1}:2}");
    for (at, event) in heard.events.iter().enumerate() {
        if let ModelEvent::ToolCallArgumentsDelta { id, .. } = event {
            let started = |event: &ModelEvent| matches!(event, ModelEvent::ToolCallStarted { id: known, .. } if known == id);
            assert!(heard.events[..at].iter().any(started), "a call begins before its arguments");
        }
    }
}

#[tokio::test]
async fn ids_and_places_that_are_used_twice_are_told_apart() {
    let same_id = heard(calls(&[
        piece(0, Some("x"), Some("one"), "{}"),
        piece(1, Some("x"), Some("two"), "{}"),
    ]));
    let same_place = heard(calls(&[
        piece(0, Some("x"), Some("one"), "{\"n\":1}"),
        piece(0, Some("y"), Some("two"), "{\"n\":2}"),
    ]));
    for heard in [same_id.await, same_place.await] {
        assert_eq!(
            heard.calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(),
            ["one", "two"]
        );
        assert_ne!(heard.calls[0].id, heard.calls[1].id);
    }
    let no_id = heard(calls(&[piece(0, None, Some("one"), "")])).await;
    assert_eq!(called(&no_id), [("one", &json!({}))]);
}

#[tokio::test]
async fn a_place_far_away_costs_no_memory() {
    let heard = heard(calls(&[piece(u64::from(u32::MAX), Some("x"), Some("one"), "{}")])).await;
    assert_eq!(called(&heard), [("one", &json!({}))]);
}

#[tokio::test]
async fn a_call_without_a_name_is_no_answer() {
    assert_eq!(heard(calls(&[piece(0, Some("x"), None, "{}")])).await.code(), "transient");
}

#[tokio::test]
async fn answers_have_their_limits() {
    let many: Vec<Value> =
        (0..200).map(|at| piece(at, Some(&format!("c{at}")), Some("clock"), "{}")).collect();
    assert_eq!(heard(calls(&many)).await.code(), "answer_too_long");

    let long = "x".repeat(64 << 10);
    let long: Vec<Value> = (0..20)
        .map(|at| piece(0, (at == 0).then_some("c"), (at == 0).then_some("clock"), &long))
        .collect();
    assert_eq!(heard(calls(&long)).await.code(), "answer_too_long");

    let item = json!({"type": "tool_use", "id": "t", "name": "clock"});
    let mut body =
        named(&json!({"type": "content_block_start", "index": 0, "content_block": item}));
    let delta = json!({"type": "input_json_delta", "partial_json": "x".repeat(64 << 10)});
    for _ in 0..20 {
        body += &named(&json!({"type": "content_block_delta", "index": 0, "delta": delta}));
    }
    let (heard, _) = ask("anthropic", Answer::Streams(SSE, body), question()).await;
    assert_eq!(heard.code(), "answer_too_long");
}

#[tokio::test]
async fn a_stream_without_end_is_given_up() {
    // A frame that is no event of ours, so that nothing of it is ever shown.
    let junk = format!("data: {}\n\n", json!({"choices": [], "junk": "x".repeat(1 << 20)}));
    let endless = Answer::Repeats(String::new(), junk);
    assert_eq!(heard(endless).await.code(), "answer_too_long");
}

#[tokio::test]
async fn what_is_no_stream_of_events_is_no_answer() {
    let page = Answer::Streams("text/html", "<html>Welcome to nginx!</html>".into());
    let error = heard(page).await.error();
    assert!(error.to_string().contains("base_url"), "{error}");
    assert!(matches!(error, ModelError::Transient { .. }));
    for body in ["", "data: {broken\n\n", "data: 7\n\ndata: []\n\n", "\u{0}\u{0}\n\n", ":\n\n"] {
        let heard = heard(Answer::Streams(SSE, body.into())).await;
        assert_eq!(heard.code(), "transient", "{body:?}");
    }
    let invalid =
        vec![b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n".to_vec()];
    let error = heard(Answer::Sends(SSE, invalid)).await.error();
    assert!(error.to_string().contains("UTF-8"), "{error}");
    for (provider, kind) in
        [("anthropic", SSE), ("gemini", SSE), ("ollama", NDJSON), ("openai_resp", SSE)]
    {
        for body in ["{]", "data: {]\n\n", "<html></html>\n\n", "null\n"] {
            let (heard, _) = ask(provider, Answer::Streams(kind, body.into()), question()).await;
            assert_eq!(heard.code(), "transient", "{provider} {body:?}");
        }
    }
}

#[tokio::test]
async fn what_comes_after_the_end_is_not_heard() {
    let body = openai_says(&["All."]) + &sse(&[openai_chunk(&json!({"content": " More."}), None)]);
    let heard = heard(Answer::Streams(SSE, body)).await;
    assert_eq!(heard.text, "All.");
    heard.finished();
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(vec![]).await;
    for status in [301, 302, 307, 308] {
        for provider in ["openai", "anthropic", "gemini"] {
            let to = format!("location: {}/v1/\r\n", elsewhere.url);
            let answer = Answer::Fails(status, to.leak(), String::new());
            let (heard, _) = ask(provider, answer, question()).await;
            let error = heard.error();
            assert!(matches!(error, ModelError::Permanent { code: "redirected", .. }), "{error}");
        }
    }
    assert!(elsewhere.asked.lock().is_empty(), "no key goes there");
}

#[tokio::test]
async fn whatever_is_sent_ends_once_and_readably() {
    // Pieces of real streams, torn and mixed by a simple generator.
    let whole = openai_says(&["Hello ", "there."]).into_bytes();
    let server_answers: Vec<Answer> = (0..200_usize)
        .map(|round| {
            let mut bytes = whole.clone();
            for turn in 0..=round % 5 {
                let at = (round * 7919 + turn * 104_729) % bytes.len();
                match (round + turn) % 3 {
                    0 => bytes[at] = u8::try_from(round % 256).unwrap(),
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, b'"'),
                }
            }
            Answer::Sends(SSE, vec![bytes])
        })
        .collect();
    let server = Server::start(server_answers).await;
    let model = model(config("openai", &server.url));
    for _ in 0..200 {
        let heard = hear(&model, question()).await;
        if let Err(error) = heard.end.expect("every answer ends") {
            assert!(error.to_string().chars().count() < 600);
        }
    }
}
