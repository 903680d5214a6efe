//! A model that asks the user, and then says what it was told.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// It speaks the chat completions of OpenAI.
pub struct Asking {
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Asking {
    /// Asks with these arguments of `ask_user`.
    #[expect(clippy::disallowed_methods, reason = "a test's own server lives as long as the test")]
    pub async fn start(arguments: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let asked = read(&mut stream).await;
                let told = told(&asked);
                let chunks = match told {
                    Some(told) => says(&format!("It was told: {told}")),
                    None => calls("ask_user", &arguments),
                };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{chunks}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, task }
    }
}

/// The result of the call, if the conversation has it.
fn told(asked: &Value) -> Option<String> {
    let last = asked["messages"].as_array()?.last()?;
    let text = last["content"].as_str()?;
    (last["role"] == "tool").then(|| text.trim_matches('"').to_owned())
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let chunk =
        json!({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]});
    format!("data: {chunk}\n\n")
}

fn says(text: &str) -> String {
    let delta = json!({"role": "assistant", "content": text});
    format!("{}{}data: [DONE]\n\n", chunk(&delta, None), chunk(&json!({}), Some("stop")))
}

fn calls(tool: &str, arguments: &Value) -> String {
    let function = json!({"name": tool, "arguments": arguments.to_string()});
    let call = json!({"index": 0, "id": "call_1", "type": "function", "function": function});
    let delta = json!({"role": "assistant", "tool_calls": [call]});
    format!("{}{}data: [DONE]\n\n", chunk(&delta, None), chunk(&json!({}), Some("tool_calls")))
}

/// Reads a request to the end of its body.
async fn read(stream: &mut TcpStream) -> Value {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
            });
            let length = length.and_then(Result::ok).unwrap_or(0);
            if body.len() >= length {
                return serde_json::from_str(body).unwrap_or_default();
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return Value::Null;
        }
    }
}
