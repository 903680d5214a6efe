//! The load program: many submitters, many threads, the whole service.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use postroom_core::ports::MailboxStore;
use postroom_service::Postroom;

use crate::fixture::{Nothing, memory, service, sqlite, submission, thread};
use crate::yardstick::{cpu_time, stopwatch, syncs_per_second};

pub fn in_memory(runs: u64) -> anyhow::Result<()> {
    let report = run(memory(), Plan { runs, submitters: 64, threads: 500 })?;
    println!(
        "service/memory: {:.0} runs/s on this machine (wanted: 40000 on two cores)",
        report.rate
    );
    report.print("service/memory");
    Ok(())
}

pub fn on_sqlite(
    runs: u64,
    submitters: u64,
    threads: u64,
    directory: Option<&Path>,
) -> anyhow::Result<()> {
    let folder = match directory {
        Some(directory) => tempfile::tempdir_in(directory)?,
        None => tempfile::tempdir()?,
    };
    let syncs = syncs_per_second(folder.path())?;
    let single = single_commits(folder.path())?;
    let report = run(sqlite(folder.path())?, Plan { runs, submitters, threads })?;
    println!(
        "service/sqlite: {:.0} runs/s with {submitters} submitters over {threads} threads; one by one the store commits {single:.0} times a second: {:.1} times as many; the disk syncs {syncs:.0} times a second",
        report.rate,
        report.rate / single,
    );
    report.print("service/sqlite");
    Ok(())
}

/// How many durable submissions a second the store takes one after the other.
fn single_commits(folder: &Path) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir_in(folder)?;
    let store = sqlite(folder.path())?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let start = stopwatch();
        let mut count = 0_u32;
        while start.elapsed() < Duration::from_secs(1) {
            let command = postroom_core::command::Command::Submit(Box::new(submission()));
            crate::store::apply(store.as_ref(), &thread(u64::from(count) % 500), command).await?;
            count += 1;
        }
        Ok(f64::from(count) / start.elapsed().as_secs_f64())
    })
}

/// How many runs, by whom and over what.
#[derive(Clone, Copy)]
pub struct Plan {
    pub runs: u64,
    pub submitters: u64,
    pub threads: u64,
}

pub struct Report {
    pub rate: f64,
    cpu_per_run: Duration,
    submit: Histogram<u64>,
}

impl Report {
    pub fn print(&self, name: &str) {
        let at = |quantile| self.submit.value_at_quantile(quantile);
        println!(
            "{name}: submit p50 {} µs, p90 {} µs, p99 {} µs, max {} µs; {} µs of CPU a run",
            at(0.5),
            at(0.9),
            at(0.99),
            self.submit.max(),
            self.cpu_per_run.as_micros(),
        );
    }
}

fn run(store: Arc<dyn MailboxStore>, plan: Plan) -> anyhow::Result<Report> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run_on(store, plan))
}

/// Carries the plan out on the runtime that it is called from.
pub async fn run_on(store: Arc<dyn MailboxStore>, plan: Plan) -> anyhow::Result<Report> {
    let executor = Arc::new(Nothing::default());
    let postroom = service(store, executor.clone()).await?;
    // Threads and caches are there before the clock starts.
    submit_all(&postroom, Plan { runs: plan.threads, ..plan }).await?;
    settled(&postroom).await?;
    let (cpu, start) = (cpu_time()?, stopwatch());
    let submit = submit_all(&postroom, plan).await?;
    settled(&postroom).await?;
    let elapsed = start.elapsed();
    let cpu = cpu_time()?.saturating_sub(cpu);
    anyhow::ensure!(executor.ended() == plan.runs + plan.threads, "every run ran once");
    postroom.shutdown().await;
    #[expect(clippy::cast_precision_loss, reason = "far fewer runs than 2^52")]
    let rate = plan.runs as f64 / elapsed.as_secs_f64();
    let cpu_per_run = cpu / u32::try_from(plan.runs)?;
    Ok(Report { rate, cpu_per_run, submit })
}

/// Submits all runs, and answers how long each submission took, in microseconds.
async fn submit_all(postroom: &Postroom, plan: Plan) -> anyhow::Result<Histogram<u64>> {
    let next = Arc::new(AtomicU64::new(0));
    let mut submitters = tokio::task::JoinSet::new();
    for _ in 0..plan.submitters {
        let (postroom, next) = (postroom.clone(), next.clone());
        submitters.spawn(async move {
            let mut times = Histogram::<u64>::new(3)?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= plan.runs {
                    return anyhow::Ok(times);
                }
                let start = stopwatch();
                postroom.submit(Some(thread(number % plan.threads)), submission()).await?;
                times.record(u64::try_from(start.elapsed().as_micros())?)?;
            }
        });
    }
    let mut all = Histogram::<u64>::new(3)?;
    while let Some(times) = submitters.join_next().await {
        all.add(times??)?;
    }
    Ok(all)
}

/// Waits until nothing is queued or claimed.
pub async fn settled(postroom: &Postroom) -> anyhow::Result<()> {
    loop {
        let depth = postroom.store().depth().await?;
        if depth.counts[0] + depth.counts[1] == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
