//! `http_fetch`, against servers on this machine.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use postroom_agent::invoke::Output;
use postroom_agent::tool::Tool;
use postroom_agent::tools::{HttpFetch, HttpFetchConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::invoke::{called, error};

/// Answers each request with what `answer` makes of its head and body.
struct Server {
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a server does with a request.
enum Answer {
    Whole(Vec<u8>),
    /// These bytes, again and again, until the client has enough.
    Endless(&'static str, Vec<u8>),
    /// The head, and then nothing.
    Stalls(&'static str),
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "a test's own server lives as long as the test")]
    async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                serve(stream, answer(&request)).await;
            }
        });
        Self { port, task }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, length)| length.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the client hung up");
        bytes.extend_from_slice(&buffer[..read]);
    }
}

async fn serve(mut stream: TcpStream, answer: Answer) {
    // The client may have had enough and hung up.
    match answer {
        Answer::Whole(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Answer::Endless(head, part) => {
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&part).await.is_ok() {}
        }
        Answer::Stalls(head) => {
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.read(&mut [0; 1]).await;
        }
    }
}

fn ok(kind: &str, body: &[u8]) -> Answer {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\ncontent-type: {kind}\r\n\r\n"
    );
    Answer::Whole([head.as_bytes(), body].concat())
}

fn redirect(location: &str) -> Answer {
    let head = format!(
        "HTTP/1.1 302 Found\r\nconnection: close\r\ncontent-length: 0\r\nlocation: {location}\r\n\r\n"
    );
    Answer::Whole(head.into_bytes())
}

