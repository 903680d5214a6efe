//! Several nodes on one store: the list of nodes, tasks of dead nodes, a store that is silent, and
//! nodes that are restarted one after the other.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::*;
use postroom_core::command::{Mode, Start, Submitted, Wait};
use postroom_core::dispatch::DispatchState;
use postroom_core::id::{AgentId, TaskId};
use postroom_core::message::NewMessage;
use postroom_core::node::NodeRecord;
use postroom_core::ports::RunOutcome;
use postroom_core::run::{RunState, Termination, WaitReason};
use postroom_service::{Error, Postroom};
use tokio::time::Instant;

async fn listed(node: &Postroom) -> Vec<NodeRecord> {
    node.store().nodes().await.unwrap()
}

async fn names(node: &Postroom) -> Vec<String> {
    listed(node).await.iter().map(|node| node.id.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn nodes_are_listed_with_how_they_are_until_they_end() {
    let mut house = House::shared();
    house.config.limits.max_concurrent_runs = 7;
    let first = house.node(lasting(Duration::from_mins(1)));
    first.set_address("http://10.0.0.7:8321");
    first.start().await.unwrap();
    settle_down().await;
    let second = house.started(echo()).await;
    settle_down().await;
    assert_eq!(names(&second).await, ["node-1", "node-2"], "at once");

    send(&first, "t", Mode::Enqueue, "x").await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    let record = listed(&second).await.remove(0);
    assert_eq!((record.active_runs, record.max_concurrent_runs, record.is_draining), (1, 7, false));
    assert_eq!(record.address.as_deref(), Some("http://10.0.0.7:8321"));
    assert_eq!(record.version, env!("CARGO_PKG_VERSION"));
    let age = second.store().now().await.unwrap().since(record.seen_at);
    assert!(age <= Duration::from_secs(10), "{age:?}");
    assert_eq!(record.seen_at.since(record.started_at), Duration::from_secs(20));

    let draining = first.clone();
    let shutdown = async move { draining.shutdown().await };
    let ((), ()) = tokio::join!(shutdown, async {
        settle_down().await;
        assert!(listed(&second).await[0].is_draining, "at once");
        tokio::time::sleep(Duration::from_secs(25)).await;
        assert_eq!(names(&second).await, ["node-1", "node-2"], "while it drains");
    });
    assert_eq!(names(&second).await, ["node-2"], "it has gone");
    first.start().await.unwrap();
    settle_down().await;
    assert_eq!(names(&second).await, ["node-1", "node-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_fails_changes_nothing_else() {
    let mut house = House::shared();
    house.store.no_heartbeats.store(true, Ordering::SeqCst);
    let node = house.started(lasting(Duration::from_mins(5))).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    tokio::time::sleep(Duration::from_mins(2)).await;
    assert_eq!(names(&node).await, Vec::<String>::new());
    house.store.no_heartbeats.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(names(&node).await, ["node-1"], "the next one makes it good");
    let run = finished(&node, &run.run_id).await;
    assert_eq!((run.attempt, run.termination()), (1, Some(&Termination::NaturalEnd)));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_silent_for_long_is_forgotten_and_comes_back_by_itself() {
    let mut house = House::shared();
    let _cut_off = house.started(echo()).await;
    let line = house.another_line();
    let node = house.started(echo()).await;
    line.down.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_mins(30)).await;
    let [silent, alive] = listed(&node).await.try_into().unwrap();
    assert!(alive.seen_at.since(silent.seen_at) > Duration::from_mins(29), "it is still shown");
    tokio::time::sleep(Duration::from_mins(32)).await;
    assert_eq!(names(&node).await, ["node-2"]);
    line.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(names(&node).await, ["node-1", "node-2"]);
}

/// Waits for a task that takes long, and says what it has read when it goes on.
fn waiting_for_a_task() -> Arc<Scripted> {
    scripted(|activation, context| async move {
        if activation.run.attempt > 1 {
            return RunOutcome::natural_end(Some(texts(&context.prompt().await.unwrap())));
        }
        let report = async {
            tokio::time::sleep(Duration::from_mins(10)).await;
            Some(NewMessage::user("report"))
        };
        let task = context.spawn_background(Box::pin(report)).await;
        let mut wait = Wait::new(WaitReason::BackgroundTasks);
        wait.tasks.push(task);
        RunOutcome::Waiting { last: Box::default(), wait }
    })
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_for_a_task_of_a_dead_node_goes_on_elsewhere() {
    let mut house = House::shared();
    let holder = house.started(waiting_for_a_task()).await;
    let line = house.another_line();
    let nodes = [house.started(waiting_for_a_task()).await, house.started(echo()).await];
    let run = send(&holder, "t", Mode::Enqueue, "x").await;
    assert_eq!(finished(&holder, &run.run_id).await.run_state(), RunState::Waiting);
    tokio::time::sleep(Duration::from_mins(2)).await;
    let waiting = finished(&nodes[0], &run.run_id).await;
    assert_eq!(waiting.run_state(), RunState::Waiting, "its holder lives");

    line.down.store(true, Ordering::SeqCst);
    let died = Instant::now();
    while !nodes[0].store().run(&run.run_id).await.unwrap().unwrap().is_done() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(died.elapsed() < Duration::from_secs(70), "a lease, its margin, and a sweep");
    }
    assert!(died.elapsed() > Duration::from_secs(20), "it could have come back");
    let run = finished(&nodes[0], &run.run_id).await;
    assert_eq!((run.attempt, run.termination()), (2, Some(&Termination::NaturalEnd)), "once");

    // It was not dead: what its task has to say is a message like any other.
    line.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(log(&nodes[0], "t").await, ["x", "report"]);
    assert_eq!(finished(&nodes[0], &run.id).await.attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_waited_for_where_its_node_has_left_the_list_only_for_a_moment() {
    let mut house = House::shared();
    let holder = house.started(waiting_for_a_task()).await;
    let other = house.started(waiting_for_a_task()).await;
    let run = send(&holder, "t", Mode::Enqueue, "x").await;
    assert_eq!(finished(&holder, &run.run_id).await.run_state(), RunState::Waiting);
    // The list is lost, again and again; whoever lives is in it soon, before the next look.
    for _ in 0..10 {
        for node in names(&other).await {
            other.store().forget_node(&node.parse().unwrap()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(45)).await;
    }
    assert_eq!(finished(&other, &run.run_id).await.run_state(), RunState::Waiting);
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(finished(&other, &run.run_id).await.output.as_deref(), Some("x+report"));
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_end_could_not_be_written_is_not_waited_for() {
    let mut house = House::shared();
    let node = house.started(waiting_for_a_task()).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    assert_eq!(finished(&node, &run.run_id).await.run_state(), RunState::Waiting);
    house.store.down.store(true, Ordering::SeqCst);
    node.shutdown().await;
    house.store.down.store(false, Ordering::SeqCst);
    // The same process, and the same name.
    node.start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(finished(&node, &run.run_id).await.output.as_deref(), Some("x"));
}

#[tokio::test(start_paused = true)]
async fn what_has_a_name_of_its_own_ends_with_no_node() {
    let mut house = House::shared();
    let executor = scripted(|_, _| async move {
        let mut wait = Wait::new(WaitReason::BackgroundTasks);
        wait.tasks.push(TaskId::parse("report-7").unwrap());
        RunOutcome::Waiting { last: Box::default(), wait }
    });
    let node = house.started(executor).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    tokio::time::sleep(Duration::from_hours(3)).await;
    assert_eq!(finished(&node, &run.run_id).await.run_state(), RunState::Waiting);
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_store_is_silent_stops_its_runs_and_goes_on_when_it_answers_again() {
    let mut house = House::shared();
    let stopped = Arc::new(parking_lot::Mutex::new(None));
    let seen = stopped.clone();
    let executor = scripted(move |activation, _| {
        let seen = seen.clone();
        async move {
            if texts(&activation.input) == "short" {
                return RunOutcome::natural_end(None);
            }
            let _noted = Noted(seen);
            tokio::time::sleep(Duration::from_hours(1)).await;
            RunOutcome::natural_end(None)
        }
    });
    let node = house.started(executor).await;
    let line = house.another_line();
    let other = house.started(echo()).await;
    let run = send(&node, "t", Mode::Enqueue, "long").await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    // Renewed five seconds ago.
    line.silent.store(true, Ordering::SeqCst);
    let silent = Instant::now();
    let asked = node.submit(Some(thread("u")), submit(Mode::Enqueue, "short"));
    let asked = tokio::time::timeout(Duration::from_mins(2), asked).await.expect("an answer");
    assert!(matches!(asked, Err(Error::Store(_))), "{asked:?}");

    let run = finished(&other, &run.run_id).await;
    assert_eq!(run.output.as_deref(), Some("long"), "it has gone on elsewhere");
    let stopped = stopped.lock().expect("it was stopped") - silent;
    assert!(stopped < Duration::from_secs(25), "before its lease: {stopped:?}");
    assert_eq!(node.active_runs(), 0);

    line.silent.store(false, Ordering::SeqCst);
    other.shutdown().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let run = send(&node, "v", Mode::Enqueue, "short").await;
    assert_eq!(termination(&node, &run.run_id).await, Termination::NaturalEnd);
    // The dispatcher was not left waiting for its answer either.
    let later = Start::In(Duration::from_secs(5));
    let delayed = postroom_core::command::Submit { start: later, ..submit(Mode::Enqueue, "short") };
    let run = node.submit(Some(thread("w")), delayed).await.unwrap();
    assert_eq!(termination(&node, &run.run_id).await, Termination::NaturalEnd);
}

/// Notes when it is dropped.
struct Noted(Arc<parking_lot::Mutex<Option<Instant>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        *self.0.lock() = Some(Instant::now());
    }
}

/// Two nodes that find work by signals alone: no sweep comes to their aid.
async fn two_without_sweeps(executor: impl Fn() -> Arc<Scripted>) -> (House, [Postroom; 2]) {
    let mut house = House::shared();
    house.config.mailbox.sweep_interval_ms = 86_400_000;
    house.config.limits.drain_ms = 10_000;
    let nodes = [house.started(executor()).await, house.started(executor()).await];
    (house, nodes)
}

#[tokio::test(start_paused = true)]
async fn what_a_draining_node_hands_back_starts_elsewhere_at_once() {
    let (_house, [node, other]) = two_without_sweeps(|| {
        scripted(|activation, _| async move {
            if activation.run.attempt == 1 {
                tokio::time::sleep(Duration::from_hours(1)).await;
            }
            RunOutcome::natural_end(Some(texts(&activation.input)))
        })
    })
    .await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    let behind = send(&node, "t", Mode::Enqueue, "y").await;
    let later = Start::In(Duration::from_secs(2));
    let began = Instant::now();
    let draining = node.clone();
    let ((), delayed) = tokio::join!(async move { draining.shutdown().await }, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let delayed = postroom_core::command::Submit { start: later, ..submit(Mode::Enqueue, "z") };
        node.submit(Some(thread("u")), delayed).await.unwrap()
    });
    let drained = began.elapsed();
    assert!((10..16).contains(&drained.as_secs()), "{drained:?}");
    assert_eq!(finished(&other, &run.run_id).await.output.as_deref(), Some("x"));
    let elsewhere = began.elapsed().saturating_sub(drained);
    assert!(elsewhere < Duration::from_secs(1), "{elsewhere:?}");
    let dispatch = other.store().dispatch(run.dispatch_id.unwrap()).await.unwrap().unwrap();
    assert_eq!((dispatch.state(), dispatch.attempt_count), (DispatchState::Acked, 0));
    // What waited behind it has its turn, and what came for later its time.
    settle_down().await;
    let running = |run: &Submitted| {
        let (store, id) = (other.store().clone(), run.run_id.clone());
        async move { store.run(&id).await.unwrap().unwrap().run_state() }
    };
    assert_eq!(running(&behind).await, RunState::Running);
    assert_eq!(running(&delayed).await, RunState::Running);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_task_at_a_shutdown_wakes_its_run_elsewhere_at_once() {
    let (_house, [node, other]) = two_without_sweeps(waiting_for_a_task).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    assert_eq!(finished(&node, &run.run_id).await.run_state(), RunState::Waiting);
    node.shutdown().await;
    let began = Instant::now();
    assert_eq!(finished(&other, &run.run_id).await.output.as_deref(), Some("x"));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn retries_of_a_draining_node_keep_their_time() {
    let (_house, [node, other]) = two_without_sweeps(|| {
        scripted(|activation, _| async move {
            if activation.run.attempt > 1 {
                return RunOutcome::natural_end(None);
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            RunOutcome::TransientError { error: "for now".to_owned() }
        })
    })
    .await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    settle_down().await;
    node.shutdown().await;
    let began = Instant::now();
    assert_eq!(termination(&other, &run.run_id).await, Termination::NaturalEnd);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_costs_no_attempt_and_no_client_more_than_another_try() {
    let mut house = House::shared();
    house.config.limits.drain_ms = 5_000;
    house.config.limits.max_concurrent_runs = 8;
    house.config.mailbox.sweep_interval_ms = 86_400_000;
    // Some runs outlast the drain, whatever node they are on.
    let executor = || {
        scripted(|activation, _| async move {
            let long = activation.run.agent_id == AgentId::parse("slow").unwrap();
            let time = if long { 8_000 } else { 40 };
            tokio::time::sleep(Duration::from_millis(time)).await;
            RunOutcome::natural_end(Some(texts(&activation.input)))
        })
    };
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(house.started(executor()).await);
    }
    let nodes = Arc::new(nodes);

    let restarts = async {
        for node in nodes.iter() {
            tokio::time::sleep(Duration::from_secs(4)).await;
            node.shutdown().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            node.start().await.unwrap();
        }
    };
    let clients = (0..6_usize).map(|client| {
        let nodes = nodes.clone();
        async move {
            let mut sent = Vec::new();
            for letter in 0..60_usize {
                let mut what = submit(Mode::Enqueue, &format!("{client}/{letter}"));
                if letter % 20 == 7 {
                    what.agent_id = Some(AgentId::parse("slow").unwrap());
                }
                // Where a node takes nothing, the next one does.
                let mut at = client + letter;
                let run = loop {
                    let thread = thread(&format!("t{}", (client * 7 + letter) % 25));
                    match nodes[at % 3].submit(Some(thread), what.clone()).await {
                        Ok(run) => break run,
                        Err(Error::NotReady { .. }) => at += 1,
                        Err(error) => panic!("{error}"),
                    }
                };
                sent.push((format!("{client}/{letter}"), run));
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            sent
        }
    });
    let ((), sent) = tokio::join!(restarts, futures::future::join_all(clients));
    for (text, run) in sent.into_iter().flatten() {
        let ended = finished(&nodes[0], &run.run_id).await;
        assert_eq!(ended.output.as_deref(), Some(text.as_str()));
        if let Some(id) = run.dispatch_id {
            let dispatch = nodes[0].store().dispatch(id).await.unwrap().unwrap();
            assert_eq!((dispatch.state(), dispatch.attempt_count), (DispatchState::Acked, 0));
        }
    }
}
