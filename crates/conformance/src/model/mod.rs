//! Random commands, driven through a store and through another one with the same time and the same
//! ids: every answer and all state must be the same, and the invariants must hold.
//!
//! Few threads and few ids, so that what is interesting happens often: stale claims, repeated
//! messages and keys, jumps of the clock, decisions, interrupts, retries to the bitter end.

mod answer;
mod generate;
mod seen;

use std::fmt::Write as _;
use std::sync::Arc;

use postroom_core::command::{Command, Reply};
use postroom_core::error::StoreError;
use postroom_core::id::{TenantId, ThreadId};
use postroom_core::ports::{Clock, DepthByState, DispatchFilter, MailboxStore, RunFilter};

use crate::backend::Backend;
use crate::clock::ManualClock;
use crate::ids::{Random, SeededIds};
use crate::invariants::Watcher;
use crate::snapshot::Snapshot;
use answer::Answer;
use generate::Step;
use seen::Seen;

/// After how many steps all state is compared.
const LOOK_EVERY: usize = 25;

/// Drives the commands of `seed` through `subject` and through `reference`.
///
/// # Panics
/// Where they differ or an invariant is broken: with the seed, what is wrong, and the shortest
/// beginning of the commands that shows it.
pub async fn check(subject: &dyn Backend, reference: &dyn Backend, seed: u64, steps: usize) {
    let Err(found) = drive(subject, reference, seed, steps, LOOK_EVERY).await else { return };
    // Once more, looking after every step: what only the state showed began earlier.
    let shortest = drive(subject, reference, seed, found.history.len(), 1).await;
    let Failure { history, what } = shortest.err().unwrap_or(found);
    let mut told = String::new();
    for (n, step) in history.iter().enumerate() {
        let _ = writeln!(told, "{n:>4}  {step:?}");
    }
    panic!("seed {seed}, after {} steps:\n{told}\n{what}", history.len());
}

struct Failure {
    history: Vec<Step>,
    what: String,
}

async fn drive(
    subject: &dyn Backend,
    reference: &dyn Backend,
    seed: u64,
    steps: usize,
    look_every: usize,
) -> Result<(), Failure> {
    let mut pair = Pair::open(subject, reference, seed).await;
    let random = Random::new(seed);
    let mut history = Vec::new();
    for n in 1..=steps {
        let step = generate::step(&random, &pair.seen, pair.clock.now());
        history.push(step.clone());
        // A purge hides how what it takes has ended: look before it too.
        let hides = matches!(step, Step::Purge { .. } | Step::Collect { .. });
        let looks = hides || n % look_every == 0 || n == steps;
        let mut outcome = if hides { pair.look().await } else { Ok(()) };
        if outcome.is_ok() {
            outcome = pair.take(step).await;
        }
        if outcome.is_ok() && looks {
            outcome = pair.look().await;
        }
        if let Err(what) = outcome {
            return Err(Failure { history, what });
        }
    }
    Ok(())
}

/// Two stores that must not be told apart.
struct Pair {
    subject: Arc<dyn MailboxStore>,
    reference: Arc<dyn MailboxStore>,
    clock: Arc<ManualClock>,
    seen: Seen,
    watcher: Watcher,
}

impl Pair {
    async fn open(subject: &dyn Backend, reference: &dyn Backend, seed: u64) -> Self {
        let clock = Arc::new(ManualClock::new());
        let ids = || Arc::new(SeededIds::new(seed));
        Self {
            subject: subject.open(clock.clone(), ids()).await,
            reference: reference.open(clock.clone(), ids()).await,
            clock,
            seen: Seen::default(),
            watcher: Watcher::default(),
        }
    }

