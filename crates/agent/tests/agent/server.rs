//! A provider that answers what the test tells it to, over real HTTP.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One answer.
pub enum Answer {
    /// A stream of this type, whole.
    Streams(&'static str, String),
    /// The beginning of a stream, and then the connection is lost.
    Drops(&'static str, String),
    /// These bytes, each piece sent by itself, and the end.
    Sends(&'static str, Vec<Vec<u8>>),
    /// The beginning of a stream, and then nothing, for ever.
    Stops(&'static str, String),
    /// A beginning, and then this again and again, until the client hangs up.
    Repeats(String, String),
    /// A status, with headers and a body.
    Fails(u16, &'static str, String),
}

/// What was asked.
pub struct Asked {
    pub head: String,
    pub body: Value,
}

pub struct Server {
    pub url: String,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "a test's own server lives as long as the test")]
    pub async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                seen.lock().push(request);
                let answer =
                    answers.lock().pop_front().expect("the server is not asked that often");
                write(&mut stream, answer).await;
            }
        });
        Self { url, asked, task }
    }
}

impl Server {
    /// Says something that is neither HTTP nor TLS.
    #[expect(clippy::disallowed_methods, reason = "a test's own server lives as long as the test")]
    pub async fn start_without_http() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"220 smtp.example.org\r\n").await;
                let mut hello = [0; 4096];
                let _ = stream.read(&mut hello).await;
            }
        });
        Self { url, asked: Arc::default(), task }
    }
}

async fn read(stream: &mut TcpStream) -> Asked {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse().unwrap());
            if bytes.len() >= end + 4 + length {
                let body = serde_json::from_slice(&bytes[end + 4..end + 4 + length]);
                return Asked { head, body: body.unwrap_or_default() };
            }
        }
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the client hung up");
        bytes.extend_from_slice(&buffer[..read]);
    }
}

async fn write(stream: &mut TcpStream, answer: Answer) {
    let text = match answer {
        Answer::Streams(kind, body) => {
            format!("HTTP/1.1 200 OK\r\n{}{}0\r\n\r\n", head(kind), chunked(&body))
        }
        Answer::Drops(kind, body) => format!("HTTP/1.1 200 OK\r\n{}{}", head(kind), chunked(&body)),
        Answer::Sends(kind, pieces) => return send(stream, kind, &pieces).await,
        Answer::Stops(kind, body) => {
            let text = format!("HTTP/1.1 200 OK\r\n{}{}", head(kind), chunked(&body));
            let _ = stream.write_all(text.as_bytes()).await;
            return std::future::pending().await;
        }
        Answer::Repeats(start, piece) => {
            let text =
                format!("HTTP/1.1 200 OK\r\n{}{}", head("text/event-stream"), chunked(&start));
            let _ = stream.write_all(text.as_bytes()).await;
            let piece = format!("{:x}\r\n{piece}\r\n", piece.len());
            while stream.write_all(piece.as_bytes()).await.is_ok() {}
            return;
        }
        Answer::Fails(status, headers, body) => format!(
            "HTTP/1.1 {status} No\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ),
    };
    // The client may have had enough and hung up.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn send(stream: &mut TcpStream, kind: &str, pieces: &[Vec<u8>]) {
    let text = format!("HTTP/1.1 200 OK\r\n{}", head(kind));
    let _ = stream.write_all(text.as_bytes()).await;
    for piece in pieces {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        let _ = stream.write_all(&chunk).await;
        let _ = stream.flush().await;
    }
    let _ = stream.write_all(b"0\r\n\r\n").await;
    let _ = stream.shutdown().await;
}

fn head(kind: &str) -> String {
    format!("content-type: {kind}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
}

/// In small pieces, so that events are torn apart on the way.
fn chunked(body: &str) -> String {
    let pieces = body.as_bytes().chunks(37).map(|piece| {
        // Each piece is sent as it is; the test data are ASCII.
        format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece))
    });
    pieces.collect()
}

/// Server-sent events of these data.
pub fn sse(data: &[Value]) -> String {
    let frames: Vec<String> = data.iter().map(|data| format!("data: {data}\n\n")).collect();
    frames.concat()
}
