//! Runs that ended long ago are forgotten, and what they said is not.

mod common;

use std::time::Duration;

use common::*;
use postroom_core::command::Mode;
use postroom_core::error::Refusal;
use postroom_core::id::RunId;
use postroom_service::{Config, Postroom};

async fn is_gone(node: &Postroom, run_id: &RunId) -> bool {
    match node.run(run_id).await {
        Ok(_) => false,
        Err(error) => {
            let unknown = Refusal::UnknownRun { run_id: run_id.clone() };
            assert_eq!(error.refusal(), Some(&unknown));
            true
        }
    }
}

#[tokio::test(start_paused = true)]
async fn old_runs_are_forgotten_and_the_last_one_of_a_thread_later() {
    let mut house = House::alone();
    house.config.mailbox.gc_ttl_ms = 600_000;
    house.config.mailbox.run_retention_ms = 3_600_000;
    let node = house.started(echo()).await;
    let first = send(&node, "t", Mode::Enqueue, "a").await.run_id;
    finished(&node, &first).await;
    let second = send(&node, "t", Mode::Enqueue, "b").await.run_id;
    finished(&node, &second).await;
    tokio::time::sleep(Duration::from_mins(55)).await;
    assert!(!is_gone(&node, &first).await, "it is young");
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(is_gone(&node, &first).await);
    tokio::time::sleep(Duration::from_hours(5)).await;
    assert!(!is_gone(&node, &second).await, "it is the thread's last one");

    // The walk along what becomes old has passed it by now.
    let third = send(&node, "t", Mode::Enqueue, "c").await.run_id;
    finished(&node, &third).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(is_gone(&node, &second).await);
    assert!(!is_gone(&node, &third).await);
    assert_eq!(log(&node, "t").await, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn runs_are_kept_unless_it_is_said_how_long() {
    let mut house = House::alone();
    house.config.mailbox.gc_ttl_ms = 0;
    let node = house.started(echo()).await;
    let first = send(&node, "t", Mode::Enqueue, "a").await.run_id;
    finished(&node, &first).await;
    let second = send(&node, "t", Mode::Enqueue, "b").await.run_id;
    finished(&node, &second).await;
    tokio::time::sleep(Duration::from_hours(100)).await;
    assert!(!is_gone(&node, &first).await);
}

/// More than are looked at in one go, on two nodes that do the same.
#[tokio::test(start_paused = true)]
async fn many_runs_on_two_nodes() {
    let mut house = House::shared();
    house.config.mailbox.gc_ttl_ms = 60_000;
    house.config.mailbox.run_retention_ms = 60_000;
    let node = house.started(echo()).await;
    house.started(echo()).await;
    let mut runs = Vec::new();
    for number in 0..1_300 {
        let name = format!("t{}", number % 50);
        runs.push(send(&node, &name, Mode::Enqueue, "x").await.run_id);
    }
    for run in &runs {
        finished(&node, run).await;
    }
    tokio::time::sleep(Duration::from_mins(5)).await;
    let mut left = 0;
    for run in &runs {
        left += usize::from(!is_gone(&node, run).await);
    }
    assert_eq!(left, 50, "each thread keeps its last one");
}

#[test]
fn runs_are_kept_as_long_as_their_dispatches() {
    let mut config = Config::default();
    for (retention, is_valid) in [(0, true), (86_399_999, false), (86_400_000, true)] {
        config.mailbox.run_retention_ms = retention;
        assert_eq!(config.validate().is_ok(), is_valid, "{retention}");
    }
}