    async fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Advance(by) => {
                self.clock.advance(by);
                return Ok(());
            }
            Step::GoBack(by) => {
                self.clock.set(self.clock.now().before(by));
                return Ok(());
            }
            _ => {}
        }
        let expected = Answer::of(&*self.reference, step.clone()).await;
        let answer = Answer::of(&*self.subject, step.clone()).await;
        if answer != expected {
            return Err(format!("answered\n{answer:#?}\ninstead of\n{expected:#?}"));
        }
        if let (Step::Apply(commands), Answer::Applied(answers)) = (&step, &expected) {
            for (envelope, answer) in commands.iter().zip(answers) {
                if answer.is_ok() && matches!(envelope.command, Command::DeleteThread) {
                    self.watcher.forget(&envelope.thread_id);
                }
            }
        }
        if let Answer::Collected(Ok(found), answers) = &expected {
            for ((_, run_id), answer) in found.iter().zip(answers) {
                if answer.as_ref().is_ok_and(|it| it.reply == Reply::Collected(true)) {
                    self.watcher.collected(run_id);
                }
            }
        }
        self.seen.learn(&expected);
        match expected.fault() {
            Some(fault) => Err(format!("both failed: {fault}")),
            None => Ok(()),
        }
    }

    async fn look(&mut self) -> Result<(), String> {
        let failed = |error: StoreError| format!("a read failed: {error}");
        for thread_id in &self.seen.threads {
            let expected = Snapshot::read(&*self.reference, thread_id).await.map_err(failed)?;
            let snapshot = Snapshot::read(&*self.subject, thread_id).await.map_err(failed)?;
            same(thread_id, &snapshot, &expected)?;
            for run in &expected.runs {
                let expected = self.reference.prompt(thread_id, &run.id).await.map_err(failed)?;
                let prompt = self.subject.prompt(thread_id, &run.id).await.map_err(failed)?;
                same(format!("the prompt of run {}", run.id), &prompt, &expected)?;
            }
            let violations = self.watcher.look(snapshot);
            if !violations.is_empty() {
                return Err(format!("{violations:#?}\n{expected:#?}"));
            }
        }
        let expected = Across::read(&*self.reference).await.map_err(failed)?;
        let across = Across::read(&*self.subject).await.map_err(failed)?;
        same("what is found across threads", &across, &expected)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    of: impl std::fmt::Display,
    shown: &T,
    expected: &T,
) -> Result<(), String> {
    if shown == expected {
        return Ok(());
    }
    Err(format!("{of} is\n{shown:#?}\ninstead of\n{expected:#?}"))
}

/// What a store finds without being told the thread.
#[derive(Debug, PartialEq)]
struct Across {
    queued: Vec<ThreadId>,
    depth: DepthByState,
    runs: Vec<String>,
    dispatches: Vec<String>,
    of_tenants: Vec<(DepthByState, Vec<String>, Vec<String>)>,
    waiting_for_tasks: Vec<String>,
    owing_reports: Vec<String>,
}

impl Across {
    async fn read(store: &dyn MailboxStore) -> Result<Self, StoreError> {
        let runs = store.runs(&RunFilter::default(), 50, None).await?.items;
        let dispatches = store.dispatches(&DispatchFilter::default(), 50, None).await?.items;
        let waiting = store.runs_waiting_for_tasks(None, 50).await?;
        let owing = store.runs_owing_reports(None, 50).await?;
        let mut of_tenants = Vec::new();
        for tenant in [generate::tenant(), TenantId::default()] {
            let whose = Some(tenant.clone());
            let of_runs = RunFilter { tenant: whose.clone(), ..RunFilter::default() };
            let of_dispatches = DispatchFilter { tenant: whose, ..DispatchFilter::default() };
            let runs = store.runs(&of_runs, 50, None).await?.items;
            let dispatches = store.dispatches(&of_dispatches, 50, None).await?.items;
            of_tenants.push((
                store.depth_of(&tenant).await?,
                runs.iter().map(|run| run.id.to_string()).collect(),
                dispatches.iter().map(|dispatch| dispatch.id.to_string()).collect(),
            ));
        }
        Ok(Self {
            queued: store.queued_thread_ids(None, 50).await?,
            depth: store.depth().await?,
            of_tenants,
            runs: runs.iter().map(|run| run.id.to_string()).collect(),
            dispatches: dispatches.iter().map(|dispatch| dispatch.id.to_string()).collect(),
            waiting_for_tasks: waiting.iter().map(|run| run.id.to_string()).collect(),
            owing_reports: owing.iter().map(|run| run.id.to_string()).collect(),
        })
    }
}
