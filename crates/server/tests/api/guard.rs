//! Foreign web pages are kept out.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Reply, request};
use crate::house::{House, with};

/// The status that a request with these headers is answered.
async fn status(house: &House, headers: &str) -> u16 {
    let mut stream = TcpStream::connect(house.addr).await.unwrap();
    let text = format!("GET /health/live HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn only_a_host_that_names_this_machine_is_answered() {
    let house = House::open().await;
    for host in [
        "127.0.0.1",
        "127.0.0.1:8321",
        "localhost:1",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "[::1]:80",
    ] {
        assert_eq!(status(&house, &format!("Host: {host}\r\n")).await, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "127.0.0.1.evil.example",
        "[::2]",
        "",
    ] {
        assert_eq!(status(&house, &format!("Host: {host}\r\n")).await, 403, "{host}");
    }
    let foreign = with(request(Method::GET, house.url("/health/live")), "host", "evil.example");
    house.send(foreign).await.problem(403, "host_not_allowed");
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let house = House::open().await;
    house.post("/v1/threads", &json!({"thread_id": "t"})).await.ok(201);
    let from = async |origin: &str| {
        let poke = request(Method::POST, house.url("/v1/threads/t/interrupt"));
        house.send(with(poke, "origin", origin)).await
    };
    for origin in ["https://evil.example", "null", "http://localhost:1", ""] {
        from(origin).await.problem(403, "origin_not_allowed");
    }
    assert_eq!(house.get("/v1/threads/t").await.ok(200)["dispatch_epoch"], 0);
    from(&format!("http://{}", house.addr)).await.ok(200);
}

/// What a browser asks before a page may send something.
fn preflight(house: &House, origin: &str) -> Request<Body> {
    let asks = request(Method::OPTIONS, house.url("/v1/threads"));
    let asks = with(asks, "access-control-request-method", "POST");
    with(with(asks, "access-control-request-headers", "authorization"), "origin", origin)
}

#[tokio::test]
async fn a_page_calls_from_where_the_server_was_told_of_and_from_nowhere_else() {
    let house = House::called_from("https://app.example.com").await;
    let allowed = |reply: &Reply| reply.headers.get("access-control-allow-origin").cloned();
    let from = async |origin: &str| {
        house.send(with(request(Method::GET, house.url("/v1/threads")), "origin", origin)).await
    };
    let asked = house.send(preflight(&house, "https://app.example.com")).await;
    assert_eq!(
        (asked.status, allowed(&asked).unwrap()),
        (200, "https://app.example.com".parse().unwrap())
    );
    let methods = asked.headers["access-control-allow-methods"].to_str().unwrap();
    assert!(methods.contains("POST") && methods.contains("DELETE"), "{methods}");
    let answered = from("https://app.example.com").await;
    assert_eq!((answered.status, allowed(&answered).is_some()), (200, true));
    assert!(!answered.headers.contains_key("access-control-allow-credentials"));

    for origin in ["https://evil.example", "http://app.example.com", "https://app.example.com:444"]
    {
        assert_eq!(allowed(&house.send(preflight(&house, origin)).await), None, "{origin}");
        let refused = from(origin).await;
        assert_eq!(allowed(&refused), None, "{origin}");
        refused.problem(403, "origin_not_allowed");
    }
}

#[tokio::test]
async fn a_server_that_was_told_of_no_origin_says_nothing_to_any() {
    let house = House::open().await;
    let asked = house.send(preflight(&house, "https://app.example.com")).await;
    assert_eq!(asked.status, 403);
    assert!(asked.headers.keys().all(|name| !name.as_str().starts_with("access-control-")));
}
