//! The whole service on PostgreSQL, beside what `pgbench` reaches on the same server in the same
//! run, and with what PostgreSQL itself has counted.

use std::process::Command as Program;
use std::sync::Arc;

use anyhow::Context;
use postroom_core::command::Command;
use postroom_core::ports::MailboxStore;
use postroom_service::TokioSpawner;
use postroom_stores::postgres::{Options, PostgresStore};

use crate::counters::Counters;
use crate::fixture::{Nothing, ids, service, submission, thread};
use crate::idle;
use crate::load::{Plan, run_on, settled};
use crate::yardstick::{cpu_time, stopwatch};

/// How much is queued for the drain.
const BACKLOG: u64 = 100_000;

/// A part of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// From a submission to its run's start, where nothing else goes on.
    Idle,
    /// One message each.
    Service,
    /// A backlog.
    Drain,
    /// What `pgbench` reaches.
    Yardstick,
}

/// Measures on the server at `url`, which has nothing else to do.
pub fn measure(
    url: &str,
    plan: Plan,
    lanes: Option<usize>,
    seconds: u64,
    only: Option<Part>,
) -> anyhow::Result<()> {
    let takes_part = |part| only.is_none_or(|only| only == part);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let counters = Counters::connect(url).await?;
        if takes_part(Part::Idle) {
            idle::measure(open(url, lanes).await?, counters.client()).await?;
        }
        if takes_part(Part::Service) {
            Box::pin(serve(url, &counters, plan, lanes)).await?;
        }
        if takes_part(Part::Drain) {
            Box::pin(drain(url, &counters, plan.threads, lanes)).await?;
        }
        anyhow::Ok(())
    })?;
    if takes_part(Part::Yardstick) { pgbench(url, seconds) } else { Ok(()) }
}

/// How fast runs go through that are submitted as they end.
async fn serve(
    url: &str,
    counters: &Counters,
    plan: Plan,
    lanes: Option<usize>,
) -> anyhow::Result<()> {
    let store = open(url, lanes).await?;
    let before = counters.read().await?;
    let report = run_on(store.clone(), plan).await?;
    let after = counters.read().await?;
    println!(
        "service/postgres: {:.0} runs/s with {} submitters over {} threads (wanted: 8000)",
        report.rate, plan.submitters, plan.threads,
    );
    report.print("service/postgres");
    after.since(&before).print("service/postgres", plan.runs + plan.threads);
    Ok(())
}

/// A store at `url`, with so many lanes, or its default.
pub async fn open(url: &str, lanes: Option<usize>) -> anyhow::Result<Arc<dyn MailboxStore>> {
    let mut options = Options::new(url, ids(), Arc::new(TokioSpawner));
    options.lanes = lanes.unwrap_or(options.lanes);
    Ok(Arc::new(PostgresStore::open(options).await?))
}

/// How fast a backlog is worked off.
async fn drain(
    url: &str,
    counters: &Counters,
    threads: u64,
    lanes: Option<usize>,
) -> anyhow::Result<()> {
    let store = open(url, lanes).await?;
    let mut number = 0;
    while number < BACKLOG {
        let batch = (number..BACKLOG.min(number + 2_000)).map(|number| {
            let command = Command::Submit(Box::new(submission()));
            postroom_core::command::Envelope::new(thread(number % threads), command)
        });
        for answer in store.apply(batch.collect()).await {
            answer?;
        }
        number += 2_000;
    }
    let before = counters.read().await?;
    let (cpu, start) = (cpu_time()?, stopwatch());
    let executor = Arc::new(Nothing::default());
    let postroom = service(store.clone(), executor.clone()).await?;
    settled(&postroom).await?;
    let elapsed = start.elapsed();
    let cpu = cpu_time()?.saturating_sub(cpu);
    anyhow::ensure!(executor.ended() == BACKLOG, "every run ran once");
    postroom.shutdown().await;
    #[expect(clippy::cast_precision_loss, reason = "far fewer runs than 2^52")]
    let rate = BACKLOG as f64 / elapsed.as_secs_f64();
    println!(
        "drain/postgres: {rate:.0} runs/s from a backlog of {BACKLOG} over {threads} threads (wanted: 15000); {} µs of the node's CPU a run",
        (cpu / u32::try_from(BACKLOG)?).as_micros()
    );
    counters.read().await?.since(&before).print("drain/postgres", BACKLOG);
    // Not before: a connection that is closed takes its share of the CPU time with it.
    drop(store);
    Ok(())
}

/// What PostgreSQL's own benchmark reaches: an update, a select and an insert a transaction.
fn pgbench(url: &str, seconds: u64) -> anyhow::Result<()> {
    let run = |arguments: &[&str]| -> anyhow::Result<String> {
        let output = Program::new("pgbench").args(arguments).arg(url).output();
        let output = output.context("pgbench is not there: install postgresql-contrib")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        anyhow::ensure!(
            output.status.success(),
            "pgbench failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(said)
    };
    run(&["-i", "-q", "-s", "10"])?;
    let said = run(&["-N", "-M", "prepared", "-c", "64", "-j", "2", "-T", &seconds.to_string()])?;
    let line = said.lines().find(|line| line.starts_with("tps")).unwrap_or("no result");
    println!("yardstick: pgbench -N -M prepared with 64 clients: {line}");
    Ok(())
}
