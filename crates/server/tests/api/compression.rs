//! Compressed answers.

use std::io::Read;

use axum::http::Method;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::client::request;
use crate::house::{House, with};

/// A long answer is compressed for who accepts it, and is the same underneath.
#[tokio::test]
async fn a_long_answer_is_compressed_for_who_accepts_it() {
    let house = House::open().await;
    let plain = house.get("/v1/openapi.json").await;
    assert_eq!(plain.header("content-encoding"), None);
    let asked = request(Method::GET, house.url("/v1/openapi.json"));
    let packed = house.send(with(asked, "accept-encoding", "br, gzip")).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.header("vary").is_some_and(|vary| vary.contains("accept-encoding")));
    assert!(packed.body.len() * 4 < plain.body.len(), "{} bytes", packed.body.len());
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}

#[tokio::test]
async fn neither_a_short_answer_nor_a_stream_is() {
    let house = House::open().await;
    let asked = request(Method::GET, house.url("/health/live"));
    let short = house.send(with(asked, "accept-encoding", "gzip")).await;
    assert_eq!(short.header("content-encoding"), None);
    let body: Value = json!({"messages": "x"});
    house.post("/v1/threads/t/runs", &body).await.ok(202);
    let asked = with(
        request(Method::GET, house.url("/v1/threads/t/events?after=0")),
        "accept",
        "text/event-stream",
    );
    let stream = house.answer(with(asked, "accept-encoding", "gzip")).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert!(!stream.headers().contains_key("content-encoding"));
}
