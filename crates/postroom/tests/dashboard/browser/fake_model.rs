//! A model that asks the user a question, and then says what it was answered: it speaks OpenAI's API.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub struct FakeModel {
    pub url: String,
    /// Dropped, it ends.
    _server: JoinSet<()>,
}

impl FakeModel {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/chat/completions", post(answer));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, _server: server }
    }

    /// An agent on this model.
    pub fn config(&self) -> String {
        format!(
            "[models.fake]\nprovider = \"openai\"\nmodel = \"gpt-4o\"\nbase_url = \"{}\"\n\
             api_key_file = \"key\"\n\n[agents.default]\nmodel = \"fake\"\ntools = [\"ask_user\"]\n",
            self.url
        )
    }
}

async fn answer(body: String) -> impl IntoResponse {
    let asked: Value = serde_json::from_str(&body).unwrap();
    let last = asked["messages"].as_array().unwrap().last().unwrap();
    let delta = if last["role"] == "tool" {
        json!({"content": format!("You chose: {}", last["content"].as_str().unwrap_or_default())})
    } else {
        let question = json!({"question": "Which colour shall it be?", "options": ["red", "blue"]});
        json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
            "function": {"name": "ask_user", "arguments": question.to_string()}}]})
    };
    let finish = if last["role"] == "tool" { "stop" } else { "tool_calls" };
    let chunks = [chunk(&delta, None), chunk(&json!({}), Some(finish))];
    let [first, last] = chunks;
    let frames = format!("data: {first}\n\ndata: {last}\n\ndata: [DONE]\n\n");
    ([("content-type", "text/event-stream")], frames)
}

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "x", "object": "chat.completion.chunk", "model": "fake",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}
