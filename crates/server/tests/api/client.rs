//! A client: what it asks, and what it is answered.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use serde_json::Value;

/// Longer than any answer takes.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub async fn read(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = tokio::time::timeout(PATIENCE, body.collect()).await.expect("an answer ends");
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.expect("an answer is whole").to_bytes(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The JSON of a success.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks that it is a problem of this status and code, in the form of RFC 9457.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("urn:postroom:problem:{code}"));
        for text in ["title", "detail"] {
            assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        if matches!(status, 429 | 503) {
            assert!(self.header("retry-after").is_some());
        }
        problem
    }

    /// As [`problem`](Self::problem), and its detail says this.
    #[track_caller]
    pub fn problem_saying(&self, status: u16, code: &str, words: &str) {
        let problem = self.problem(status, code);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(words), "`{detail}` does not say `{words}`");
    }
}

/// An event stream that is being read.
pub struct Stream {
    pub headers: HeaderMap,
    body: Body,
    buffer: String,
    /// What the server has last said of coming back, in milliseconds.
    pub retry: Option<u64>,
}

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub id: Option<u64>,
    pub event: String,
    pub data: Value,
}

impl Stream {
    #[track_caller]
    pub fn open(response: Response<Body>) -> Self {
        assert_eq!(response.status().as_u16(), 200);
        let (head, body) = response.into_parts();
        assert_eq!(head.headers["content-type"], "text/event-stream");
        Self { headers: head.headers, body, buffer: String::new(), retry: None }
    }

    /// The next frame that is not a comment; `None` once the stream has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        tokio::time::timeout(PATIENCE, self.next_frame()).await.expect("the stream says something")
    }

    /// All frames to its end.
    pub async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    /// Frames up to the first of this type.
    pub async fn until(&mut self, event: &str) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("no {event} in {frames:?}"));
            let found = frame.event == event;
            frames.push(frame);
            if found {
                return frames;
            }
        }
    }

    async fn next_frame(&mut self) -> Option<Frame> {
        loop {
            while let Some(end) = self.buffer.find("\n\n") {
                let text: String = self.buffer.drain(..end + 2).collect();
                if let Some(retry) = text.lines().find_map(|line| line.strip_prefix("retry:")) {
                    self.retry = Some(retry.trim().parse().unwrap());
                }
                if let Some(frame) = parse(&text) {
                    return Some(frame);
                }
            }
            let chunk = self.body.frame().await?.expect("the stream does not break off");
            let bytes = chunk.into_data().unwrap_or_default();
            self.buffer.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

fn parse(text: &str) -> Option<Frame> {
    assert!(!text.contains('\r'), "a frame has no carriage return: {text:?}");
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let value = lines.next().map(str::trim);
        assert!(lines.next().is_none(), "one line of each: {text:?}");
        value
    };
    let data = field("data:")?;
    let frame = Frame {
        id: field("id:").map(|id| id.parse().unwrap()),
        event: field("event:").unwrap().to_owned(),
        data: serde_json::from_str(data).unwrap(),
    };
    assert_eq!(frame.data["type"], frame.event);
    Some(frame)
}

pub fn request(method: Method, uri: String) -> Request<Body> {
    Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
}
