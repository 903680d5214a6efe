//! The life of the service: recovery, draining, restart, upkeep.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use common::*;
use postroom_core::command::{Mode, Wait};
use postroom_core::dispatch::DispatchState;
use postroom_core::ports::{ReclaimScope, RunOutcome};
use postroom_core::run::{RunState, Termination, WaitReason};
use postroom_service::{Error, Readiness};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn concurrent_starts_recover_once() {
    let mut house = House::alone();
    let node = house.node(echo());
    let starts = (0..10).map(|_| node.start());
    for started in futures::future::join_all(starts).await {
        started.unwrap();
    }
    node.start().await.unwrap();
    assert_eq!(node.readiness(), Readiness::Ready);
    // One that finds nothing is enough.
    assert_eq!(house.store.reclaims_of_all.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn readiness_waits_for_a_store_that_is_away() {
    let mut house = House::alone();
    house.store.down.store(true, Ordering::SeqCst);
    let node = house.node(echo());
    let starting = node.clone();
    let started = async move { starting.start().await };
    tokio::pin!(started);
    assert!(tokio::time::timeout(Duration::from_secs(5), &mut started).await.is_err());
    assert!(matches!(node.readiness(), Readiness::Starting { last_error: Some(_) }));
    assert!(matches!(
        node.submit(None, submit(Mode::Enqueue, "x")).await,
        Err(Error::NotReady { .. })
    ));
    house.store.down.store(false, Ordering::SeqCst);
    started.await.unwrap();
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    assert_eq!(termination(&node, &run.run_id).await, Termination::NaturalEnd);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_left_goes_on_after_the_next_start() {
    let mut house = House::alone();
    // More than a page of claims, on a node that never settles one.
    house.config.limits.max_concurrent_runs = 400;
    let dead = house.started(lasting(Duration::from_secs(1_000_000))).await;
    let mut runs = Vec::new();
    for number in 0..600 {
        runs.push(send(&dead, &format!("t{number}"), Mode::Enqueue, "x").await.run_id);
    }
    settle_down().await;
    assert_eq!(dead.store().depth().await.unwrap().get(DispatchState::Claimed), 400);

    let node = house.started(echo()).await;
    for run in &runs {
        assert_eq!(termination(&node, run).await, Termination::NaturalEnd);
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_shared_store_only_expired_leases_are_taken() {
    let mut house = House::shared();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let node = house
        .started(scripted(move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_secs(100)).await;
                RunOutcome::natural_end(None)
            }
        }))
        .await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    settle_down().await;
    let other = house.started(echo()).await;
    assert_eq!(finished(&other, &run.run_id).await.attempt, 1);
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_lets_runs_finish() {
    let mut house = House::alone();
    let node = house.started(lasting(Duration::from_secs(20))).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    let queued = send(&node, "t", Mode::Enqueue, "y").await;
    let began = Instant::now();
    node.shutdown().await;
    assert_eq!(began.elapsed().as_secs(), 20);
    assert_eq!(node.readiness(), Readiness::Stopped);
    let run = node.store().run(&run.run_id).await.unwrap().unwrap();
    assert_eq!(run.termination(), Some(&Termination::NaturalEnd));
    let queued = node.store().dispatch(queued.dispatch_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(queued.state(), DispatchState::Queued, "nothing new was begun");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_in_time_is_handed_back_and_no_attempt_is_lost() {
    let mut house = House::shared();
    let node = house.started(lasting(Duration::from_hours(1))).await;
    let polite = house.started(until_cancelled()).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    let politely = send(&polite, "u", Mode::Enqueue, "y").await;
    settle_down().await;
    let began = Instant::now();
    tokio::join!(node.shutdown(), polite.shutdown());
    assert!((30..=35).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    for run in [&run, &politely] {
        let dispatch = node.store().dispatch(run.dispatch_id.unwrap()).await.unwrap().unwrap();
        assert_eq!((dispatch.state(), dispatch.attempt_count), (DispatchState::Queued, 0));
    }
    let other = house.started(echo()).await;
    assert_eq!(finished(&other, &run.run_id).await.output.as_deref(), Some("x"));
    assert_eq!(finished(&other, &politely.run_id).await.output.as_deref(), Some("y"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_shut_down_starts_again() {
    let mut house = House::alone();
    let node = house.started(echo()).await;
    for round in 0..3 {
        node.shutdown().await;
        node.shutdown().await;
        assert!(node.submit(None, submit(Mode::Enqueue, "x")).await.is_err());
        node.start().await.unwrap();
        let run = send(&node, &format!("t{round}"), Mode::Enqueue, "x").await;
        assert_eq!(termination(&node, &run.run_id).await, Termination::NaturalEnd);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_during_a_shutdown_starts_afterwards() {
    let mut house = House::alone();
    let node = house.started(lasting(Duration::from_secs(5))).await;
    send(&node, "t", Mode::Enqueue, "x").await;
    let ((), started) = tokio::join!(node.shutdown(), node.start());
    started.unwrap();
    assert_eq!(node.readiness(), Readiness::Ready);
}

#[tokio::test(start_paused = true)]
async fn what_is_submitted_while_draining_is_kept_for_later() {
    let mut house = House::alone();
    let node = house.started(lasting(Duration::from_secs(5))).await;
    send(&node, "t", Mode::Enqueue, "x").await;
    let draining = node.clone();
    let ((), late) = tokio::join!(draining.shutdown(), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(node.readiness(), Readiness::Draining);
        send(&node, "u", Mode::Enqueue, "late").await
    });
    node.start().await.unwrap();
    assert_eq!(finished(&node, &late.run_id).await.output.as_deref(), Some("late"));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_changes_nothing() {
    let mut house = House::alone();
    let node = house.started(lasting(Duration::from_secs(5))).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    let store = node.store().clone();
    drop(node);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(store.run(&run.run_id).await.unwrap().unwrap().is_done());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waited_for_a_task_of_a_dead_process_goes_on() {
    let mut house = House::alone();
    let executor = scripted(|activation, context| async move {
        if activation.run.attempt > 1 {
            return RunOutcome::natural_end(Some("went on".to_owned()));
        }
        let task = context.spawn_background(Box::pin(std::future::pending())).await;
        let mut wait = Wait::new(WaitReason::BackgroundTasks);
        wait.tasks.push(task);
        RunOutcome::Waiting { last: Box::default(), wait }
    });
    let dead = house.started(executor.clone()).await;
    let run = send(&dead, "t", Mode::Enqueue, "x").await;
    assert_eq!(finished(&dead, &run.run_id).await.run_state(), RunState::Waiting);
    let node = house.started(executor).await;
    assert_eq!(finished(&node, &run.run_id).await.output.as_deref(), Some("went on"));
}

#[tokio::test(start_paused = true)]
async fn old_terminal_dispatches_are_collected_and_the_hook_is_called() {
    let mut house = House::alone();
    let node = house.started(echo()).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    finished(&node, &run.run_id).await;
    tokio::time::sleep(Duration::from_hours(23)).await;
    assert_eq!(node.store().depth().await.unwrap().get(DispatchState::Acked), 1);
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(node.store().depth().await.unwrap().get(DispatchState::Acked), 0);
    assert!(node.store().run(&run.run_id).await.unwrap().is_some(), "runs stay");
}

#[tokio::test(start_paused = true)]
async fn a_claim_taken_by_force_stops_its_run_at_the_next_renewal() {
    let mut house = House::shared();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = calls.clone();
    let node = house
        .started(scripted(move |_, context| {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if first {
                    let reason = context.cancelled().await;
                    assert_eq!(reason, postroom_core::ports::CancelReason::LeaseLost);
                    std::future::pending::<()>().await;
                }
                RunOutcome::natural_end(Some("second".to_owned()))
            }
        }))
        .await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    settle_down().await;
    node.store().reclaim(ReclaimScope::All, Duration::ZERO, 10).await.unwrap();
    assert_eq!(finished(&node, &run.run_id).await.output.as_deref(), Some("second"));
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(node.active_runs(), 0);
}
