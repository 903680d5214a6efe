//! The server's life: starting, refusing to, draining, ending.

mod support;

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use support::{Home, finish};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

#[tokio::test]
async fn a_second_server_on_the_same_database_is_refused() {
    let home = Home::new();
    let server = home.serve(&[]).await;
    let line = home.run(&["serve", "--listen", "127.0.0.1:0"]).await.failed(1);
    assert!(line.contains("postroom.db is in use by another process"), "{line}");
    let line = home.run(&["migrate"]).await.failed(1);
    assert!(line.contains("in use"), "{line}");

    let taken = server.url.trim_start_matches("http://");
    let line = home.run(&["serve", "--listen", taken, "--store", "memory:"]).await.failed(1);
    assert!(line.contains("is taken") && line.contains("--listen"), "{line}");
}

#[tokio::test]
async fn without_a_command_it_serves() {
    let home = Home::new();
    let mut command = home.command(&["--listen", "127.0.0.1:0", "--store", "memory:"]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = String::new();
    while !last.starts_with("Postroom ") {
        let next = timeout(support::DEADLINE, lines.next_line()).await.unwrap().unwrap();
        last = next.expect("it ended before it was ready");
    }
    assert!(last.contains(" is ready: http://127.0.0.1:"), "{last}");
}

#[tokio::test]
async fn sigterm_lets_runs_finish_and_takes_nothing_new() {
    let home = Home::new();
    let mut server = home.serve(&[]).await;
    let run = server.submit("t", "slow 2").await;
    server.until(&format!("/v1/runs/{run}"), |run| run["status"] == "running").await;
    server.signal("TERM").await;

    let client = support::http();
    let refused = async {
        loop {
            let request = client
                .post(format!("{}/v1/threads/other/runs", server.url))
                .header("content-type", "application/json")
                .body(json!({"messages": "hello"}).to_string());
            let answer = request.send().await.unwrap();
            // The signal may not have arrived yet.
            if answer.status() != 202 {
                return answer.status().as_u16();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(timeout(support::DEADLINE, refused).await.unwrap(), 503);
    assert_eq!(server.exit().await, Some(0), "{}", home.log());

    let server = home.serve(&[]).await;
    let run = server.get(&format!("/v1/runs/{run}")).await;
    assert_eq!(run["termination"]["type"], "natural_end", "{run:#}");
    assert_eq!(run["attempt"], 1, "it was finished, not repeated");
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_handed_back() {
    let home = Home::new();
    let mut server = home.serve(&["--set", "limits.drain_ms=100"]).await;
    let run = server.submit("t", "slow 2").await;
    server.until(&format!("/v1/runs/{run}"), |run| run["status"] == "running").await;
    server.signal("INT").await;
    assert_eq!(server.exit().await, Some(0), "{}", home.log());

    let server = home.serve(&[]).await;
    let run = server.until(&format!("/v1/runs/{run}"), |run| run["status"] == "done").await;
    assert_eq!(run["termination"]["type"], "natural_end", "{run:#}");
    let dispatches = server.get("/v1/threads/t/dispatches").await;
    assert_eq!(dispatches["items"][0]["attempt_count"], 0, "no attempt is lost: {dispatches:#}");
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let home = Home::new();
        let mut server = home.serve(&[]).await;
        let run = server.submit("t", "slow 60").await;
        server.until(&format!("/v1/runs/{run}"), |run| run["status"] == "running").await;
        server.signal(signal).await;
        let system = async {
            while !home.log().contains("draining") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(support::DEADLINE, system).await.unwrap();
        server.signal(signal).await;
        assert_eq!(server.exit().await, Some(code), "{}", home.log());
    }
}

#[tokio::test]
async fn secrets_are_not_logged() {
    let home = Home::new();
    let mut command =
        home.command(&["serve", "--listen", "127.0.0.1:0", "--store", "bogus://u:hunter2@h"]);
    command.env("OPENAI_API_KEY", "sk-secret").env("RUST_LOG", "trace");
    let said = finish(command).await;
    assert!(!said.stderr.contains("hunter2") && !said.stderr.contains("sk-secret"), "{said:?}");
}
