//! Schedules on the real mailbox, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use postroom_automation::Automation;
use postroom_automation::schedule::{
    Control, Missed, Schedule, ScheduleState, Task, submission, thread_of,
};
use postroom_core::command::{Activation, Mode};
use postroom_core::dispatch::Priority;
use postroom_core::id::{NodeId, RunId, TenantId, ThreadId};
use postroom_core::message::{Metadata, NewMessage};
use postroom_core::ports::{Clock, Executor, RunContext, RunFilter, RunOutcome};
use postroom_core::run::{Origin, Run};
use postroom_core::time::Timestamp;
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::system::SystemIds;
use serde_json::Value;
use tokio::time::Instant;

/// 2026-11-20T12:00:30Z, between two minutes.
const BEGAN: i64 = 1_795_176_030_000;

struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(BEGAN) + self.0.elapsed()
    }
}

/// Ends each run, and notes for which time it was.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Executor for Notes {
    async fn run(&self, activation: Activation, _: Arc<dyn RunContext>) -> RunOutcome {
        assert_eq!(activation.run.origin, Origin::Schedule);
        let at = activation.run.spec.metadata["scheduled_at"].as_str().unwrap().to_owned();
        self.0.lock().push(at);
        RunOutcome::natural_end(None)
    }
}

struct House {
    store: Arc<MemoryStore>,
    notes: Notes,
    nodes: u32,
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(PausedClock(Instant::now()));
        let store = Arc::new(MemoryStore::new(clock, Arc::new(SystemIds::new())));
        Self { store, notes: Notes::default(), nodes: 0 }
    }

    async fn start_node(&mut self) -> Postroom {
        self.nodes += 1;
        let parts = Parts {
            store: self.store.clone(),
            signals: Arc::new(LocalSignals::default()),
            live: Arc::new(LocalLive::default()),
            feed: Arc::new(LocalFeed::default()),
            executor: Arc::new(Automation::new(Arc::new(self.notes.clone()), None)),
            ids: Arc::new(SystemIds::new()),
            spawner: Arc::new(TokioSpawner),
            tracer: None,
            on_collect: None,
        };
        let name = NodeId::parse(&format!("node-{}", self.nodes)).unwrap();
        let node = Postroom::new(parts, Config::default(), name);
        node.start().await.unwrap();
        node
    }

    /// The times that runs were for, in order.
    fn times(&self) -> Vec<String> {
        let mut times = self.notes.0.lock().clone();
        times.sort();
        times
    }

    fn minutes(&self) -> Vec<String> {
        self.times().iter().map(|at| at["2026-11-20T".len()..][..5].to_owned()).collect()
    }
}

fn every_minute(missed: Missed) -> Schedule {
    Schedule {
        cron: "* * * * *".into(),
        time_zone: "UTC".into(),
        missed,
        task: Task {
            thread_id: None,
            agent_id: None,
            mode: Mode::Enqueue,
            messages: vec![NewMessage::user("What is new?")],
            priority: Priority::default(),
            max_attempts: 5,
            overrides: Value::Null,
            metadata: Metadata::default(),
            webhook: None,
        },
    }
}

fn thread() -> ThreadId {
    thread_of(&TenantId::default(), "news").unwrap()
}

async fn plan(node: &Postroom, schedule: &Schedule) -> RunId {
    node.submit(Some(thread()), submission(schedule)).await.unwrap().run_id
}

async fn state(node: &Postroom, run_id: &RunId) -> ScheduleState {
    ScheduleState::of(&run(node, run_id).await)
}

async fn run(node: &Postroom, run_id: &RunId) -> Run {
    node.store().run(run_id).await.unwrap().unwrap()
}

async fn minutes(count: u64) {
    tokio::time::sleep(Duration::from_mins(count)).await;
}

