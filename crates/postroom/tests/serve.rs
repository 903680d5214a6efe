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

const BEFORE: &str = r#"
[models.demo]
provider = "demo"
[agents.default]
model = "demo"
tools = ["clock", "demo_action"]
approval = { patience_ms = 0 }
"#;

#[tokio::test]
async fn changed_agents_are_taken_up_and_a_broken_file_is_not() {
    let home = Home::with_config(BEFORE);
    let server = home.serve(&[]).await;
    let waiting = server.submit("t", "approval, please").await;
    let waiting = format!("/v1/runs/{waiting}");
    let run = server.until(&waiting, |run| run["status"] == "waiting").await;
    let ticket = run["waiting"]["tickets"][0]["tool_call_id"].as_str().unwrap().to_owned();
    let version = run["agent_version"].clone();
    assert!(version.is_string(), "{run:#}");

    // Without being told.
    let after = BEFORE.replace("patience_ms", "on_timeout = \"approve\", patience_ms");
    let after = format!("{after}\n[agents.second]\nmodel = \"demo\"\n");
    std::fs::write(home.path("postroom.toml"), &after).unwrap();
    let agents = server
        .until("/v1/agents", |agents| agents["items"].as_array().is_some_and(|all| all.len() == 2))
        .await;
    assert_eq!(agents["items"][1]["agent_id"], "second", "{agents:#}");

    // What it says now is refused, and told so at once when asked.
    std::fs::write(home.path("postroom.toml"), format!("{after}\n[agents.third]\nmodle = 1\n"))
        .unwrap();
    server.signal("HUP").await;
    let refused = async {
        while !home.log().contains("is not taken up") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(support::DEADLINE, refused).await.expect("the broken file is noticed");
    assert!(home.log().contains("modle"), "{}", home.log());
    let agents = server.get("/v1/agents").await;
    assert_eq!(agents["items"].as_array().unwrap().len(), 2, "{agents:#}");

    // A run that waited goes on as it began, a new one begins with what is in force.
    let run_id = run["run_id"].as_str().unwrap();
    home.client(&server, &["runs", "decide", run_id, &ticket, "--approve"]).await.ok();
    let run = server.until(&waiting, |run| run["status"] == "done").await;
    assert_eq!(run["agent_version"], version, "{run:#}");
    assert_eq!(run["termination"]["type"], "natural_end", "{run:#}");
    let next = format!("/v1/runs/{}", server.submit("t2", "hello").await);
    let next = server.until(&next, |run| run["status"] == "done").await;
    assert_ne!(next["agent_version"], version, "{next:#}");
}

#[tokio::test]
async fn a_client_executes_the_tools_that_it_declares() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let http = support::http();
    let post = async |path: &str, body: serde_json::Value| {
        let request = http.post(format!("{}{path}", server.url));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<serde_json::Value>(&answer.text().await.unwrap()).unwrap())
    };
    let open = json!({"name": "open_page", "description": "Opens a page.", "parameters": {
        "type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]}});
    let body = json!({"messages": "call open_page {\"url\": \"https://example.org\"}",
        "frontend_tools": [open]});
    let (status, run) = post("/v1/threads/t/runs?wait=true", body).await;
    assert_eq!((status, &run["status"]), (200, &json!("waiting")), "{run:#}");
    assert_eq!(run["waiting"]["reason"], "external_event", "{run:#}");
    let ticket = &run["waiting"]["tickets"][0];
    assert_eq!(ticket["tool_name"], "open_page", "{run:#}");
    assert_eq!(ticket["arguments"]["url"], "https://example.org", "{run:#}");

    let run_id = run["run_id"].as_str().unwrap();
    let decision = json!([{"tool_call_id": ticket["tool_call_id"], "action": "resume",
        "result": {"title": "Example Domain"}}]);
    let (status, answer) = post(&format!("/v1/runs/{run_id}/decisions"), decision).await;
    assert_eq!(status, 202, "{answer:#}");
    let run = server.until(&format!("/v1/runs/{run_id}"), |run| run["status"] == "done").await;
    assert!(run["output"].as_str().unwrap().contains("Example Domain"), "{run:#}");

    let body = json!({"messages": "hello", "frontend_tools": [{"description": "nameless"}]});
    let (status, run) = post("/v1/threads/t/runs?wait=true", body).await;
    assert_eq!(status, 200, "{run:#}");
    assert_eq!(run["termination"]["type"], "error", "{run:#}");
    assert!(run["error"].as_str().unwrap().contains("frontend_tools[0]"), "{run:#}");
}
