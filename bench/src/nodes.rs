//! Several nodes on one PostgreSQL, in one process: are they together as fast as one, and how soon
//! does a node with room begin what was submitted to one without?

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use hdrhistogram::Histogram;
use postroom_core::command::Activation;
use postroom_core::id::NodeId;
use postroom_core::ports::{EventFeed, Executor, LiveControl, RunContext, RunOutcome, Signals};
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::fallback::Fallback;
use postroom_signals::nats::{self, Nats};
use postroom_signals::postgres::{Bus, Options};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::counters::Counters;
use crate::fixture::{Nothing, ids, submission, thread};
use crate::load::{Plan, settled};
use crate::postgres::open;
use crate::yardstick::{cpu_time, stopwatch};

/// How many nodes are many.
const NODES: usize = 3;

/// How many submit at once: as to one node, and as many for each.
const SUBMITTERS: [u64; 2] = [64, 64 * NODES as u64];

/// How many runs each node executes at once: more than are under way, of which each has a place from its
/// submission to its end.
const AT_ONCE: usize = 1_024;

/// How often the nodes say that they are there: they know of each other before it is measured.
const BEAT_MS: u64 = 100;

/// How many submissions to a full node, one after the other.
const SUBMISSIONS: u64 = 300;

/// Where the nodes meet.
#[derive(Clone, Copy)]
pub struct Place<'u> {
    /// The PostgreSQL server.
    pub url: &'u str,
    /// The NATS server, if it is to carry what they tell each other.
    pub nats: Option<&'u str>,
    /// How many lanes the store of each has, or its default.
    pub lanes: Option<usize>,
}

/// Measures both, with the nodes at `place`.
pub fn measure(place: Place<'_>, runs: u64) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure_at(place, runs))
}

async fn measure_at(place: Place<'_>, runs: u64) -> anyhow::Result<()> {
    let counters = Counters::connect(place.url).await?;
    full(place).await?;
    for submitters in SUBMITTERS {
        let plan = Plan { runs, submitters, threads: 1_000 };
        let mut best = [0.0_f64; 2];
        // In turn, so that a noisy moment of the machine meets both.
        for _ in 0..2 {
            for (best, nodes) in best.iter_mut().zip([1, NODES]) {
                *best = best.max(together(place, nodes, plan, &counters).await?);
            }
        }
        let [one, many] = best;
        println!(
            "nodes/{}: {many:.0} runs/s with {NODES} nodes, {one:.0} with one, of {submitters} submitters: {:.2} times as many (wanted: 1)",
            place.name(),
            many / one,
        );
    }
    Ok(())
}

impl Place<'_> {
    fn name(self) -> &'static str {
        if self.nats.is_some() { "nats" } else { "postgres" }
    }

    /// A node of its own, as the server wires it.
    async fn node(self, executor: Arc<dyn Executor>, at_once: usize) -> anyhow::Result<Postroom> {
        let spawner = Arc::new(TokioSpawner);
        let installation = "postroom".to_owned();
        let bus = Bus::open(Options {
            config: self.url.parse()?,
            tls: None,
            installation: installation.clone(),
            ids: ids(),
            spawner: spawner.clone(),
        });
        let (signals, live, feed): (Arc<dyn Signals>, Arc<dyn LiveControl>, Arc<dyn EventFeed>);
        match self.nats {
            None => {
                (signals, live) = (Arc::new(bus.signals()), Arc::new(bus.live()));
                feed = Arc::new(bus.feed());
            }
            Some(url) => {
                let (url, ids, spawner) = (url.to_owned(), ids(), spawner.clone());
                let options = nats::Options { url, tls: None, installation, ids, spawner };
                let both = Fallback::new(Nats::connect(options).await?, bus, &TokioSpawner);
                (signals, live) = (Arc::new(both.signals()), Arc::new(both.live()));
                feed = Arc::new(both.feed());
            }
        }
        let mut config = Config::default();
        config.limits.max_concurrent_runs = at_once;
        config.mailbox.heartbeat_interval_ms = BEAT_MS;
        let store = open(self.url, self.lanes).await?;
        let parts = Parts {
            store,
            signals,
            live,
            feed,
            executor,
            ids: ids(),
            spawner,
            tracer: None,
            on_collect: None,
        };
        let node = Postroom::new(parts, config, NodeId::from(ids().new_uuid()));
        node.start().await?;
        Ok(node)
    }
}

