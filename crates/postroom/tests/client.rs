//! The client's commands against a server on the demo model.

mod support;

use std::process::Stdio;
use std::time::Duration;

use support::{DEADLINE, Home, Said, Server, finish, finish_with_input};
use tokio::time::timeout;

async fn home_and_server() -> (Home, Server) {
    let home =
        Home::with_config("[mailbox]\ndefault_retry_delay_ms = 10\ndefault_max_attempts = 2\n");
    let server = home.serve(&[]).await;
    (home, server)
}

/// The ids that `send` tells on standard error.
fn ids(said: &Said) -> (String, String) {
    let line = said.stderr.lines().find(|line| line.starts_with("thread ")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    (words[1].to_owned(), words[3].to_owned())
}

#[tokio::test]
async fn send_streams_the_answer_and_the_thread_goes_on() {
    let (home, server) = home_and_server().await;
    let said = home.client(&server, &["send", "hello there"]).await.ok();
    assert!(said.stdout.starts_with("You said: “hello there”."), "{said:?}");
    assert!(!said.stdout.contains('\u{1b}'), "colour in a pipe");
    let (thread, run) = ids(&said);

    let said = home.client(&server, &["send", "-t", &thread, "and again"]).await.ok();
    assert!(said.stdout.contains("message 2 of our conversation"), "{said:?}");

    let command = home.client_command(&server, &["send", "-t", &thread]);
    let said = finish_with_input(command, "from a pipe\n").await.ok();
    assert!(said.stdout.contains("“from a pipe”"), "{said:?}");

    let said = home.client(&server, &["threads", "messages", &thread]).await.ok();
    assert_eq!(said.stdout.lines().filter(|line| line.contains(" user ")).count(), 3, "{said:?}");
    let said = home.client(&server, &["runs", "tail", &run]).await.ok();
    assert!(said.stdout.starts_with("You said: “hello there”."), "{said:?}");
    let said = home.client(&server, &["runs", "wait", &run]).await.ok();
    assert!(said.stdout.contains("natural_end"), "{said:?}");
}

#[tokio::test]
async fn send_prints_events_for_programs() {
    let (home, server) = home_and_server().await;
    let said = home.client(&server, &["send", "--json", "what time is it?"]).await.ok();
    let types: Vec<String> = said
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| event["type"].as_str().unwrap().to_owned())
        .collect();
    for wanted in ["run_started", "tool_call_ready", "tool_call_finished", "text_delta"] {
        assert!(types.iter().any(|kind| kind == wanted), "{types:?}");
    }
    assert_eq!(types.last().map(String::as_str), Some("run_finished"));
}

