//! Connections that clients keep, and what they may take of the server's time.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant};

use crate::house::House;

const HEAD: &str = "GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n";

/// What comes on the connection until the answer to one request is there, or its end.
async fn answer(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut buffer = [0; 1024];
    while !read.ends_with(b"}") {
        match stream.read(&mut buffer).await.unwrap() {
            0 => break,
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let house = House::open().await;
    let mut stream = TcpStream::connect(house.addr).await.unwrap();
    for _ in 0..3 {
        stream.write_all(format!("{HEAD}\r\n").as_bytes()).await.unwrap();
        let answer = answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
    // The server ends those that are idle as soon as it closes.
    house.closing.cancel();
    assert_eq!(answer(&mut stream).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_comes_to_its_end_is_not_waited_for() {
    let house = House::open().await;
    for begun in ["", HEAD] {
        let mut stream = TcpStream::connect(house.addr).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let since = Instant::now();
        assert_eq!(answer(&mut stream).await, "", "{begun:?}");
        assert!(since.elapsed() < Duration::from_mins(10));
    }
}