/// How many runs a second so many nodes end together; the submitters are spread over them.
async fn together(
    place: Place<'_>,
    count: usize,
    plan: Plan,
    counters: &Counters,
) -> anyhow::Result<f64> {
    let executor = Arc::new(Nothing::default());
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(place.node(executor.clone(), AT_ONCE).await?);
    }
    // Each has heard of all others by its second word.
    tokio::time::sleep(Duration::from_millis(3 * BEAT_MS)).await;
    let before = counters.read().await?;
    let (cpu, start) = (cpu_time()?, stopwatch());
    let next = Arc::new(AtomicU64::new(0));
    let mut submitters = tokio::task::JoinSet::new();
    for (_, node) in (0..plan.submitters).zip(nodes.iter().cycle()) {
        let (node, next) = (node.clone(), next.clone());
        submitters.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= plan.runs {
                    return anyhow::Ok(());
                }
                node.submit(Some(thread(number % plan.threads)), submission()).await?;
            }
        });
    }
    while let Some(ended) = submitters.join_next().await {
        ended??;
    }
    settled(&nodes[0]).await?;
    let elapsed = start.elapsed();
    let cpu = cpu_time()?.saturating_sub(cpu) / u32::try_from(plan.runs)?;
    anyhow::ensure!(executor.ended() == plan.runs, "every run ran once");
    let name = format!("nodes/{}: {count} of them", place.name());
    println!("{name}: {} µs of their own CPU a run", cpu.as_micros());
    counters.read().await?.since(&before).print(&name, plan.runs);
    for node in nodes {
        node.shutdown().await;
    }
    #[expect(clippy::cast_precision_loss, reason = "far fewer runs than 2^52")]
    let runs = plan.runs as f64;
    Ok(runs / elapsed.as_secs_f64())
}

/// Keeps every run until it is let go.
#[derive(Default)]
struct Holds(Notify);

#[async_trait]
impl Executor for Holds {
    async fn run(&self, _activation: Activation, _context: Arc<dyn RunContext>) -> RunOutcome {
        self.0.notified().await;
        RunOutcome::natural_end(None)
    }
}

/// Says when each run starts, and ends it.
struct Starts(UnboundedSender<Instant>);

#[async_trait]
impl Executor for Starts {
    async fn run(&self, _activation: Activation, _context: Arc<dyn RunContext>) -> RunOutcome {
        // Who listens no more has seen enough.
        let _ = self.0.send(stopwatch());
        RunOutcome::natural_end(None)
    }
}

/// What is submitted to a node without room begins at one with room.
async fn full(place: Place<'_>) -> anyhow::Result<()> {
    let holds = Arc::new(Holds::default());
    let without_room = place.node(holds.clone(), 1).await?;
    without_room.submit(Some(thread(1_000_000)), submission()).await?;
    let (started, mut starts) = unbounded_channel();
    let with_room = place.node(Arc::new(Starts(started)), 64).await?;
    let mut waits = Histogram::<u64>::new(3)?;
    for number in 0..SUBMISSIONS {
        let start = stopwatch();
        let submitted = without_room.submit(Some(thread(number % 50)), submission()).await?;
        let began = starts.recv().await.context("the service ended")?;
        waits.record(u64::try_from(began.saturating_duration_since(start).as_micros())?)?;
        with_room.wait(&submitted.run_id, Duration::from_secs(10)).await?;
    }
    holds.0.notify_one();
    for node in [without_room, with_room] {
        node.shutdown().await;
    }
    let wanted = if place.nats.is_some() { 10_000 } else { 20_000 };
    println!(
        "full/{}: what was submitted to a full node begins on another after {} µs (p99 {} µs, wanted: p50 {wanted})",
        place.name(),
        waits.value_at_quantile(0.5),
        waits.value_at_quantile(0.99),
    );
    Ok(())
}
