//! Kills the server with SIGKILL at random moments, many times, while clients submit and readers
//! follow; then checks from outside that nothing was lost, doubled, or out of order.
//!
//! `POSTROOM_CRASH_SEED=N` repeats the moments of another run; a failure prints its seed.

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod clients;
mod readers;

use std::time::Duration;

use clients::Accepted;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use support::{DEADLINE, Home, Server};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const KILLS: usize = 16;
const CLIENTS: usize = 4;
const THREADS: usize = 5;
/// Messages of each client to each thread.
const MESSAGES: usize = 8;

/// A run may be killed as often as the server is, and is no poison for that.
const CONFIG: &str = "[mailbox]\ndefault_max_attempts = 1000\ndefault_retry_delay_ms = 10\n";

/// Where the server is just now: a new address with each start, because a client that tries to
/// reach a dead server on a port of its own range may find itself there.
type Address = watch::Receiver<String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_by_kill_9() {
    let seed = std::env::var("POSTROOM_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(20_261_120);
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);

    let home = Home::with_config(CONFIG);
    let mut server = home.serve(&[]).await;
    let (moved, address) = watch::channel(server.url.clone());

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(clients::submit_all(client, address.clone(), random.random()));
    }
    let (all_done, done) = watch::channel(false);
    let mut readers = JoinSet::new();
    for thread in 0..THREADS {
        readers.spawn(readers::follow(thread, address.clone(), done.clone()));
    }

    for kill in 1..=KILLS {
        sleep(Duration::from_millis(random.random_range(50..1500))).await;
        server.kill().await;
        server = home.serve(&[]).await;
        println!("kill {kill}: started again at {}", server.url);
        moved.send(server.url.clone()).unwrap();
    }

    let accepted = timeout(DEADLINE, clients.join_all()).await.expect("clients hang");
    let accepted: Vec<Accepted> = accepted.into_iter().flatten().collect();
    assert_eq!(accepted.len(), CLIENTS * THREADS * MESSAGES);
    until_all_runs_ended(&server).await;

    all_done.send(true).unwrap();
    let followed = timeout(DEADLINE, readers.join_all()).await.expect("readers hang");
    checks::logs(&server, &accepted).await;
    checks::runs(&server, &accepted).await;
    checks::events(&server, followed).await;
}

async fn until_all_runs_ended(server: &Server) {
    let deadline = Instant::now() + 2 * DEADLINE;
    for status in ["created", "running", "waiting"] {
        let path = format!("/v1/runs?status={status}&limit=1");
        loop {
            let left = server.get(&path).await;
            if left["items"].as_array().is_some_and(Vec::is_empty) {
                break;
            }
            assert!(Instant::now() < deadline, "a run does not end: {left:#}");
            sleep(Duration::from_millis(50)).await;
        }
    }
    let depth = server.get("/v1/dispatches?status=queued&limit=1").await;
    assert_eq!(depth["items"].as_array().map(Vec::len), Some(0), "{depth:#}");
}

fn thread_id(thread: usize) -> String {
    format!("thread {thread}")
}