#[tokio::test(start_paused = true)]
async fn each_time_is_submitted_for_once_by_several_nodes() {
    let mut house = House::new();
    let node = house.start_node().await;
    let other = house.start_node().await;
    let run_id = plan(&node, &every_minute(Missed::Once)).await;
    minutes(3).await;
    assert_eq!(house.minutes(), ["12:01", "12:02", "12:03"]);
    assert_eq!(node.active_runs() + other.active_runs(), 0, "it waits without an executor");

    // Whoever is left goes on.
    node.shutdown().await;
    minutes(2).await;
    assert_eq!(house.minutes(), ["12:01", "12:02", "12:03", "12:04", "12:05"]);
    let state = state(&other, &run_id).await;
    assert_eq!((state.fired, state.paused), (5, false));
    let ended = RunFilter { agent_id: None, ..RunFilter::default() };
    let runs = other.store().runs(&ended, 100, None).await.unwrap().items;
    let threads: BTreeMap<ThreadId, usize> = runs
        .iter()
        .filter(|run| run.origin == Origin::Schedule)
        .fold(BTreeMap::new(), |mut threads, run| {
            *threads.entry(run.thread_id.clone()).or_default() += 1;
            threads
        });
    assert_eq!(threads.len(), 5, "each time has a thread of its own: {threads:?}");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_may_write_to_one_thread() {
    let mut house = House::new();
    let node = house.start_node().await;
    let mut schedule = every_minute(Missed::Once);
    let diary = ThreadId::parse("diary").unwrap();
    schedule.task.thread_id = Some(diary.clone());
    plan(&node, &schedule).await;
    minutes(3).await;
    let log = node.store().messages(&diary, 0, 100).await.unwrap();
    assert_eq!(log.len(), 3, "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_made_good_as_wished() {
    for (missed, expected) in [
        (Missed::Once, &["12:01", "12:05", "12:06"][..]),
        // Half a minute late is not missed.
        (Missed::Skip, &["12:01", "12:05", "12:06"]),
        (Missed::All, &["12:01", "12:02", "12:03", "12:04", "12:05", "12:06"]),
    ] {
        let mut house = House::new();
        let node = house.start_node().await;
        plan(&node, &every_minute(missed)).await;
        minutes(1).await;
        node.shutdown().await;
        minutes(4).await;
        let _node = house.start_node().await;
        minutes(1).await;
        assert_eq!(house.minutes(), expected, "{missed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_schedule_submits_nothing_and_misses_nothing() {
    let mut house = House::new();
    let node = house.start_node().await;
    let run_id = plan(&node, &every_minute(Missed::All)).await;
    minutes(1).await;
    node.submit(Some(thread()), Control::Pause.submission()).await.unwrap();
    minutes(5).await;
    assert_eq!(house.minutes(), ["12:01"]);
    let paused = state(&node, &run_id).await;
    assert_eq!((paused.paused, paused.next_at), (true, None));
    let depth = node.store().depth().await.unwrap();
    assert_eq!(depth.counts[0], 0, "nothing is queued for it");

    let resumed = node.submit(Some(thread()), Control::Resume.submission()).await.unwrap();
    assert_eq!(resumed.run_id, run_id, "the same run goes on");
    minutes(2).await;
    assert_eq!(house.minutes(), ["12:01", "12:07", "12:08"]);
    assert!(!state(&node, &run_id).await.paused);
}

#[tokio::test(start_paused = true)]
async fn a_refused_submission_is_said_and_the_next_one_comes() {
    let mut house = House::new();
    let node = house.start_node().await;
    let mut schedule = every_minute(Missed::Once);
    schedule.task.messages.clear();
    let run_id = plan(&node, &schedule).await;
    minutes(2).await;
    let state = state(&node, &run_id).await;
    assert_eq!((state.fired, state.last_run_id), (2, None));
    assert!(state.last_error.is_some_and(|error| error.contains("message")));
    assert!(!run(&node, &run_id).await.is_done());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_schedule_is_over_and_its_id_is_free_again() {
    let mut house = House::new();
    let node = house.start_node().await;
    let run_id = plan(&node, &every_minute(Missed::Once)).await;
    minutes(1).await;
    node.cancel_run(&run_id).await.unwrap();
    minutes(3).await;
    assert_eq!(house.minutes(), ["12:01"]);
    node.delete_thread(&thread()).await.unwrap();
    let again = plan(&node, &every_minute(Missed::Once)).await;
    minutes(1).await;
    assert_eq!(house.minutes(), ["12:01", "12:05"]);
    assert_eq!(state(&node, &again).await.fired, 1, "it has a life of its own");
}
