//! Tenants take turns on a node, and each executes no more at once than it may.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::*;
use postroom_core::command::{Mode, Step, Suspend};
use postroom_core::id::{RunId, TenantId, ToolCallId};
use postroom_core::ports::RunOutcome;
use postroom_core::run::WaitReason;
use postroom_core::ticket::Ticket;
use postroom_service::Postroom;
use postroom_service::config::TenantRuns;
use serde_json::Value;
use tokio::time::Instant;

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

async fn queue(node: &Postroom, name: &str, count: usize) -> Vec<RunId> {
    let theirs = node.of_tenant(tenant(name));
    let mut runs = Vec::new();
    for number in 0..count {
        let t = thread(&format!("{name}-{number}"));
        runs.push(theirs.submit(Some(t), submit(Mode::Enqueue, "x")).await.unwrap().run_id);
    }
    runs
}

/// How many runs execute, and how many ever did at once.
#[derive(Clone, Default)]
struct Counted(Arc<(AtomicUsize, AtomicUsize)>);

impl Counted {
    fn begin(&self) {
        let (active, most) = &*self.0;
        most.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    }

    fn end(&self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

/// Runs for 100 ms; counts those of "red".
fn counting(red: &Counted) -> Arc<Scripted> {
    let red = red.clone();
    scripted(move |activation, _| {
        let red = red.clone();
        async move {
            let is_red = activation.run.tenant == tenant("red");
            if is_red {
                red.begin();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            if is_red {
                red.end();
            }
            RunOutcome::natural_end(None)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_tenant_with_much_does_not_starve_one_with_little() {
    let mut house = House::alone();
    house.config.limits.max_concurrent_runs = 2;
    let node = house.started(lasting(Duration::from_millis(100))).await;
    let many = queue(&node, "red", 500).await;
    settle_down().await;
    let began = Instant::now();
    let few = queue(&node, "blue", 2).await;
    for run in &few {
        finished(&node, run).await;
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    finished(&node, many.last().unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn each_tenant_has_its_own_limit() {
    let mut house = House::alone();
    house.config.limits.max_concurrent_runs = 8;
    let named = [(tenant("red"), Some(3))].into();
    house.config.limits.max_concurrent_runs_by_tenant = TenantRuns { named, others: None };
    let red = Counted::default();
    let node = house.started(counting(&red)).await;
    let began = Instant::now();
    let mut runs = queue(&node, "red", 30).await;
    // With room left, whoever is not limited starts at once.
    runs.extend(queue(&node, "blue", 5).await);
    for run in &runs[30..] {
        finished(&node, run).await;
    }
    assert!(began.elapsed() < Duration::from_millis(150), "{:?}", began.elapsed());
    for run in &runs {
        finished(&node, run).await;
    }
    assert_eq!(red.most(), 3);
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn those_that_are_not_named_have_one_each() {
    let mut house = House::alone();
    house.config.limits.max_concurrent_runs = 8;
    let named = [(tenant("blue"), None)].into();
    let of_tenants = TenantRuns { named, others: Some(1) };
    house.config.limits.max_concurrent_runs_by_tenant = of_tenants;
    let red = Counted::default();
    let node = house.started(counting(&red)).await;
    let began = Instant::now();
    let mut runs = queue(&node, "red", 5).await;
    runs.extend(queue(&node, "green", 5).await);
    runs.extend(queue(&node, "blue", 5).await);
    for run in &runs {
        finished(&node, run).await;
    }
    assert_eq!(red.most(), 1);
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
}

/// Nobody is kept waiting by runs that wait for people in memory.
#[tokio::test(start_paused = true)]
async fn a_run_that_waits_in_memory_lends_its_tenants_place() {
    let mut house = House::alone();
    let of_tenants = TenantRuns { others: Some(1), ..TenantRuns::default() };
    house.config.limits.max_concurrent_runs_by_tenant = of_tenants;
    let executor = scripted(|activation, context| async move {
        if texts(&activation.input) != "ask" {
            return RunOutcome::natural_end(None);
        }
        let call = ToolCallId::parse("a").unwrap();
        let suspend = Suspend {
            reason: WaitReason::ToolPermission,
            tickets: vec![Ticket::open(call, "rm".to_owned(), Value::Null, "?".to_owned())],
            lease: Duration::from_mins(10),
        };
        let _ = context.suspend(Step::default(), suspend, Duration::from_hours(1_000)).await;
        RunOutcome::cancelled()
    });
    let node = house.started(executor).await;
    let red = node.of_tenant(tenant("red"));
    let asks = red.submit(Some(thread("asks")), submit(Mode::Enqueue, "ask")).await.unwrap();
    settle_down().await;
    let other = red.submit(Some(thread("other")), submit(Mode::Enqueue, "x")).await.unwrap();
    assert!(finished(&node, &other.run_id).await.is_done());
    node.cancel_run(&asks.run_id).await.unwrap();
    assert!(finished(&node, &asks.run_id).await.is_done());
    let again = red.submit(Some(thread("third")), submit(Mode::Enqueue, "x")).await.unwrap();
    assert!(finished(&node, &again.run_id).await.is_done(), "the place is free again");
}
