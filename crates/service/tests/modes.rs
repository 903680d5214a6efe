//! The five ways in.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use postroom_core::command::{Mode, SubmittedStatus, Take};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::Refusal;
use postroom_core::id::IdempotencyKey;
use postroom_core::message::NewMessage;
use postroom_core::ports::{DispatchFilter, RunOutcome};
use postroom_core::run::Termination;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn an_idle_thread_starts_at_once_in_every_mode() {
    let mut house = House::alone();
    let node = house.started(echo()).await;
    for mode in [Mode::Enqueue, Mode::Interrupt, Mode::Steer, Mode::Reject, Mode::Rollback] {
        let submitted = send(&node, &format!("{mode:?}"), mode, "hello").await;
        assert_eq!(submitted.status, SubmittedStatus::Running, "{mode:?}");
        let run = finished(&node, &submitted.run_id).await;
        assert_eq!(run.output.as_deref(), Some("hello"), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn enqueued_runs_of_a_thread_run_in_order_and_one_at_a_time() {
    let mut house = House::alone();
    let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let seen = order.clone();
    let executor = scripted(move |activation, _| {
        let seen = seen.clone();
        async move {
            seen.lock().push(format!("begin {}", texts(&activation.input)));
            tokio::time::sleep(Duration::from_millis(10)).await;
            seen.lock().push(format!("end {}", texts(&activation.input)));
            RunOutcome::natural_end(None)
        }
    });
    let node = house.started(executor).await;
    let mut last = None;
    for text in ["a", "b", "c"] {
        last = Some(send(&node, "t", Mode::Enqueue, text).await.run_id);
    }
    finished(&node, &last.unwrap()).await;
    assert_eq!(*order.lock(), ["begin a", "end a", "begin b", "end b", "begin c", "end c"]);
    assert_eq!(log(&node, "t").await, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn many_threads_run_beside_each_other_up_to_the_limit() {
    let mut house = House::alone();
    house.config.limits.max_concurrent_runs = 4;
    let node = house.started(lasting(Duration::from_secs(1))).await;
    let began = Instant::now();
    let mut runs = Vec::new();
    for number in 0..12 {
        runs.push(send(&node, &format!("t{number}"), Mode::Enqueue, "x").await.run_id);
    }
    settle_down().await;
    assert_eq!(node.active_runs(), 4);
    for run in &runs {
        finished(&node, run).await;
    }
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_stops_the_active_run_and_supersedes_the_queue() {
    let mut house = House::alone();
    let executor = scripted(|activation, context| async move {
        if texts(&activation.input) == "urgent" {
            return RunOutcome::natural_end(Some("done".to_owned()));
        }
        context.cancelled().await;
        RunOutcome::cancelled()
    });
    let node = house.started(executor).await;
    let active = send(&node, "t", Mode::Enqueue, "slow").await;
    let queued = send(&node, "t", Mode::Enqueue, "queued").await;
    assert_eq!(queued.status, SubmittedStatus::Queued);

    let urgent = send(&node, "t", Mode::Interrupt, "urgent").await;

    assert_eq!(finished(&node, &urgent.run_id).await.output.as_deref(), Some("done"));
    assert_eq!(termination(&node, &active.run_id).await, Termination::Cancelled);
    let queued_run = finished(&node, &queued.run_id).await;
    assert_eq!(queued_run.termination(), Some(&Termination::Cancelled));
    assert_eq!(queued_run.started_at, None, "a superseded run never starts");
}

#[tokio::test(start_paused = true)]
async fn a_stubborn_run_makes_an_interrupt_fail_and_nothing_is_destroyed() {
    let mut house = House::alone();
    house.config.mailbox.cancel_grace_ms = 60_000;
    let node = house.started(lasting(Duration::from_secs(20))).await;
    let active = send(&node, "t", Mode::Enqueue, "stubborn").await;
    let queued = send(&node, "t", Mode::Enqueue, "queued").await;
    let before = history(&node, "t").await;

    for mode in [Mode::Interrupt, Mode::Rollback] {
        let began = Instant::now();
        let refused = node.submit(Some(thread("t")), submit(mode, "urgent")).await.unwrap_err();
        assert!(
            matches!(refused.refusal(), Some(Refusal::ActiveRun { run_id, .. }) if *run_id == active.run_id)
        );
        assert_eq!(began.elapsed().as_secs(), 5);
    }

    assert_eq!(history(&node, "t").await.len(), before.len(), "nothing was written");
    assert_eq!(termination(&node, &active.run_id).await, Termination::NaturalEnd);
    assert_eq!(termination(&node, &queued.run_id).await, Termination::NaturalEnd);
    assert_eq!(log(&node, "t").await, ["stubborn", "queued"]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_reaches_a_run_on_another_node() {
    let mut house = House::shared();
    let here = house.started(echo()).await;
    let there = house.started(until_cancelled()).await;
    let active = send(&there, "t", Mode::Enqueue, "slow").await;
    settle_down().await;

    let urgent = send(&here, "t", Mode::Interrupt, "urgent").await;

    assert_eq!(finished(&here, &urgent.run_id).await.output.as_deref(), Some("urgent"));
    assert_eq!(termination(&here, &active.run_id).await, Termination::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_hides_the_cancelled_run_from_later_prompts() {
    let mut house = House::alone();
    let executor = scripted(|activation, context| async move {
        if texts(&activation.input) == "first" {
            context.cancelled().await;
            return RunOutcome::cancelled();
        }
        RunOutcome::natural_end(Some(texts(&context.prompt().await.unwrap())))
    });
    let node = house.started(executor).await;
    let first = send(&node, "t", Mode::Enqueue, "first").await;
    let second = send(&node, "t", Mode::Rollback, "second").await;
    assert_eq!(finished(&node, &second.run_id).await.output.as_deref(), Some("second"));
    assert!(finished(&node, &first.run_id).await.hidden);
    assert_eq!(log(&node, "t").await, ["first", "second"], "the log stays whole");
}

#[tokio::test(start_paused = true)]
async fn reject_is_refused_while_there_is_work_and_writes_nothing() {
    let mut house = House::alone();
    let node = house.started(lasting(Duration::from_secs(1))).await;
    let first = send(&node, "t", Mode::Reject, "first").await;
    let refused = node.submit(Some(thread("t")), submit(Mode::Reject, "second")).await.unwrap_err();
    assert!(
        matches!(refused.refusal(), Some(Refusal::ThreadBusy { .. } | Refusal::ActiveRun { .. })),
        "{refused:?}"
    );
    finished(&node, &first.run_id).await;
    assert_eq!(log(&node, "t").await, ["first"]);
}

#[tokio::test(start_paused = true)]
async fn steering_joins_the_executing_run_at_its_next_step() {
    let mut house = House::alone();
    let executor = scripted(|activation, context| async move {
        let mut heard = vec![texts(&activation.input)];
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let step = postroom_core::command::Step { take: Take::NextStep, ..Default::default() };
            heard.push(texts(&context.commit(step).await.unwrap().taken));
        }
        RunOutcome::natural_end(Some(heard.join(",")))
    });
    let node = house.started(executor).await;
    let run = send(&node, "t", Mode::Enqueue, "go").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let steered = send(&node, "t", Mode::Steer, "left").await;
    assert_eq!(steered.run_id, run.run_id);
    let run = finished(&node, &run.run_id).await;
    assert_eq!(run.output.as_deref(), Some("go,,left,"));
    assert_eq!(log(&node, "t").await, ["go", "left"]);
}

#[tokio::test(start_paused = true)]
async fn steering_that_no_step_has_taken_becomes_the_next_run() {
    let mut house = House::alone();
    let node = house.started(lasting(Duration::from_secs(1))).await;
    let run = send(&node, "t", Mode::Enqueue, "go").await;
    send(&node, "t", Mode::Steer, "left").await;
    finished(&node, &run.run_id).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(log(&node, "t").await, ["go", "left"]);
    let filter = DispatchFilter { thread_id: Some(thread("t")), ..DispatchFilter::default() };
    let dispatches = node.store().dispatches(&filter, 10, None).await.unwrap().items;
    assert_eq!(dispatches.len(), 2);
    assert!(dispatches.iter().all(|dispatch| dispatch.state() == DispatchState::Acked));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_over_can_no_longer_be_steered_by_name() {
    let mut house = House::alone();
    let node = house.started(lasting(Duration::from_secs(1))).await;
    let run = send(&node, "t", Mode::Enqueue, "go").await;
    let delivery = postroom_core::pending::Delivery::default();
    node.deliver(&run.run_id, vec![NewMessage::user("x")], delivery).await.unwrap();
    finished(&node, &run.run_id).await;
    let refused = node.deliver(&run.run_id, vec![NewMessage::user("y")], delivery).await;
    assert!(matches!(refused.unwrap_err().refusal(), Some(Refusal::RunNotActive { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_without_a_thread_meets_the_same_thread_again() {
    let mut house = House::alone();
    let node = house.started(echo()).await;
    let mut first = submit(Mode::Enqueue, "once");
    first.idempotency_key = Some(IdempotencyKey::parse("key").unwrap());
    let one = node.submit(None, first.clone()).await.unwrap();
    finished(&node, &one.run_id).await;
    let two = node.submit(None, first).await.unwrap();
    assert!(two.replayed);
    assert_eq!((one.thread_id, one.run_id), (two.thread_id, two.run_id));
}

#[tokio::test(start_paused = true)]
async fn a_batch_answers_each_item_in_order() {
    let mut house = House::alone();
    let node = house.started(lasting(Duration::from_millis(5))).await;
    let mut items: Vec<_> = (0..100)
        .map(|number| (Some(thread(&format!("t{number}"))), submit(Mode::Enqueue, "x")))
        .collect();
    items.push((Some(thread("t0")), submit(Mode::Reject, "y")));
    items.push((None, submit(Mode::Enqueue, "z")));
    items.push((Some(thread("t1")), submit(Mode::Interrupt, "w")));
    let answers = node.submit_batch(items).await;
    assert_eq!(answers.len(), 103);
    assert!(answers[100].is_err());
    for (number, answer) in answers.iter().enumerate().filter(|(number, _)| *number != 100) {
        let answer = answer.as_ref().unwrap_or_else(|error| panic!("{number}: {error}"));
        finished(&node, &answer.run_id).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_loses_nothing() {
    let mut house = House::alone();
    let node = house.started(echo()).await;
    {
        let submitting = node.submit(Some(thread("t")), submit(Mode::Enqueue, "x"));
        tokio::pin!(submitting);
        // Polled once, and then dropped.
        assert!(futures::poll!(&mut submitting).is_pending());
    }
    settle_down().await;
    let thread = node.store().thread(&thread("t")).await.unwrap().unwrap();
    assert_eq!(termination(&node, &thread.latest_run_id.unwrap()).await, Termination::NaturalEnd);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_before_the_start() {
    let mut house = House::alone();
    let node = house.node(echo());
    let refused = node.submit(None, submit(Mode::Enqueue, "x")).await.unwrap_err();
    assert!(matches!(refused, postroom_service::Error::NotReady { .. }));
}
