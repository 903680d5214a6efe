//! What grows must not slow: the same operations on an empty and on a grown mailbox, in turn.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use postroom_core::command::{Command, Envelope, Limits, Reply};
use postroom_core::id::ThreadId;
use postroom_core::ports::MailboxStore;

use crate::fixture::{memory, sqlite, submission, thread};
use crate::store::{apply, lifecycle, request};
use crate::yardstick::stopwatch;

/// How many operations one sample times.
const SAMPLE: u32 = 200;
/// How many samples of each.
pub const SAMPLES: usize = 41;

/// What an operation may cost on a grown mailbox, as a multiple of an empty one's.
const LIMIT: f64 = 1.3;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    Messages,
    Queued,
    Terminal,
}

pub fn measure(only: Option<&str>, by: Option<By>, samples: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    for name in ["memory", "sqlite"] {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        runtime.block_on(async {
            for (kind, label, grow) in [
                (By::Messages, "a thread with 100000 messages", Grow::Messages(100_000)),
                (By::Queued, "a thread with 10000 queued dispatches", Grow::Queued(10_000)),
                (By::Terminal, "a store with 1000000 terminal dispatches", Grow::Terminal(1_000_000)),
            ] {
                if by.is_some_and(|by| by != kind) {
                    continue;
                }
                let folders = (tempfile::tempdir()?, tempfile::tempdir()?);
                let (empty, grown) = match name {
                    "memory" => (memory(), memory()),
                    _ => (sqlite(folders.0.path())?, sqlite(folders.1.path())?),
                };
                grow.apply(&grown).await?;
                let ratio = ratio(grow, &empty, &grown, samples).await?;
                let verdict = if ratio <= LIMIT { "within" } else { "OVER" };
                println!(
                    "growth/{name}: {label}: a lifecycle costs {ratio:.2} times that of an empty one ({verdict} {LIMIT})"
                );
            }
            anyhow::Ok(())
        })?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Grow {
    Messages(u64),
    Queued(u64),
    Terminal(u64),
}

impl Grow {
    async fn apply(self, store: &Arc<dyn MailboxStore>) -> anyhow::Result<()> {
        let busy = thread(0);
        match self {
            Self::Messages(count) => {
                for _ in 0..count / 500 {
                    let mut submit = submission();
                    submit.messages = vec![submit.messages[0].clone(); 500];
                    apply(store.as_ref(), &busy, Command::Submit(Box::new(submit))).await?;
                    drain(store.as_ref(), &busy).await?;
                }
            }
            Self::Queued(count) => {
                submit_many(store, count, |_| busy.clone()).await?;
            }
            Self::Terminal(count) => {
                for round in 0..count / 1_000 {
                    submit_many(store, 1_000, |number| thread(1 + number)).await?;
                    let claimed = store.claim_ready(request(), 1_000).await?.claimed;
                    anyhow::ensure!(claimed.len() == 1_000, "round {round}: {}", claimed.len());
                    let settles = claimed.into_iter().filter_map(|delivered| {
                        let thread = delivered.dispatch.thread_id.clone();
                        let claim = delivered.dispatch.claim()?.clone();
                        Some(Envelope::new(thread, settle(claim)))
                    });
                    for answer in store.apply(settles.collect()).await {
                        answer?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the operations go to the grown thread itself.
    fn is_of_the_thread(self) -> bool {
        !matches!(self, Self::Terminal(_))
    }
}

async fn submit_many(
    store: &Arc<dyn MailboxStore>,
    count: u64,
    to: impl Fn(u64) -> ThreadId,
) -> anyhow::Result<()> {
    for start in (0..count).step_by(1_000) {
        let commands = (start..count.min(start + 1_000)).map(|number| {
            let mut submit = submission();
            submit.limits = Limits { max_queued: u64::MAX, ..Limits::default() };
            Envelope::new(to(number), Command::Submit(Box::new(submit)))
        });
        for answer in store.apply(commands.collect()).await {
            answer?;
        }
    }
    Ok(())
}

/// The end of a run of which nothing is left to be said.
pub fn settle(claim: postroom_core::dispatch::Claim) -> Command {
    use postroom_core::command::{Outcome, RunResult, Settle, Step};
    Command::Settle(Box::new(Settle {
        claim,
        step: Step::default(),
        outcome: Outcome::Ack(RunResult::natural_end(None)),
        next: None,
    }))
}

async fn drain(store: &dyn MailboxStore, thread: &ThreadId) -> anyhow::Result<()> {
    if let Reply::Claimed(Some(delivered)) = apply(store, thread, Command::Claim(request())).await?
        && let Some(claim) = delivered.dispatch.claim()
    {
        apply(store, thread, settle(claim.clone())).await?;
    }
    Ok(())
}

/// Times lifecycles (submit, claim, settle) in turn on both stores; the median of how much more they
/// cost on the grown one.
async fn ratio(
    grow: Grow,
    empty: &Arc<dyn MailboxStore>,
    grown: &Arc<dyn MailboxStore>,
    samples: usize,
) -> anyhow::Result<f64> {
    let target = if grow.is_of_the_thread() { thread(0) } else { thread(1_000_000) };
    let mut ratios = Vec::with_capacity(samples);
    for _ in 0..samples {
        let small = sample(empty, &target).await?;
        let large = sample(grown, &target).await?;
        ratios.push(large.as_secs_f64() / small.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().context("there is no sample")
}

async fn sample(store: &Arc<dyn MailboxStore>, thread: &ThreadId) -> anyhow::Result<Duration> {
    let start = stopwatch();
    for _ in 0..SAMPLE {
        lifecycle(store.as_ref(), thread).await?;
    }
    Ok(start.elapsed() / SAMPLE)
}