#[tokio::test]
async fn lists_are_tables_for_people_and_json_for_programs() {
    let (home, server) = home_and_server().await;
    let said = home.client(&server, &["runs", "list"]).await.ok();
    assert_eq!((said.stdout.as_str(), said.stderr.trim()), ("", "none"));

    let (thread, run) = ids(&home.client(&server, &["send", "one"]).await.ok());
    home.client(&server, &["send", "-t", &thread, "two"]).await.ok();
    home.client(&server, &["send", "three"]).await.ok();

    let said = home.client(&server, &["runs", "list"]).await.ok();
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{said:?}");
    assert!(lines[0].starts_with("RUN "), "{said:?}");
    let column = lines[0].find("STATUS").unwrap();
    assert!(lines[1..].iter().all(|line| line[column..].starts_with("done ")), "{said:?}");
    assert!(lines[3].starts_with(&run), "newest first: {said:?}");

    let all = home.client(&server, &["runs", "list", "--json"]).await.ok().json();
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    let some = home.client(&server, &["runs", "list", "--json", "-n", "2"]).await.ok().json();
    assert_eq!(some["items"].as_array().unwrap().len(), 2);
    assert!(some["next_cursor"].is_string());
    let of_thread = ["runs", "list", "--thread", &thread, "--status", "done", "--json"];
    let of_thread = home.client(&server, &of_thread).await.ok().json();
    assert_eq!(of_thread["items"].as_array().unwrap().len(), 2);

    let threads = home.client(&server, &["--json", "threads", "list"]).await;
    assert_eq!(threads.code, Some(2), "--json belongs to the command");
    let threads = home.client(&server, &["threads", "--json", "list"]).await.ok().json();
    assert_eq!(threads["items"].as_array().unwrap().len(), 2);
    let said = home.client(&server, &["threads", "show", &thread]).await.ok();
    assert!(said.stdout.contains("message_count"), "{said:?}");
    let said = home.client(&server, &["dispatches", "list", "--status", "acked"]).await.ok();
    assert_eq!(said.stdout.lines().count(), 4, "{said:?}");
    let said = home.client(&server, &["agents", "list"]).await.ok();
    assert!(said.stdout.contains("default") && said.stdout.contains("demo"), "{said:?}");
    let said = home.client(&server, &["agents", "show", "default", "--json"]).await.ok();
    assert_eq!(said.json()["agent_id"], "default");

    let said = home.client(&server, &["nodes", "list"]).await.ok();
    assert!(said.stdout.contains("ready") && said.stdout.contains("0/64"), "{said:?}");
    let nodes = home.client(&server, &["nodes", "list", "--json"]).await.ok().json();
    assert_eq!(nodes["items"][0]["address"], server.url.as_str());

    let line = home.client(&server, &["runs", "show", "nobody"]).await.failed(1);
    assert_eq!(line, "error: run nobody is unknown (unknown_run)");
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let (home, server) = home_and_server().await;
    for n in 0..3 {
        server.submit(&format!("t{n}"), "hello").await;
    }
    let mut command = home.client_command(&server, &["runs", "list"]);
    let mut child = command.spawn().unwrap();
    // As `| head -0`: closed before anything is written.
    drop(child.stdout.take());
    let output = timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[tokio::test]
async fn dead_letters_are_listed_and_retried() {
    let (home, server) = home_and_server().await;
    let said = home.client(&server, &["send", "please fail"]).await;
    let (_, run) = ids(&said);
    let line = said.failed(1);
    assert!(line.starts_with("error: the run failed: "), "{line}");

    let letters = home.client(&server, &["dead-letters", "list", "--json"]).await.ok().json();
    let letter = &letters["items"][0];
    assert_eq!(letter["run_id"], run.as_str());
    assert_eq!(letter["attempt_count"], 2);
    let id = letter["dispatch_id"].as_str().unwrap();
    let said = home.client(&server, &["dead-letters", "list"]).await.ok();
    assert!(said.stdout.lines().nth(1).unwrap().starts_with(id), "{said:?}");

    let said = home.client(&server, &["dead-letters", "retry", id]).await.ok();
    let new = said.stdout.trim().to_owned();
    assert_ne!(new, id);
    let path = format!("/v1/dispatches/{new}");
    server.until(&path, |dispatch| dispatch["status"] == "dead_letter").await;

    let said = home.client(&server, &["dead-letters", "retry", "--all"]).await.ok();
    assert_eq!(said.stdout, "retried: 1\n", "the first one was retried already");
    server
        .until("/v1/dispatches?status=dead_letter", |all| {
            all["items"].as_array().unwrap().len() == 3
        })
        .await;
}

#[tokio::test]
async fn dead_letters_are_purged_and_nothing_else() {
    let (home, server) = home_and_server().await;
    home.client(&server, &["send", "hello"]).await.ok();
    home.client(&server, &["send", "fail permanently"]).await.failed(1);
    home.client(&server, &["send", "please fail"]).await.failed(1);
    let said = home.client(&server, &["dead-letters", "purge"]).await.ok();
    assert_eq!(said.stdout, "deleted: 1\n");
    let left = server.get("/v1/dispatches").await;
    assert_eq!(left["items"].as_array().unwrap().len(), 2, "{left:#}");
}

#[tokio::test]
async fn an_approval_is_decided_from_another_terminal() {
    let (home, server) = home_and_server().await;
    for (flag, opposite, answer) in [
        ("--approve", "--deny", "You approved it"),
        ("--deny", "--approve", "You did not approve it (too late)"),
    ] {
        let thread = flag.trim_start_matches('-');
        let mut command = home.client_command(&server, &["send", "-t", thread, "I want approval"]);
        let sending = command.spawn().unwrap();
        let path = format!("/v1/runs?thread_id={thread}");
        let runs = server.until(&path, |runs| runs["items"][0]["status"] == "waiting").await;
        let run = runs["items"][0]["run_id"].as_str().unwrap();
        let ticket = &runs["items"][0]["waiting"]["tickets"][0];
        let call = ticket["tool_call_id"].as_str().unwrap();
        let decide = ["runs", "decide", run, call, flag, "--reason", "too late"];
        home.client(&server, &decide).await.ok();
        let output = timeout(DEADLINE, sending.wait_with_output()).await.unwrap().unwrap();
        let said = Said::from(output).ok();
        assert!(said.stdout.contains(answer), "{said:?}");
        let line = home.client(&server, &["runs", "decide", run, call, opposite]).await.failed(1);
        assert!(line.contains("ticket_closed"), "{line}");
    }
}

#[tokio::test]
async fn a_run_is_cancelled_and_send_says_so() {
    let (home, server) = home_and_server().await;
    let sending = home.client_command(&server, &["send", "-t", "t", "slow 60"]).spawn().unwrap();
    let runs = server.until("/v1/runs", |runs| runs["items"][0]["status"] == "running").await;
    let run = runs["items"][0]["run_id"].as_str().unwrap();
    home.client(&server, &["runs", "cancel", run]).await.ok();
    let output = timeout(DEADLINE, sending.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(Said::from(output).failed(1), "error: the run was cancelled");
}

#[tokio::test]
async fn send_survives_kill_9_of_the_server() {
    let home = Home::new();
    // Outside of what the system gives to outgoing connections, so that it stays free meanwhile.
    let port = 10_000 + std::process::id() % 20_000;
    let listen = format!("127.0.0.1:{port}");
    let mut server = home.serve_at(&listen, &[]).await;
    let sending = home.client_command(&server, &["send", "-t", "t", "slow 3"]).spawn().unwrap();
    server
        .until("/v1/threads/t/events", |page| {
            page["items"]
                .as_array()
                .is_some_and(|all| all.iter().any(|e| e["type"] == "text_delta"))
        })
        .await;
    server.kill().await;
    let _server = home.serve_at(&listen, &[]).await;
    let output = timeout(DEADLINE, sending.wait_with_output()).await.unwrap().unwrap();
    let said = Said::from(output).ok();
    assert!(
        said.stderr.contains("trying again") && said.stderr.contains("answers again"),
        "{said:?}"
    );
    assert_eq!(
        said.stdout.matches("slow").count() + said.stdout.matches('1').count(),
        1,
        "{said:?}"
    );
}

#[tokio::test]
async fn tail_shows_events_as_they_happen() {
    let (home, server) = home_and_server().await;
    server.submit("t", "hello").await;
    server.until("/v1/runs", |runs| runs["items"][0]["status"] == "done").await;
    let mut command = home.client_command(&server, &["tail", "-t", "t", "--after", "0", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let mut seq = 0;
    loop {
        let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        seq += 1;
        assert_eq!(event["seq"], seq);
        if event["type"] == "run_finished" {
            break;
        }
    }
    child.kill().await.unwrap();
    let line = home.client(&server, &["tail", "-t", "unknown"]).await.failed(1);
    assert!(line.contains("unknown_thread"), "{line}");
}

#[tokio::test]
async fn without_a_server_it_says_what_to_do() {
    let home = Home::new();
    for args in [&["send", "hello"][..], &["runs", "list"], &["tail"]] {
        let mut command = home.command(args);
        // Port 1 is privileged and unused: nothing listens there.
        command.env("POSTROOM_URL", "http://127.0.0.1:1");
        let said = timeout(Duration::from_secs(10), finish(command)).await.unwrap();
        let line = said.failed(1);
        assert!(line.starts_with("error: no server answers at http://127.0.0.1:1"), "{line}");
        assert!(line.contains("postroom serve"), "{line}");
    }
}

/// A run that waits for its approval, and the call that it waits with.
async fn waiting(server: &Server, thread: &str, body: &serde_json::Value) -> (String, String) {
    let request = support::http().post(format!("{}/v1/threads/{thread}/runs", server.url));
    let request = request.header("content-type", "application/json").body(body.to_string());
    assert_eq!(request.send().await.unwrap().status(), 202);
    let path = format!("/v1/runs?thread_id={thread}");
    let runs = server.until(&path, |runs| runs["items"][0]["status"] == "waiting").await;
    let run = &runs["items"][0];
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (text(&run["run_id"]), text(&run["waiting"]["tickets"][0]["tool_call_id"]))
}

#[tokio::test]
async fn a_decision_may_change_the_arguments_or_give_the_result() {
    let (home, server) = home_and_server().await;
    let wish = serde_json::json!({"messages": "I want approval"});
    for (thread, flags, answer) in [
        ("changed", &["--approve", "--arguments", "{\"request\": \"another\"}"][..], "another"),
        ("given", &["--result", "{\"done\": \"by hand\"}"], "by hand"),
        ("said", &["--answer", "as you like"], "as you like"),
    ] {
        let (run, call) = waiting(&server, thread, &wish).await;
        let decide = [&["runs", "decide", &run, &call][..], flags].concat();
        home.client(&server, &decide).await.ok();
        let path = format!("/v1/runs/{run}");
        let run = server.until(&path, |run| run["status"] == "done").await;
        assert!(run["output"].as_str().unwrap().contains(answer), "{run:#}");
    }
}

#[tokio::test]
async fn a_decision_that_says_nothing_is_wrong_usage() {
    let (home, server) = home_and_server().await;
    for (flags, problem) in [
        (&[][..], "required"),
        (&["--approve", "--deny"], "cannot be used with"),
        (&["--deny", "--arguments", "{}"], "--approve"),
        (&["--approve", "--arguments", "{oops"], "is not JSON"),
        (&["--result", "null"], "says nothing"),
    ] {
        let decide = [&["runs", "decide", "r", "c"][..], flags].concat();
        let said = home.client(&server, &decide).await;
        assert_eq!(said.code, Some(2), "{flags:?}: {said:?}");
        assert!(said.stderr.contains(problem), "{flags:?}: {said:?}");
    }
}

#[tokio::test]
async fn many_dead_letters_are_dealt_with_in_parts() {
    let (home, server) = home_and_server().await;
    for at in 0..30 {
        server.submit(&format!("t{at}"), "fail permanently").await;
    }
    let wanted =
        |count: u64| move |system: &serde_json::Value| system["depth"]["dead_letter"] == count;
    // What fails permanently is no dead letter: the delivery was consumed.
    server.until("/v1/system", wanted(0)).await;
    for at in 0..30 {
        server.submit(&format!("t{at}"), "please fail").await;
    }
    server.until("/v1/system", wanted(30)).await;
    let first = server.get("/v1/dispatches?status=dead_letter&limit=7").await;
    assert!(first["next_cursor"].is_string());
    let http = support::http();
    let body = serde_json::json!({"status": "dead_letter", "limit": 7});
    let request = http.post(format!("{}/v1/dispatches/retry", server.url)).body(body.to_string());
    let answer = request.header("content-type", "application/json").send().await.unwrap();
    let answer: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(answer["retried"], 7);
    assert!(answer["next_cursor"].is_string(), "{answer}");
    let said = home.client(&server, &["dead-letters", "retry", "--all", "--json"]).await.ok();
    assert!(said.json()["retried"].as_u64().unwrap() >= 23, "{said:?}");
    // All that were retried have failed again, beside those that they came from.
    let after = server
        .until("/v1/system", |system| {
            system["depth"]["queued"] == 0 && system["depth"]["claimed"] == 0
        })
        .await;
    let count = after["depth"]["dead_letter"].as_u64().unwrap();
    let path = format!(
        "{}/v1/dispatches?status=dead_letter&limit=5&before=2100-01-01T00:00:00Z",
        server.url
    );
    let answer = http.delete(path).send().await.unwrap().text().await.unwrap();
    assert_eq!(answer, "{\"deleted\":5}");
    let said = home.client(&server, &["dead-letters", "purge"]).await.ok();
    assert_eq!(said.stdout, format!("deleted: {}\n", count - 5));
}
