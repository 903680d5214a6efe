//! The store by itself: what a submission, a claim and a settlement cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use postroom_core::command::{
    ClaimRequest, Command, Envelope, Mode, Outcome, RunResult, Settle, Step, Submit, TenantRooms,
};
use postroom_core::id::{NodeId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::ports::MailboxStore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::figures::{Figures, Stretch, Times};
use crate::output::Progress;

/// How many submit at once.
pub(super) const SUBMITTERS: u64 = 64;

/// Over how many threads submissions are spread.
const THREADS: u64 = 20_000;

/// How many are claimed, and settled, in one go.
const BATCH: usize = 32;

/// A name for a thread.
pub(super) fn thread(number: u64) -> anyhow::Result<ThreadId> {
    Ok(ThreadId::parse(&format!("bench-{number}"))?)
}

/// A submission of one message, as a client would send it.
pub(super) fn submission() -> Submit {
    Submit::new(Mode::Enqueue, vec![NewMessage::user("What is the time in Lisbon?")])
}

fn submit_to(thread: ThreadId) -> Envelope {
    Envelope::new(thread, Command::Submit(Box::new(submission())))
}

/// One submission after the other, each durable before the next.
pub(super) async fn commits(
    store: &Arc<dyn MailboxStore>,
    time: Duration,
    progress: &Progress,
) -> anyhow::Result<Figures> {
    let (mut times, mut count) = (Times::new()?, 0);
    let mut stretch = Stretch::begin(time, progress);
    while stretch.goes_on() {
        let envelope = submit_to(thread(count % THREADS)?);
        let began = Instant::now();
        one(store.apply(vec![envelope]).await)?;
        times.since(began)?;
        count += 1;
    }
    Ok(Figures::of("commit, one by one", count, stretch.took(), times))
}

/// Many submissions at once: the store makes them durable together.
pub(super) async fn submissions(
    store: &Arc<dyn MailboxStore>,
    time: Duration,
    progress: &Progress,
) -> anyhow::Result<Figures> {
    let next = Arc::new(AtomicU64::new(0));
    let mut stretch = Stretch::begin(time, progress);
    let until = stretch.ends_at();
    let mut submitters = JoinSet::new();
    for _ in 0..SUBMITTERS {
        let (store, next) = (store.clone(), next.clone());
        submitters.spawn(async move {
            let mut times = Times::new()?;
            while Instant::now() < until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let envelope = submit_to(thread(number % THREADS)?);
                let began = Instant::now();
                one(store.apply(vec![envelope]).await)?;
                times.since(began)?;
            }
            anyhow::Ok(times)
        });
    }
    let times = joined(submitters, &mut stretch).await?;
    Ok(Figures::of("submit, 64 at once", next.load(Ordering::Relaxed), stretch.took(), times))
}

/// The times of all tasks together; the bar moves meanwhile.
pub(super) async fn joined(
    mut tasks: JoinSet<anyhow::Result<Times>>,
    stretch: &mut Stretch<'_>,
) -> anyhow::Result<Times> {
    let mut all = Times::new()?;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            biased;
            joined = tasks.join_next() => match joined {
                Some(times) => all.add(&times??)?,
                None => return Ok(all),
            },
            _ = tick.tick() => {
                stretch.goes_on();
            }
        }
    }
}

/// Claims the heads of many threads in one go, and settles them in one go.
pub(super) async fn claims_and_settlements(
    store: &Arc<dyn MailboxStore>,
    time: Duration,
    progress: &Progress,
) -> anyhow::Result<[Figures; 2]> {
    let request = ClaimRequest {
        node: NodeId::parse("bench")?,
        lease: Duration::from_secs(30),
        begin: true,
        except_agents: Arc::default(),
        tenants: TenantRooms::default(),
        after_tenant: None,
    };
    let (mut claim_times, mut settle_times) = (Times::new()?, Times::new()?);
    let (mut claiming, mut settling) = (Duration::ZERO, Duration::ZERO);
    let (mut count, mut refill) = (0_u64, 0_u64);
    let mut stretch = Stretch::begin(time, progress);
    while stretch.goes_on() {
        let began = Instant::now();
        let claimed = store.claim_ready(request.clone(), BATCH).await?.claimed;
        if claimed.is_empty() {
            // All that was submitted before is done.
            let envelopes = (0..1000).map(|at| Ok(submit_to(thread((refill + at) % THREADS)?)));
            let envelopes = envelopes.collect::<anyhow::Result<Vec<_>>>()?;
            refill += 1000;
            store.apply(envelopes).await.into_iter().try_for_each(|answer| answer.map(drop))?;
            continue;
        }
        claim_times.since(began)?;
        claiming += began.elapsed();
        count += claimed.len() as u64;
        let settle = |delivered: postroom_core::command::Delivered| {
            let claim = delivered.dispatch.claim().cloned().context("a claim without a number")?;
            let outcome = Outcome::Ack(RunResult::natural_end(None));
            let settle = Settle { claim, step: Step::default(), outcome, next: None };
            let thread = delivered.dispatch.thread_id.clone();
            Ok(Envelope::new(thread, Command::Settle(Box::new(settle))))
        };
        let settles = claimed.into_iter().map(settle).collect::<anyhow::Result<Vec<_>>>()?;
        let began = Instant::now();
        store.apply(settles).await.into_iter().try_for_each(|answer| answer.map(drop))?;
        settle_times.since(began)?;
        settling += began.elapsed();
    }
    Ok([
        Figures::of("claim, 32 in one go", count, claiming, claim_times),
        Figures::of("settle, 32 in one go", count, settling, settle_times),
    ])
}

fn one<T, E: std::error::Error + Send + Sync + 'static>(
    mut answers: Vec<Result<T, E>>,
) -> anyhow::Result<T> {
    Ok(answers.pop().context("the store gave no answer")??)
}
