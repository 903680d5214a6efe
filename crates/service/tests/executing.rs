//! Executing: outcomes, retries, leases, cancelling, admission.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use common::*;
use postroom_core::command::{Cancelled, Mode, Start, Step};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::Refusal;
use postroom_core::event::EventBody;
use postroom_core::id::{AgentId, DispatchId, RunId};
use postroom_core::message::{NewMessage, Role};
use postroom_core::ports::{CancelReason, ContextError, RunOutcome};
use postroom_core::run::{RunState, Termination};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_transient_error_is_retried_with_growing_delays_until_the_attempts_are_spent() {
    let mut house = House::alone();
    let tries = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = tries.clone();
    let executor = scripted(move |_, _| {
        seen.lock().push(Instant::now());
        async { RunOutcome::TransientError { error: "no luck".to_owned() } }
    });
    let node = house.started(executor).await;
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    let run = finished(&node, &submitted.run_id).await;

    assert!(matches!(run.termination(), Some(Termination::Error(_))), "{run:?}");
    let dispatch = node.store().dispatch(submitted.dispatch_id.unwrap()).await.unwrap().unwrap();
    assert_eq!(dispatch.state(), DispatchState::DeadLetter);
    assert_eq!(dispatch.attempt_count, 5);
    let tries = tries.lock();
    assert_eq!(tries.len(), 5);
    let delays: Vec<_> = tries.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    for (delay, full) in delays.iter().zip([250, 500, 1000, 2000]) {
        assert!((full * 7 / 10..=full + 20).contains(delay), "{delays:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_a_dead_letter_at_once_and_may_be_requeued() {
    let mut house = House::alone();
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let executor = scripted(move |_, _| {
        let mended = is_mended.load(Ordering::SeqCst);
        async move {
            if mended {
                return RunOutcome::natural_end(Some("well".to_owned()));
            }
            RunOutcome::PermanentError { code: "unknown_agent".to_owned(), error: "?".to_owned() }
        }
    });
    let node = house.started(executor).await;
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    let run = finished(&node, &submitted.run_id).await;
    assert!(
        matches!(run.termination(), Some(Termination::Error(reason)) if reason.code == "unknown_agent")
    );
    assert_eq!(run.attempt, 1);

    mended.store(true, Ordering::SeqCst);
    let dispatch = node.requeue(submitted.dispatch_id.unwrap()).await.unwrap();
    assert_eq!(dispatch.run_id, submitted.run_id);
    assert_eq!(finished(&node, &submitted.run_id).await.output.as_deref(), Some("well"));
    let again = node.requeue(submitted.dispatch_id.unwrap()).await.unwrap_err();
    assert!(matches!(again.refusal(), Some(Refusal::AlreadyRequeued { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_panicking_executor_releases_its_thread() {
    let mut house = House::alone();
    let tries = AtomicU32::new(0);
    let executor = scripted(move |_, _| {
        let first = tries.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            tokio::task::yield_now().await;
            assert!(!first, "as planned");
            RunOutcome::natural_end(None)
        }
    });
    let node = house.started(executor).await;
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    let run = finished(&node, &submitted.run_id).await;
    assert_eq!(run.termination(), Some(&Termination::NaturalEnd));
    assert_eq!(run.attempt, 2);
    let dispatch = node.store().dispatch(submitted.dispatch_id.unwrap()).await.unwrap().unwrap();
    assert!(dispatch.last_error.unwrap().contains("as planned"));
    settle_down().await;
    assert_eq!(node.active_runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn renewals_keep_a_long_run_on_its_node() {
    let mut house = House::shared();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let executor = scripted(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(Duration::from_mins(10)).await;
            RunOutcome::natural_end(None)
        }
    });
    let node = house.started(executor.clone()).await;
    let other = house.started(executor).await;
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    assert_eq!(termination(&other, &submitted.run_id).await, Termination::NaturalEnd);
    assert_eq!(tries.load(Ordering::SeqCst), 1);
    assert!(house.store.renewals.load(Ordering::SeqCst) >= 59);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_renewals_fail_stops_before_its_lease_can_have_ended() {
    let mut house = House::shared();
    let stopped = Arc::new(parking_lot::Mutex::new(None));
    let seen = stopped.clone();
    let began = Instant::now();
    let executor = scripted(move |activation, context| {
        let seen = seen.clone();
        async move {
            if activation.dispatch.attempt_count > 0 {
                return RunOutcome::natural_end(Some("second".to_owned()));
            }
            let guard = OnDrop(Some(Box::new(move || *seen.lock() = Some(Instant::now()))));
            // It does not listen, but its future is dropped.
            tokio::time::sleep(Duration::from_hours(1)).await;
            drop(guard);
            let _ = context.commit(Step::default()).await;
            RunOutcome::natural_end(Some("first".to_owned()))
        }
    });
    let node = house.started(executor).await;
    house.store.no_renewals.store(true, Ordering::SeqCst);
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    let run = finished(&node, &submitted.run_id).await;
    assert_eq!(run.output.as_deref(), Some("second"), "another attempt after the sweep");
    let stopped = stopped.lock().expect("it was dropped") - began;
    assert!(stopped < Duration::from_secs(30), "{stopped:?}");
    assert!(stopped >= Duration::from_secs(28), "{stopped:?}");
    let events = history(&node, "t").await;
    assert_eq!(count(&events, |body| matches!(body, EventBody::AttemptReset { .. })), 1);
}

struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_failed_renewal_is_made_good() {
    let mut house = House::shared();
    let node = house.started(lasting(Duration::from_mins(2))).await;
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    house.store.no_renewals.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(12)).await;
    house.store.no_renewals.store(false, Ordering::SeqCst);
    let run = finished(&node, &submitted.run_id).await;
    assert_eq!((run.termination(), run.attempt), (Some(&Termination::NaturalEnd), 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_claim_was_taken_can_write_nothing() {
    let mut house = House::shared();
    let lost = Arc::new(AtomicBool::new(false));
    let seen = lost.clone();
    let executor = scripted(move |activation, context| {
        let seen = seen.clone();
        async move {
            if activation.dispatch.attempt_count > 0 {
                return RunOutcome::natural_end(Some("second".to_owned()));
            }
            // Blind to everything, like a process that was frozen.
            tokio::time::sleep(Duration::from_secs(5)).await;
            let step = Step {
                messages: vec![NewMessage::text(Role::Assistant, "too late")],
                ..Step::default()
            };
            let answer = context.commit(step).await;
            seen.store(matches!(answer, Err(ContextError::ClaimLost)), Ordering::SeqCst);
            RunOutcome::natural_end(Some("first".to_owned()))
        }
    });
    let node = house.started(executor).await;
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    settle_down().await;
    take_claims(&node).await;
    let run = finished(&node, &submitted.run_id).await;
    assert_eq!(run.output.as_deref(), Some("second"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(lost.load(Ordering::SeqCst));
    assert_eq!(log(&node, "t").await, ["x"]);
}

/// What another node's sweep does once the leases are over.
async fn take_claims(node: &postroom_service::Postroom) {
    use postroom_core::ports::ReclaimScope;
    node.store().reclaim(ReclaimScope::All, Duration::ZERO, 100).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_queued_a_running_and_an_unknown_one() {
    let mut house = House::alone();
    let node = house.started(until_cancelled()).await;
    let running = send(&node, "t", Mode::Enqueue, "a").await;
    let by_run = send(&node, "t", Mode::Enqueue, "b").await;
    let by_dispatch = send(&node, "t", Mode::Enqueue, "c").await;

    assert!(matches!(node.cancel_run(&by_run.run_id).await.unwrap(), Cancelled::Dispatch(_)));
    let cancelled = node.cancel_dispatch(by_dispatch.dispatch_id.unwrap()).await.unwrap();
    assert!(matches!(cancelled, Cancelled::Dispatch(_)));
    let cancelled = node.cancel_thread(&thread("t")).await.unwrap();
    assert!(matches!(cancelled, Cancelled::Executing { run_id, .. } if run_id == running.run_id));
    for run in [&running, &by_run, &by_dispatch] {
        assert_eq!(termination(&node, &run.run_id).await, Termination::Cancelled);
    }
    for run in [&by_run, &by_dispatch] {
        assert_eq!(finished(&node, &run.run_id).await.started_at, None);
    }

    let done = node.cancel_run(&running.run_id).await.unwrap_err();
    assert!(matches!(done.refusal(), Some(Refusal::IllegalRun { .. })), "{done:?}");
    let unknown = node.cancel_run(&RunId::parse("nobody").unwrap()).await.unwrap_err();
    assert!(matches!(unknown.refusal(), Some(Refusal::UnknownRun { .. })));
    let unknown = DispatchId::from(uuid::Uuid::from_u128(1));
    let unknown = node.cancel_dispatch(unknown).await.unwrap_err();
    assert!(matches!(unknown.refusal(), Some(Refusal::UnknownDispatch { .. })));
    assert!(node.cancel_thread(&thread("nowhere")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_run_on_another_node_is_cancelled_live_or_at_the_next_renewal() {
    let mut house = House::shared();
    let here = house.started(echo()).await;
    let there = house.started(until_cancelled()).await;
    let run = send(&there, "t", Mode::Enqueue, "a").await;
    settle_down().await;
    let began = Instant::now();
    here.cancel_run(&run.run_id).await.unwrap();
    assert_eq!(termination(&there, &run.run_id).await, Termination::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(1));

    // The nodes do not hear each other.
    house.live = postroom_signals::LocalLive::default();
    let deaf = house.started(echo()).await;
    let run = send(&there, "u", Mode::Enqueue, "a").await;
    settle_down().await;
    deaf.cancel_run(&run.run_id).await.unwrap();
    assert_eq!(termination(&there, &run.run_id).await, Termination::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_listen_is_dropped_after_its_grace() {
    let mut house = House::alone();
    let node = house.started(lasting(Duration::from_hours(1))).await;
    let run = send(&node, "t", Mode::Enqueue, "a").await;
    let next = send(&node, "t", Mode::Enqueue, "b").await;
    let began = Instant::now();
    node.cancel_run(&run.run_id).await.unwrap();
    assert_eq!(termination(&node, &run.run_id).await, Termination::Cancelled);
    assert_eq!(began.elapsed().as_secs(), 4);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let next = node.store().run(&next.run_id).await.unwrap().unwrap();
    assert_eq!(next.run_state(), RunState::Running, "the thread goes on");
}

#[tokio::test(start_paused = true)]
async fn a_commit_tells_of_a_wish_to_stop_that_no_live_command_has_told() {
    let mut house = House::shared();
    let executor = scripted(|_, context| async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            context.commit(Step::default()).await.unwrap();
            if context.is_cancelled() == Some(CancelReason::Requested) {
                return RunOutcome::cancelled();
            }
        }
    });
    let there = house.started(executor).await;
    house.live = postroom_signals::LocalLive::default();
    let deaf = house.started(echo()).await;
    let run = send(&there, "t", Mode::Enqueue, "a").await;
    settle_down().await;
    let began = Instant::now();
    deaf.cancel_run(&run.run_id).await.unwrap();
    assert_eq!(termination(&there, &run.run_id).await, Termination::Cancelled);
    assert!(began.elapsed() <= Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn each_agent_has_its_own_limit() {
    let mut house = House::alone();
    let small = AgentId::parse("small").unwrap();
    house.config.limits.max_concurrent_runs = 8;
    house.config.limits.max_concurrent_runs_by_agent = [(small.clone(), 2)].into();
    let active = Arc::new(AtomicU32::new(0));
    let most = Arc::new(AtomicU32::new(0));
    let (counted, seen) = (active.clone(), most.clone());
    let executor = scripted(move |activation, _| {
        let (active, most) = (counted.clone(), seen.clone());
        async move {
            let is_small = activation.run.agent_id.to_string() == "small";
            if is_small {
                most.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            if is_small {
                active.fetch_sub(1, Ordering::SeqCst);
            }
            RunOutcome::natural_end(None)
        }
    });
    let node = house.started(executor).await;
    let mut runs = Vec::new();
    for number in 0..40 {
        let mut wanted = submit(Mode::Enqueue, "x");
        wanted.agent_id = (number % 2 == 0).then(|| small.clone());
        // Some threads have work of both agents.
        let name = format!("t{}", number % 15);
        runs.push(node.submit(Some(thread(&name)), wanted).await.unwrap().run_id);
    }
    let began = Instant::now();
    for run in &runs {
        finished(&node, run).await;
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// A thread with a long queue goes on with it, but not while another thread waits for its place.
#[tokio::test(start_paused = true)]
async fn long_queues_do_not_starve_a_short_one() {
    let mut house = House::alone();
    house.config.limits.max_concurrent_runs = 2;
    let node = house.started(lasting(Duration::from_millis(100))).await;
    for _ in 0..200 {
        for long in ["a", "b"] {
            node.submit(Some(thread(long)), submit(Mode::Enqueue, "x")).await.unwrap();
        }
    }
    settle_down().await;
    let began = Instant::now();
    let short = node.submit(Some(thread("c")), submit(Mode::Enqueue, "x")).await.unwrap();
    finished(&node, &short.run_id).await;
    // The two others had a few turns first, and not all of their 20 seconds.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_delayed_run_starts_when_it_is_due() {
    let mut house = House::alone();
    let node = house.started(echo()).await;
    let now = node.store().now().await.unwrap();
    let starts = [
        Start::In(Duration::from_millis(700)),
        Start::At(now + Duration::from_millis(1500)),
        Start::In(Duration::from_secs(90)),
    ];
    for (number, start) in starts.into_iter().enumerate() {
        let mut delayed = submit(Mode::Enqueue, "x");
        delayed.start = start;
        let submitted = node.submit(Some(thread(&format!("t{number}"))), delayed).await.unwrap();
        let run = finished(&node, &submitted.run_id).await;
        let late = run.started_at.unwrap().since(start.at(now));
        assert!(run.started_at.unwrap() >= start.at(now), "{number}");
        assert!(late < Duration::from_secs(2), "{number}: {late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_another_node_has_queued_starts_on_an_idle_node() {
    let mut house = House::shared();
    house.config.limits.max_concurrent_runs = 1;
    let busy = house.started(lasting(Duration::from_mins(10))).await;
    let idle = house.started(echo()).await;
    send(&busy, "t", Mode::Enqueue, "long").await;
    let began = Instant::now();
    let run = send(&busy, "u", Mode::Enqueue, "short").await;
    assert_eq!(finished(&idle, &run.run_id).await.output.as_deref(), Some("short"));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_lost_lose_no_work() {
    let mut house = House::shared();
    let node = house.started(echo()).await;
    for (lost, number) in [
        (&house.store.lose_submits, 0),
        (&house.store.lose_settles, 1),
        (&house.store.lose_submits, 2),
    ] {
        lost.store(1, Ordering::SeqCst);
        let began = Instant::now();
        let name = format!("t{number}");
        let submitted = send(&node, &name, Mode::Enqueue, "x").await;
        // Queued behind the claim whose answer may be lost.
        let next = send(&node, &name, Mode::Enqueue, "y").await;
        assert_eq!(finished(&node, &submitted.run_id).await.output.as_deref(), Some("x"));
        assert_eq!(finished(&node, &next.run_id).await.output.as_deref(), Some("y"));
        assert!(began.elapsed() < Duration::from_secs(10), "{number}: {:?}", began.elapsed());
        assert_eq!(log(&node, &name).await, ["x", "y"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_was_lost_fails_the_attempt() {
    let mut house = House::alone();
    let executor = scripted(|activation, context| async move {
        if activation.dispatch.attempt_count == 0 {
            // Careless: it does not look at the answer.
            let step = Step {
                messages: vec![NewMessage::text(Role::Assistant, "said")],
                ..Step::default()
            };
            let _ = context.commit(step).await;
        }
        RunOutcome::natural_end(Some(texts(&context.prompt().await.unwrap())))
    });
    let node = house.started(executor).await;
    house.store.lose_commits.store(1, Ordering::SeqCst);
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    let run = finished(&node, &submitted.run_id).await;
    assert_eq!((run.attempt, run.output.as_deref()), (2, Some("x+said")));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_while_delays_a_settle() {
    let mut house = House::alone();
    let node = house.started(lasting(Duration::from_secs(2))).await;
    let submitted = send(&node, "t", Mode::Enqueue, "x").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    house.store.down.store(true, Ordering::SeqCst);
    assert!(node.submit(None, submit(Mode::Enqueue, "y")).await.is_err());
    tokio::time::sleep(Duration::from_secs(8)).await;
    house.store.down.store(false, Ordering::SeqCst);
    let run = finished(&node, &submitted.run_id).await;
    assert_eq!((run.attempt, run.termination()), (1, Some(&Termination::NaturalEnd)));
}

#[tokio::test(start_paused = true)]
async fn the_numbers_tell_what_happened() {
    let mut house = House::alone();
    let node = house.started(echo()).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    finished(&node, &run.run_id).await;
    settle_down().await;
    let text = node.metrics_text().await;
    for line in [
        "postroom_operations_total{operation=\"enqueue\",result=\"ok\"} 1",
        "postroom_operations_total{operation=\"ack\",result=\"ok\"} 1",
        "postroom_dispatches{status=\"acked\"} 1",
        "postroom_active_runs 0",
        "postroom_enqueue_to_completion_seconds_count{outcome=\"natural_end\"} 1",
        "postroom_enqueue_to_start_seconds_count 1",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
