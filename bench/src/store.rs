//! Full lifecycles through the memory store, on one core.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::Envelope;
use postroom_core::command::{
    ClaimRequest, Command, Outcome, Reply, RunResult, Settle, Step, TenantRooms,
};
use postroom_core::id::{NodeId, ThreadId};
use postroom_core::ports::MailboxStore;

use crate::fixture::{memory, submission, thread};
use crate::yardstick::{stopwatch, touch_memory};

/// Over how many threads the runs are spread.
const THREADS: u64 = 1_000;

/// What a run leaves behind in memory, and what growing tables take for a moment, at most.
const RUN_BYTES: usize = 2_500;

pub fn measure(runs: u64) -> anyhow::Result<()> {
    touch_memory(usize::try_from(runs)? * RUN_BYTES);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let rates = runtime.block_on(lifecycles(&memory(), runs))?;
    let (first, last) = (rates.first().copied(), rates.last().copied());
    let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
    let mean = harmonic_mean(&rates);
    println!("store/memory: {mean:.0} lifecycles/s on one core over {runs} runs (wanted: 150000)");
    println!(
        "store/memory: first tenth {first:.0}/s, last tenth {last:.0}/s: the last costs {:.2} times the first",
        first / last
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a handful of rates")]
fn harmonic_mean(rates: &[f64]) -> f64 {
    rates.len() as f64 / rates.iter().map(|rate| 1.0 / rate).sum::<f64>()
}

/// The rate of each tenth of the runs.
#[expect(clippy::cast_precision_loss, reason = "far fewer runs than 2^52")]
async fn lifecycles(store: &Arc<dyn MailboxStore>, runs: u64) -> anyhow::Result<Vec<f64>> {
    let threads: Vec<ThreadId> = (0..THREADS).map(thread).collect();
    let tenth = runs / 10;
    let mut rates = Vec::new();
    for _ in 0..10 {
        let start = stopwatch();
        for (_, thread) in (0..tenth).zip(threads.iter().cycle()) {
            lifecycle(store.as_ref(), thread).await?;
        }
        rates.push(tenth as f64 / start.elapsed().as_secs_f64());
    }
    Ok(rates)
}

/// Submit, claim and begin, settle.
pub async fn lifecycle(store: &dyn MailboxStore, thread: &ThreadId) -> anyhow::Result<()> {
    apply(store, thread, Command::Submit(Box::new(submission()))).await?;
    let Reply::Claimed(Some(delivered)) = apply(store, thread, Command::Claim(request())).await?
    else {
        anyhow::bail!("there was nothing to claim");
    };
    let Some(claim) = delivered.dispatch.claim().cloned() else {
        anyhow::bail!("what was claimed has no claim");
    };
    let settle = Settle {
        claim,
        step: Step::default(),
        outcome: Outcome::Ack(RunResult::natural_end(None)),
        next: None,
    };
    apply(store, thread, Command::Settle(Box::new(settle))).await?;
    Ok(())
}

pub fn request() -> ClaimRequest {
    ClaimRequest {
        node: NodeId::parse("bench").expect("a short name is an id"),
        lease: Duration::from_secs(30),
        begin: true,
        except_agents: Arc::default(),
        tenants: TenantRooms::default(),
        after_tenant: None,
    }
}

pub async fn apply(
    store: &dyn MailboxStore,
    thread: &ThreadId,
    command: Command,
) -> anyhow::Result<Reply> {
    let mut answers = store.apply(vec![Envelope::new(thread.clone(), command)]).await;
    let answer = answers.pop().ok_or_else(|| anyhow::anyhow!("no answer"))?;
    Ok(answer?.reply)
}
