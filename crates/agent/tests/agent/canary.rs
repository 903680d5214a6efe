//! A key that must not be seen anywhere.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use postroom_agent::AgentRegistry;
use postroom_core::ports::RunOutcome;
use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::ask::{config, named};
use crate::fake::{Fake, FixedClock, agent, env, executor, one_agent};
use crate::providers::{KEY, NDJSON, SSE, openai, openai_chunk};
use crate::server::{Answer, Server, sse};

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Providers that repeat the key in every place where they can.
fn echoes() -> Vec<(&'static str, Answer)> {
    let error = |status: u16| {
        let headers: &'static str = "x-echo: sk-very-secret\r\nretry-after: 3600\r\n";
        let body =
            json!({"error": {"message": format!("bad key {KEY}"), "type": KEY, "code": KEY}});
        Answer::Fails(status, headers, body.to_string())
    };
    let text = openai(&[
        openai_chunk(&json!({"content": format!("Your key is {KEY}.")}), None),
        openai_chunk(&json!({"reasoning_content": "I know sk-very-"}), None),
        openai_chunk(&json!({"reasoning_content": "secret."}), None),
        openai_chunk(&json!({"content": " Again: sk-ve"}), None),
        openai_chunk(&json!({"content": "ry-secret."}), None),
        openai_chunk(&json!({}), Some("stop")),
    ]);
    let call = json!({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function":
        {"name": "clock", "arguments": format!("{{\"utc_offset\": \"{KEY}\"}}")}}]});
    let call = openai(&[openai_chunk(&call, None), openai_chunk(&json!({}), Some("tool_calls"))]);
    let broken_off = sse(&[json!({"error": {"message": format!("no {KEY}"), "type": "x"}})]);
    vec![
        ("openai", error(400)),
        ("openai", error(401)),
        ("openai", error(429)),
        ("openai", error(500)),
        ("openai", Answer::Fails(502, "", format!("<html>{KEY}</html>"))),
        ("openai", Answer::Streams(SSE, text)),
        ("openai", Answer::Streams(SSE, call)),
        ("openai", Answer::Streams(SSE, broken_off)),
        ("openai", Answer::Streams(SSE, format!("data: {{broken {KEY}\n\n"))),
        ("openai", Answer::Streams("text/html", KEY.to_owned())),
        ("anthropic", error(401)),
        (
            "anthropic",
            Answer::Streams(
                SSE,
                named(&json!({"type": "error", "error": {"type": "x", "message": KEY}})),
            ),
        ),
        ("gemini", error(403)),
        ("gemini", Answer::Streams(SSE, sse(&[json!({"error": {"message": KEY}})]))),
        ("ollama", error(400)),
        ("ollama", Answer::Streams(NDJSON, format!("{{broken {KEY}\n"))),
        ("openai_resp", error(401)),
        (
            "openai_resp",
            Answer::Streams(
                SSE,
                named(&json!({"type": "response.failed", "response": {"id": "r", "model": "m",
                    "status": "failed", "error": {"code": "x", "message": KEY}}})),
            ),
        ),
    ]
}

#[tokio::test]
async fn a_key_is_seen_nowhere() {
    let log = Log::default();
    // All but the client's own lines, which hold what providers send: the binary keeps none.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("trace,genai=off"))
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::trace!("all is kept");
    for (at, (provider, answer)) in echoes().into_iter().enumerate() {
        let last = Answer::Fails(500, "", String::new());
        let server = Server::start(vec![answer, last]).await;
        let registry = AgentRegistry::builder(env(&[("TEST_KEY", KEY)]), Arc::new(FixedClock))
            .models(BTreeMap::from([("m".to_owned(), config(provider, &server.url))]))
            .agents(one_agent(agent("m", &["clock"])))
            .build()
            .unwrap();
        let fake = Fake::new(&["hi"]);
        let outcome: RunOutcome = fake.execute(&executor(registry)).await;
        let head = server.asked.lock()[0].head.clone();
        assert!(provider == "ollama" || head.contains(KEY), "it was sent: {head}");
        let seen = format!(
            "{outcome:?}{:?}{:?}{:?}",
            fake.events.lock(),
            fake.log.lock(),
            fake.run.lock(),
        );
        assert!(!seen.contains(KEY), "{provider} {at}: {seen}");
    }
    let log = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(log.contains("all is kept"));
    let line = log.lines().find(|line| line.contains(KEY));
    assert_eq!(line, None);
}