fn config(more: &Value) -> HttpFetchConfig {
    let mut config = json!({"allow_private": ["127.0.0.1"]});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

async fn fetch(more: Value, arguments: Value) -> Output {
    called(HttpFetch::new(config(&more)).unwrap(), arguments).await
}

#[tokio::test]
async fn text_is_fetched() {
    let server = Server::start(|request| {
        assert!(!request.to_lowercase().contains("postroom-fence"));
        let path = request.split(' ').nth(1).unwrap();
        match path {
            "/latin" => ok("text/html; charset=ISO-8859-1", b"caf\xe9"),
            "/json" => ok("application/problem+json", br#"{"a":1}"#),
            "/image" => ok("image/png", b"\x89PNG"),
            "/secret" => ok("", b"\0\x01\x02"),
            _ => {
                Answer::Whole(b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 4\r\n\r\nno\xc3\xa9".into())
            }
        }
    })
    .await;
    let output = fetch(json!({}), json!({"url": server.url("/latin")})).await;
    assert_eq!(output.value["text"], "café");
    assert_eq!(output.value["status"], 200);
    assert_eq!(output.value["url"], server.url("/latin"));
    assert_eq!(
        fetch(json!({}), json!({"url": server.url("/json")})).await.value["text"],
        "{\"a\":1}"
    );
    let output = fetch(json!({}), json!({"url": server.url("/lost")})).await;
    assert_eq!((&output.value["status"], &output.value["text"]), (&json!(404), &json!("noé")));
    let output = fetch(json!({}), json!({"url": server.url("/image")})).await;
    assert!(error(&output).contains("not text but image/png, 4 bytes"));
    let output = fetch(json!({}), json!({"url": server.url("/secret")})).await;
    assert!(error(&output).contains("not text"), "{output:?}");
    let output = fetch(json!({}), json!({"url": server.url("/json"), "method": "HEAD"})).await;
    assert_eq!(output.value["content_length"], 7);
    assert_eq!(output.value.get("text"), None);
}

#[tokio::test]
async fn private_places_are_refused() {
    // Nobody may be asked: the server would end the test.
    let server = Server::start(|_| panic!("the request was sent")).await;
    let port = server.port;
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        // A name that leads to this machine.
        format!("http://localhost:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ];
    for url in urls {
        let tool = HttpFetch::new(HttpFetchConfig::default()).unwrap();
        let output = called(tool, json!({"url": url})).await;
        assert!(error(&output).contains("private address, which may not"), "{output:?}");
    }
    for (url, expected) in [
        ("http://ada:secret@example.org/", "user name or password"),
        ("file:///etc/passwd", "http:// or https://"),
        ("example.org", "give a whole URL"),
    ] {
        let tool = HttpFetch::new(HttpFetchConfig::default()).unwrap();
        let output = called(tool, json!({"url": url})).await;
        assert!(error(&output).contains(expected), "{output:?}");
        assert!(!error(&output).contains("secret"));
    }
    assert!(!server.task.is_finished());
}

#[tokio::test]
async fn a_host_that_is_allowed_by_name_is_reached() {
    let server = Server::start(|_| ok("text/plain", b"hello")).await;
    let config = json!({"allow_private": ["LOCALHOST"]});
    let tool = HttpFetch::new(serde_json::from_value(config).unwrap()).unwrap();
    let url = format!("http://localhost:{}/", server.port);
    assert_eq!(called(tool, json!({"url": url})).await.value["text"], "hello");
}

#[tokio::test]
async fn every_redirect_is_checked() {
    let server = Server::start(|request| {
        let path = request.split(' ').nth(1).unwrap();
        match path {
            "/1" => redirect("/2"),
            "/2" => redirect("three"),
            "/three" => ok("text/plain", b"here"),
            "/address" => redirect("http://127.0.0.2/"),
            "/metadata" => redirect("http://169.254.169.254/"),
            "/file" => redirect("file:///etc/passwd"),
            _ => redirect("/round"),
        }
    })
    .await;
    let output = fetch(json!({}), json!({"url": server.url("/1")})).await;
    assert_eq!(output.value["text"], "here");
    assert_eq!(output.value["url"], server.url("/three"));
    for (path, expected) in [
        ("/address", "private address"),
        ("/metadata", "private address"),
        ("/file", "http:// or https://"),
        ("/round", "more than 5 redirects"),
    ] {
        let output = fetch(json!({}), json!({"url": server.url(path)})).await;
        assert!(error(&output).contains(expected), "{path}: {output:?}");
    }
}

#[tokio::test]
async fn giant_bodies_are_cut() {
    let server = Server::start(|request| {
        if request.contains("/bomb") {
            let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
            bomb.write_all(&vec![b'a'; 50_000_000]).unwrap();
            let bomb = bomb.finish().unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\
                 content-type: text/plain\r\ncontent-encoding: gzip\r\n\r\n",
                bomb.len()
            );
            return Answer::Whole([head.as_bytes(), &bomb].concat());
        }
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/plain\r\n\r\n";
        Answer::Endless(head, vec![b'a'; 10_000])
    })
    .await;
    for path in ["/endless", "/bomb"] {
        let output = fetch(json!({"max_bytes": 20_000}), json!({"url": server.url(path)})).await;
        assert_eq!(output.value["text"].as_str().unwrap().len(), 20_000, "{path}");
        assert_eq!(output.value["truncated"], true);
    }
}

#[tokio::test]
async fn slow_servers_are_not_waited_for() {
    let server = Server::start(|request| {
        if request.contains("/body") {
            return Answer::Stalls(
                "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncontent-type: text/plain\r\n\r\nhalf",
            );
        }
        Answer::Stalls("")
    })
    .await;
    for path in ["/body", "/head"] {
        let patient = fetch(json!({"timeout_ms": 100}), json!({"url": server.url(path)}));
        let output = tokio::time::timeout(Duration::from_secs(30), patient).await.unwrap();
        assert!(error(&output).contains("within 100 ms"), "{output:?}");
    }
}

#[tokio::test]
async fn what_changes_something_carries_its_call_and_fence() {
    let server = Server::start(|request| {
        if request.contains("/moved") {
            return redirect("/");
        }
        ok("text/plain", request.to_lowercase().as_bytes())
    })
    .await;
    let output = fetch(json!({}), json!({"url": server.url("/"), "method": "POST"})).await;
    assert!(error(&output).contains("method: \"POST\" is not one of"), "{output:?}");

    let posts = json!({"methods": ["GET", "POST"]});
    let arguments = json!({"url": server.url("/"), "method": "POST", "body": "{\"a\":1}"});
    let output = fetch(posts.clone(), arguments).await;
    let sent = output.value["text"].as_str().unwrap();
    for part in [
        "post / http/1.1",
        "idempotency-key: run/c1\r\n",
        "postroom-fence: 7\r\n",
        "content-type: application/json\r\n",
        "{\"a\":1}",
    ] {
        assert!(sent.contains(part), "{sent}");
    }
    // It would be done somewhere else: that is said, not done.
    let arguments = json!({"url": server.url("/moved"), "method": "POST"});
    let output = fetch(posts.clone(), arguments).await;
    assert_eq!((&output.value["status"], &output.value["location"]), (&json!(302), &json!("/")));
    let arguments = json!({"url": server.url("/"), "body": "x"});
    assert!(error(&fetch(posts.clone(), arguments).await).contains("body: the method has none"));

    assert!(!HttpFetch::new(config(&posts)).unwrap().repeatable());
    assert!(HttpFetch::new(config(&json!({}))).unwrap().repeatable());
}

#[test]
fn unknown_settings_are_refused() {
    for bad in
        [json!({"timeout": 1}), json!({"methods": ["BREW"]}), json!({"allow_private": ["a b"]})]
    {
        assert!(serde_json::from_value::<HttpFetchConfig>(bad).is_err());
    }
}
