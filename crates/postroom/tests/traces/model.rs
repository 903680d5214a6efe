//! A model's server that wants a key, and repeats it when it does not like it.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// It speaks the chat completions of OpenAI, and refuses all.
pub struct Refusing {
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Refusing {
    #[expect(clippy::disallowed_methods, reason = "a test's own server lives as long as the test")]
    pub async fn start() -> Self {
        let router = Router::new().route("/v1/chat/completions", post(refuse));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, task }
    }
}

async fn refuse(headers: HeaderMap) -> (StatusCode, String) {
    let key = headers["authorization"].to_str().unwrap();
    let body = serde_json::json!({"error": {
        "message": format!("Incorrect API key provided: {key}"),
        "type": "invalid_request_error",
        "code": "invalid_api_key",
    }});
    (StatusCode::UNAUTHORIZED, body.to_string())
}
