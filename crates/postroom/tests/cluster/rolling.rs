//! A rolling restart under load: clients that retry see no error, no attempt is counted, and no run
//! waits longer than the drain.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::site::{SLACK, Site, Traffic, text};
use super::support::http;

const CLIENTS: usize = 4;

/// What became of one submission.
struct Sent {
    run: String,
    took: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_is_not_noticed() {
    let mut site = Site::open(3, Traffic::Nats).await;
    let urls: Vec<String> = site.nodes.iter().map(|node| node.url.clone()).collect();
    let (over, done) = watch::channel(false);
    let (moved, addresses) = watch::channel(urls);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(send_until_over(client, addresses.clone(), done.clone()));
    }
    for place in 0..site.nodes.len() {
        sleep(Duration::from_millis(500)).await;
        site.nodes[place].signal("TERM").await;
        let began = Instant::now();
        assert_eq!(site.nodes[place].exit().await, Some(0), "{}", site.homes[place].log());
        // What executes is finished, and takes seconds; nothing else holds it up.
        assert!(began.elapsed() < Duration::from_secs(2) + SLACK, "{:?}", began.elapsed());
        site.nodes[place] = site.homes[place].serve(&[]).await;
        moved.send(site.nodes.iter().map(|node| node.url.clone()).collect()).unwrap();
    }
    over.send(true).unwrap();
    let sent: Vec<Sent> = clients.join_all().await.into_iter().flatten().collect();
    assert!(sent.len() >= CLIENTS * 3, "only {} were sent", sent.len());

    for Sent { run, took } in &sent {
        let run = site.done(&site.nodes[0], run).await;
        assert_eq!(run["termination"]["type"], "natural_end", "{run:#}");
        assert_eq!(run["attempt"], 1, "{run:#}");
        assert!(*took < Duration::from_secs(3) + SLACK, "{took:?}: {run:#}");
    }
    let dispatches = site.nodes[1].get("/v1/dispatches?limit=1000").await;
    for dispatch in dispatches["items"].as_array().unwrap() {
        assert_eq!(dispatch["attempt_count"], 0, "{dispatch:#}");
        assert_eq!(dispatch["status"], "acked", "{dispatch:#}");
    }
}

/// Sends a text after the other and waits for each answer, at whichever node answers.
async fn send_until_over(
    client: usize,
    addresses: watch::Receiver<Vec<String>>,
    over: watch::Receiver<bool>,
) -> Vec<Sent> {
    let http = http();
    let mut sent = Vec::new();
    let mut turn = client;
    while !*over.borrow() {
        let body = json!({"messages": [
            {"role": "user", "content": "slow 1", "id": format!("{client}-{}", sent.len())}
        ]});
        let began = Instant::now();
        let run = loop {
            let address = addresses.borrow()[turn % 3].clone();
            turn += 1;
            let request = http.post(format!("{address}/v1/threads/c{client}/runs"));
            let request = request.header("content-type", "application/json").body(body.to_string());
            if let Some(answer) = answered(request, 202).await {
                break text(&answer["run_id"]).to_owned();
            }
            sleep(Duration::from_millis(20)).await;
        };
        loop {
            let address = addresses.borrow()[turn % 3].clone();
            turn += 1;
            let request = http.get(format!("{address}/v1/runs/{run}/wait?timeout_ms=1000"));
            if answered(request, 200).await.is_some() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        sent.push(Sent { run, took: began.elapsed() });
    }
    sent
}

/// The answer, where it is the wanted one; nothing where the client tries again elsewhere: no
/// connection, not ready or draining, or not finished yet.
async fn answered(request: reqwest::RequestBuilder, wanted: u16) -> Option<Value> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let said = answer.text().await.ok()?;
    assert!(matches!(status, 200 | 202 | 503), "{status}: {said}");
    (status == wanted).then(|| serde_json::from_str(&said).unwrap())
}
