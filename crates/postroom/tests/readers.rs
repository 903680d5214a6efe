//! Many readers of event streams at once, most of which do not read.

mod support;

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use support::{Home, Server};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const READERS: usize = 10_000;
/// What one may cost.
const BYTES_MAX: usize = 20_000;
/// Those that are open before the others are measured: what they all share is there then.
const BEFORE: usize = 500;
/// What else is open in a process.
const OTHERS: usize = 500;
/// How many connect at once: fewer than the queue of the listener has room for.
const TOGETHER: usize = 64;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// A reader of a thread, from its head on.
struct Reader(BufReader<TcpStream>);

impl Reader {
    async fn open(address: String, thread: usize) -> Self {
        let mut stream = TcpStream::connect(&address).await.expect("a connection");
        let request = format!(
            "GET /v1/threads/t{thread}/events HTTP/1.1\r\nHost: {address}\r\n\
             Accept: text/event-stream\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("it takes a request");
        let mut reader = Self(BufReader::with_capacity(256, stream));
        assert_eq!(reader.line().await, "HTTP/1.1 200 OK");
        while !reader.line().await.is_empty() {}
        reader
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let reading = self.0.read_line(&mut line);
        tokio::time::timeout(PATIENCE, reading).await.expect("it goes on").expect("a line");
        line.trim_end().to_owned()
    }

    /// Reads on until an event of this type has come.
    async fn until(&mut self, event: &str) {
        while self.line().await != format!("event: {event}") {}
    }
}

async fn open(address: &str, readers: std::ops::Range<usize>) -> Vec<Reader> {
    let mut opening = JoinSet::new();
    let mut opened = Vec::with_capacity(readers.len());
    for reader in readers {
        if opening.len() == TOGETHER {
            opened.extend(opening.join_next().await.map(|reader| reader.expect("a reader")));
        }
        opening.spawn(Reader::open(address.to_owned(), reader % 100));
    }
    opened.extend(opening.join_all().await);
    opened
}

/// The memory that a process holds, in bytes.
fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let kib: usize = line.trim_end_matches("kB").trim().parse().expect("a number");
    kib * 1024
}

/// As many readers as may be: each is an open file, here and in the server, which has its limit from
/// here. What one costs does not depend on how many there are.
fn as_many_as_may_be() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let allowed = maximum.map_or(usize::MAX, |maximum| maximum.try_into().unwrap_or(usize::MAX));
    let readers = READERS.min(allowed.saturating_sub(BEFORE + OTHERS));
    assert!(readers >= 1_000, "{allowed} open files are allowed (ulimit -Hn): allow more");
    let current = u64::try_from(readers + BEFORE + OTHERS).expect("few");
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum }).expect("it is allowed");
    readers
}

fn address(server: &Server) -> String {
    server.url.trim_start_matches("http://").to_owned()
}

#[tokio::test]
async fn many_readers_cost_little_each_and_one_that_stops_reading_costs_nobody_else() {
    let readers = as_many_as_may_be();
    let home = Home::new();
    let server = home.serve(&[]).await;
    for thread in 0..100 {
        server.post("/v1/threads", &json!({"thread_id": format!("t{thread}")})).await;
    }
    let address = address(&server);
    let _first = open(&address, 0..BEFORE).await;
    let before = resident(server.pid());
    let silent = open(&address, 0..readers).await;
    let each = resident(server.pid()).saturating_sub(before) / readers;
    println!("{} readers: {each} bytes of resident memory each", silent.len());
    assert!(each < BYTES_MAX, "{each} bytes a reader");

    // None of them reads any more, and one that comes now misses nothing.
    let mut reader = Reader::open(address, 7).await;
    for _ in 0..20 {
        server.submit("t7", "say something").await;
        reader.until("run_finished").await;
    }
}
