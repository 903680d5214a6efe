//! Asking a provider's model directly.

use std::sync::Arc;

use futures::StreamExt;
use postroom_agent::model::{Finished, Model, ModelError, ModelEvent, ModelRequest, ToolSpec};
use postroom_agent::{AgentRegistry, ModelConfig};
use postroom_core::id::MessageId;
use postroom_core::message::{Message, NewMessage, Role, ToolCall};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fake::{FixedClock, env, one_model};
use crate::providers::KEY;
use crate::server::{Answer, Asked, Server};

/// How a model of `provider` at `url` is configured.
pub fn config(provider: &str, url: &str) -> ModelConfig {
    ModelConfig {
        provider: provider.into(),
        model: Some("test-model".into()),
        base_url: Some(url.into()),
        api_key_env: Some("TEST_KEY".into()),
        ..ModelConfig::default()
    }
}

pub fn model(config: ModelConfig) -> Arc<dyn Model> {
    let registry = AgentRegistry::builder(env(&[("TEST_KEY", KEY)]), Arc::new(FixedClock))
        .models(one_model("m", config))
        .build()
        .unwrap();
    registry.model("m").unwrap()
}

pub fn says(role: Role, text: &str) -> Arc<Message> {
    Arc::new(NewMessage::text(role, text).named(|| MessageId::from(Uuid::nil())))
}

pub fn question() -> ModelRequest {
    ModelRequest { messages: vec![says(Role::User, "hi")], attempt: 1, ..ModelRequest::default() }
}

pub fn tool(name: &str) -> ToolSpec {
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}});
    ToolSpec { name: name.into(), description: format!("What {name} does."), schema }
}

/// What a model said, and how it ended.
#[derive(Debug, Default)]
pub struct Heard {
    pub text: String,
    pub thought: String,
    pub calls: Vec<ToolCall>,
    pub events: Vec<ModelEvent>,
    pub end: Option<Result<Finished, ModelError>>,
}

impl Heard {
    pub fn finished(self) -> Finished {
        self.end.expect("it ends").expect("it ends well")
    }

    pub fn error(self) -> ModelError {
        self.end.expect("it ends").expect_err("it fails")
    }

    pub fn code(self) -> &'static str {
        match self.error() {
            ModelError::Permanent { code, .. } => code,
            ModelError::Transient { .. } => "transient",
        }
    }
}

pub async fn hear(model: &Arc<dyn Model>, request: ModelRequest) -> Heard {
    let mut heard = Heard::default();
    let mut stream = match model.stream(request).await {
        Ok(stream) => stream,
        Err(error) => return Heard { end: Some(Err(error)), ..heard },
    };
    while let Some(event) = stream.next().await {
        assert!(heard.end.is_none(), "nothing comes after the end: {event:?}");
        match event {
            Ok(ModelEvent::Finished(finished)) => heard.end = Some(Ok(finished)),
            Err(error) => heard.end = Some(Err(error)),
            Ok(event) => {
                match &event {
                    ModelEvent::TextDelta(text) => heard.text.push_str(text),
                    ModelEvent::ReasoningDelta(text) => heard.thought.push_str(text),
                    ModelEvent::ToolCallReady(call) => heard.calls.push(call.clone()),
                    _ => {}
                }
                heard.events.push(event);
            }
        }
    }
    heard
}

/// Asks `provider`, which gives this answer; what it was asked, too.
pub async fn ask(provider: &str, answer: Answer, request: ModelRequest) -> (Heard, Asked) {
    let server = Server::start(vec![answer]).await;
    let heard = hear(&model(config(provider, &server.url)), request).await;
    let asked = server.asked.lock().pop().expect("it was asked");
    (heard, asked)
}

/// An event of `OpenAI`'s responses or of Anthropic, which name it twice.
pub fn named(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}
