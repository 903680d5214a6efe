//! The whole service: from a submission to the end of its run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::command::Activation;
use postroom_core::id::NodeId;
use postroom_core::ports::{Executor, MailboxStore, RunContext, RunOutcome};
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::system::SystemIds;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::figures::{Figures, Stretch, Times};
use super::store::{SUBMITTERS, joined, submission};
use crate::output::Progress;

/// No run takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends every run at once.
struct Nothing;

#[async_trait]
impl Executor for Nothing {
    async fn run(&self, _activation: Activation, _context: Arc<dyn RunContext>) -> RunOutcome {
        RunOutcome::natural_end(None)
    }
}

/// Submits to threads of its own, and waits for each run's end.
pub(super) async fn end_to_end(
    store: Arc<dyn MailboxStore>,
    time: Duration,
    progress: &Progress,
) -> anyhow::Result<Figures> {
    let mut config = Config::default();
    config.limits.max_concurrent_runs = 256;
    let parts = Parts {
        store,
        signals: Arc::new(LocalSignals::default()),
        live: Arc::new(LocalLive::default()),
        feed: Arc::new(LocalFeed::default()),
        executor: Arc::new(Nothing),
        ids: Arc::new(SystemIds::new()),
        spawner: Arc::new(TokioSpawner),
        tracer: None,
        on_collect: None,
    };
    let postroom = Postroom::new(parts, config, NodeId::parse("bench-service")?);
    postroom.start().await?;
    let next = Arc::new(AtomicU64::new(0));
    let mut stretch = Stretch::begin(time, progress);
    let until = stretch.ends_at();
    let mut submitters = JoinSet::new();
    for _ in 0..SUBMITTERS {
        let (postroom, next) = (postroom.clone(), next.clone());
        submitters.spawn(async move {
            let mut times = Times::new()?;
            while Instant::now() < until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let thread =
                    postroom_core::id::ThreadId::parse(&format!("whole-{}", number % 500))?;
                let began = Instant::now();
                let submitted = postroom.submit(Some(thread), submission()).await?;
                postroom.wait(&submitted.run_id, PATIENCE).await?;
                times.since(began)?;
            }
            anyhow::Ok(times)
        });
    }
    let times = joined(submitters, &mut stretch).await?;
    let took = stretch.took();
    postroom.shutdown().await;
    Ok(Figures::of("submit to end of run", next.load(Ordering::Relaxed), took, times))
}
