//! An idle node on PostgreSQL: how long after a submission does its run start, in commits of the
//! same server?

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use async_trait::async_trait;
use hdrhistogram::Histogram;
use postroom_core::command::Activation;
use postroom_core::ports::{Executor, MailboxStore, RunContext, RunOutcome};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::Client;

use crate::fixture::{service, submission, thread};
use crate::yardstick::stopwatch;

/// How many submissions, one after the other.
const SUBMISSIONS: u64 = 500;

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

/// Measures on `store`; `client` commits beside it, on the same server.
pub async fn measure(store: Arc<dyn MailboxStore>, client: &Client) -> anyhow::Result<()> {
    // Not a temporary table: those write no log.
    client.batch_execute("CREATE TABLE IF NOT EXISTS public.postroom_bench (n bigint)").await?;
    let insert = client.prepare("INSERT INTO public.postroom_bench VALUES ($1)").await?;
    let (started, mut starts) = unbounded_channel();
    let postroom = service(store, Arc::new(Starts(started))).await?;
    let mut commits = Histogram::<u64>::new(3)?;
    let mut waits = Histogram::<u64>::new(3)?;
    // In turn, so that a noisy moment of the machine meets both.
    for number in 0..SUBMISSIONS {
        let start = stopwatch();
        client.execute(&insert, &[&i64::try_from(number)?]).await?;
        commits.record(u64::try_from(start.elapsed().as_micros())?)?;

        let start = stopwatch();
        let submitted = postroom.submit(Some(thread(number % 50)), submission()).await?;
        let began = next(&mut starts).await?;
        waits.record(u64::try_from(began.saturating_duration_since(start).as_micros())?)?;
        postroom.wait(&submitted.run_id, std::time::Duration::from_secs(10)).await?;
    }
    postroom.shutdown().await;
    client.batch_execute("DROP TABLE public.postroom_bench").await?;
    let (commit, wait) = (commits.value_at_quantile(0.5), waits.value_at_quantile(0.5));
    #[expect(clippy::cast_precision_loss, reason = "microseconds of one commit")]
    let ratio = wait as f64 / commit as f64;
    println!(
        "idle/postgres: a run starts {wait} µs after it was submitted (p99 {} µs, wanted: 10000); the server's smallest commit takes {commit} µs: {ratio:.2} commits (wanted: 1.5)",
        waits.value_at_quantile(0.99),
    );
    Ok(())
}

async fn next(starts: &mut UnboundedReceiver<Instant>) -> anyhow::Result<Instant> {
    starts.recv().await.context("the service ended")
}
