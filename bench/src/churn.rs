//! Whether a claim on PostgreSQL costs the same after all those that were before it: rows that are
//! dead, and entries of indexes that lead to them, are what slows a queue in a database down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use postroom_core::command::{Activation, Command, Envelope};
use postroom_core::id::ThreadId;
use postroom_core::ports::{Executor, MailboxStore, RunContext, RunOutcome};
use postroom_service::{Postroom, TokioSpawner};
use postroom_stores::postgres::{Options, PostgresStore};
use tokio::sync::Semaphore;

use crate::fixture::{ids, service_for, submission, thread};
use crate::growth::settle;
use crate::load::settled;
use crate::store::request;
use crate::yardstick::stopwatch;

/// Over how many threads it goes.
const THREADS: u64 = 1_000;

/// How many submit at once, and how many runs are executed at once: few places, so that most runs are
/// queued first, and claimed.
const SUBMITTERS: u64 = 64;
const AT_ONCE: usize = 64;

/// How many runs are under way at most: what waits does not pile up.
const UNDER_WAY: usize = 2_000;

/// How many threads' heads one claim takes.
const CLAIMED: u64 = 16;

/// How many claims are timed in each of the two schemas.
const SAMPLES: usize = 400;

/// How many of the first are not counted: connections are made, and caches filled.
const WARMING: usize = 100;

/// What a claim may cost after the churn, as a multiple of what it costs on an empty database.
const LIMIT: f64 = 1.3;

/// Churns for so many `minutes`, and compares with a schema that is new, on the same server.
pub fn measure(url: &str, minutes: u64) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let churned = open(url, "postroom_churned").await?;
        churn(&churned, Duration::from_secs(60 * minutes)).await?;
        let empty = open(url, "postroom_empty").await?;
        compare(&churned, &empty).await
    })
}

async fn open(url: &str, schema: &str) -> anyhow::Result<Arc<dyn MailboxStore>> {
    let mut options = Options::new(url, ids(), Arc::new(TokioSpawner));
    schema.clone_into(&mut options.schema);
    Ok(Arc::new(PostgresStore::open(options).await?))
}

/// Runs as many as go through in so long a time, and says each minute how many these were.
#[expect(clippy::cast_precision_loss, reason = "far fewer runs than 2^52")]
async fn churn(store: &Arc<dyn MailboxStore>, time: Duration) -> anyhow::Result<()> {
    let executor =
        Arc::new(Counting { ended: AtomicU64::new(0), places: Semaphore::new(UNDER_WAY) });
    let postroom = service_for(store.clone(), executor.clone(), AT_ONCE).await?;
    let end = stopwatch() + time;
    let next = Arc::new(AtomicU64::new(0));
    let mut submitters = tokio::task::JoinSet::new();
    for _ in 0..SUBMITTERS {
        submitters.spawn(submit_until(end, next.clone(), postroom.clone(), executor.clone()));
    }
    let (mut before, mut minute) = (0, 0);
    while stopwatch() < end {
        let start = stopwatch();
        tokio::time::sleep(Duration::from_mins(1).min(end.saturating_duration_since(start))).await;
        let ended = executor.ended();
        minute += 1;
        let rate = (ended - before) as f64 / start.elapsed().as_secs_f64();
        println!("churn/postgres: minute {minute}: {rate:.0} runs/s");
        before = ended;
    }
    while let Some(done) = submitters.join_next().await {
        done??;
    }
    settled(&postroom).await?;
    postroom.shutdown().await;
    println!("churn/postgres: {} runs in {} s", executor.ended(), time.as_secs());
    Ok(())
}

/// Ends each run at once, counts it, and lets another be submitted for it.
struct Counting {
    ended: AtomicU64,
    places: Semaphore,
}

impl Counting {
    fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Executor for Counting {
    async fn run(&self, _activation: Activation, _context: Arc<dyn RunContext>) -> RunOutcome {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.places.add_permits(1);
        RunOutcome::natural_end(None)
    }
}

/// Submits one after the other, as long as there are places.
async fn submit_until(
    end: Instant,
    next: Arc<AtomicU64>,
    postroom: Postroom,
    executor: Arc<Counting>,
) -> anyhow::Result<()> {
    while stopwatch() < end {
        executor.places.acquire().await?.forget();
        let number = next.fetch_add(1, Ordering::Relaxed);
        postroom.submit(Some(thread(number % THREADS)), submission()).await?;
    }
    Ok(())
}

/// Times claims in turn, so that a noisy moment of the machine meets both.
async fn compare(
    churned: &Arc<dyn MailboxStore>,
    empty: &Arc<dyn MailboxStore>,
) -> anyhow::Result<()> {
    let (mut after, mut before) = (Vec::new(), Vec::new());
    for number in 0..WARMING + SAMPLES {
        let times = [claim(churned.as_ref()).await?, claim(empty.as_ref()).await?];
        if number >= WARMING {
            after.push(times[0]);
            before.push(times[1]);
        }
    }
    let (after, before) = (median(after)?, median(before)?);
    let ratio = after.as_secs_f64() / before.as_secs_f64();
    let verdict = if ratio <= LIMIT { "within" } else { "OVER" };
    println!(
        "churn/postgres: claiming the heads of {CLAIMED} threads takes {} µs, on an empty database {} µs: {ratio:.2} times as long ({verdict} {LIMIT})",
        after.as_micros(),
        before.as_micros(),
    );
    Ok(())
}

/// How long it takes to claim what is ready in some threads.
async fn claim(store: &dyn MailboxStore) -> anyhow::Result<Duration> {
    let threads: Vec<ThreadId> = (0..CLAIMED).map(thread).collect();
    let submit = |id: ThreadId| Envelope::new(id, Command::Submit(Box::new(submission())));
    for answer in store.apply(threads.into_iter().map(submit).collect()).await {
        answer?;
    }
    let start = stopwatch();
    let claimed = store.claim_ready(request(), usize::try_from(CLAIMED)?).await?.claimed;
    let elapsed = start.elapsed();
    anyhow::ensure!(claimed.len() as u64 == CLAIMED, "{} were claimed", claimed.len());
    let settles = claimed.into_iter().filter_map(|delivered| {
        let claim = delivered.dispatch.claim()?.clone();
        Some(Envelope::new(delivered.dispatch.thread_id.clone(), settle(claim)))
    });
    for answer in store.apply(settles.collect()).await {
        answer?;
    }
    Ok(elapsed)
}

fn median(mut times: Vec<Duration>) -> anyhow::Result<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("there is no sample")
}
