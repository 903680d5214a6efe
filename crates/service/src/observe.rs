//! The one seam for numbers: what happens is counted here, and nowhere else.
//!
//! All series exist from the start, so that counting is an atomic addition: no label is built and no
//! map is searched on the way of a run.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use postroom_core::command::{Command, Outcome as Settling, Settled};
use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::ports::DepthByState;
use postroom_core::run::{RunStatus, Termination};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::recent::{Recent, RecentNumbers};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($variant,)* }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

words! {
    /// What is counted.
    Operation {
        Enqueue = "enqueue",
        Deliver = "deliver",
        Claim = "claim",
        Commit = "commit",
        Ack = "ack",
        Nack = "nack",
        DeadLetter = "dead_letter",
        Wait = "wait",
        Release = "release",
        Cancel = "cancel",
        Interrupt = "interrupt",
        Supersede = "supersede",
        Decide = "decide",
        Requeue = "requeue",
        Reclaim = "reclaim",
        LeaseRenewal = "lease_renewal",
        SignalPull = "signal_pull",
        SignalAck = "signal_ack",
        SignalNack = "signal_nack",
        SignalRedelivery = "signal_redelivery",
        Purge = "purge",
        Other = "other",
    }
}

words! {
    /// How it came out.
    Outcome {
        Ok = "ok",
        Refused = "refused",
        Stale = "stale",
        Unavailable = "unavailable",
        Unknown = "unknown",
        Corrupt = "corrupt",
    }
}

words! {
    /// How runs end, for the time from their acceptance.
    Ended {
        NaturalEnd = "natural_end",
        Cancelled = "cancelled",
        Blocked = "blocked",
        Stopped = "stopped",
        Error = "error",
    }
}

impl Operation {
    pub(crate) fn of(command: &Command) -> Self {
        match command {
            Command::Submit(_) | Command::Enqueue(_) => Self::Enqueue,
            Command::Deliver { .. } => Self::Deliver,
            Command::Claim(_) | Command::ClaimDispatch { .. } => Self::Claim,
            Command::Commit { .. } => Self::Commit,
            Command::Settle(settle) => match settle.outcome {
                Settling::Ack(_) => Self::Ack,
                Settling::Nack { .. } => Self::Nack,
                Settling::DeadLetter { .. } => Self::DeadLetter,
                Settling::Wait(_) => Self::Wait,
            },
            Command::Release { .. } => Self::Release,
            Command::Cancel { .. } => Self::Cancel,
            Command::Interrupt => Self::Interrupt,
            Command::SupersedeClaimed { .. } => Self::Supersede,
            Command::Decide { .. } => Self::Decide,
            Command::Requeue { .. } => Self::Requeue,
            Command::Reclaim { .. } => Self::Reclaim,
            Command::ExtendLease { .. } => Self::LeaseRenewal,
            Command::CreateThread(_)
            | Command::PatchThread { .. }
            | Command::DeleteThread
            | Command::Begin { .. }
            | Command::RecordStart { .. }
            | Command::RecordResult { .. }
            | Command::EditPending { .. }
            | Command::RetractPending { .. }
            | Command::ReorderPending { .. }
            | Command::FinishTask { .. }
            | Command::CollectRun { .. }
            | Command::Reported { .. } => Self::Other,
        }
    }
}

impl Outcome {
    pub(crate) fn of<T>(answer: &Result<T, StoreError>) -> Self {
        answer.as_ref().map_or_else(Self::of_error, |_| Self::Ok)
    }

    pub(crate) fn of_error(error: &StoreError) -> Self {
        match error {
            StoreError::Refused(Refusal::StaleClaim { .. }) => Self::Stale,
            StoreError::Refused(_) => Self::Refused,
            StoreError::Unavailable { .. } => Self::Unavailable,
            StoreError::OutcomeUnknown { .. } => Self::Unknown,
            StoreError::Corrupt { .. } => Self::Corrupt,
        }
    }
}

impl Ended {
    fn of(termination: &Termination) -> Self {
        match termination {
            Termination::NaturalEnd => Self::NaturalEnd,
            Termination::Cancelled => Self::Cancelled,
            Termination::Blocked(_) => Self::Blocked,
            Termination::Stopped(_) => Self::Stopped,
            Termination::Error(_) => Self::Error,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

type Count = Counter<u64, AtomicU64>;

/// What is only looked up when somebody asks for the numbers.
pub(crate) struct Looked {
    /// `None` where the store did not answer.
    pub(crate) depth: Option<DepthByState>,
    pub(crate) active_runs: usize,
    pub(crate) max_concurrent_runs: usize,
    pub(crate) is_ready: bool,
}

/// The service's counters and histograms.
pub struct Observer {
    registry: Registry,
    /// By operation, and then by result.
    operations: Vec<Vec<Count>>,
    enqueue_to_start: Histogram,
    due_to_start: Histogram,
    claim_to_start: Histogram,
    run_time: Histogram,
    /// By how the run ended.
    enqueue_to_completion: Vec<Histogram>,
    attempts_lost: Count,
    leases_ran_out: Count,
    leases_taken: Count,
    active: Gauge,
    max_active: Gauge,
    ready: Gauge,
    store_up: Gauge,
    depth: Vec<Gauge>,
    recent: Recent,
}

impl Default for Observer {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer {
    /// All series, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("postroom");
        let operations = Family::<OperationLabels, Count>::default();
        registry.register("operations", "Operations by result", operations.clone());
        let by_result = |operation: &Operation| {
            let counter = |outcome: &Outcome| {
                let labels =
                    OperationLabels { operation: operation.word(), result: outcome.word() };
                operations.get_or_create(&labels).clone()
            };
            Outcome::ALL.iter().map(counter).collect()
        };
        let completions =
            Family::<OutcomeLabels, Histogram>::new_with_constructor(latency_histogram);
        registry.register(
            "enqueue_to_completion_seconds",
            "From a run's acceptance to its end, by outcome",
            completions.clone(),
        );
        let depths = Family::<StatusLabels, Gauge>::default();
        registry.register(
            "dispatches",
            "Dispatches in the store by status, as of when it last answered",
            depths.clone(),
        );
        let build = Family::<BuildLabels, Gauge>::default();
        registry.register("build_info", "Always 1; the version is its label", build.clone());
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        Self {
            operations: Operation::ALL.iter().map(by_result).collect(),
            enqueue_to_completion: Ended::ALL
                .iter()
                .map(|ended| {
                    completions.get_or_create(&OutcomeLabels { outcome: ended.word() }).clone()
                })
                .collect(),
            depth: DispatchState::ALL
                .iter()
                .map(|state| depths.get_or_create(&StatusLabels { status: state.as_str() }).clone())
                .collect(),
            enqueue_to_start: latency(
                &mut registry,
                "enqueue_to_start_seconds",
                "From a dispatch's enqueueing to the start of an attempt",
            ),
            due_to_start: latency(
                &mut registry,
                "due_to_start_seconds",
                "From the moment a dispatch may start to the start of an attempt",
            ),
            claim_to_start: latency(
                &mut registry,
                "claim_to_start_seconds",
                "From the request for a claim to the start of its attempt",
            ),
            run_time: latency(&mut registry, "run_seconds", "From an attempt's claim to its end"),
            attempts_lost: count(
                &mut registry,
                "attempts_lost",
                "Attempts that could not be settled: their claim was lost",
            ),
            leases_ran_out: count(
                &mut registry,
                "leases_ran_out",
                "Runs that were stopped because their lease could not be renewed in time",
            ),
            leases_taken: count(
                &mut registry,
                "leases_taken",
                "Renewals that found the claim in other hands",
            ),
            active: gauge(&mut registry, "active_runs", "Runs that execute here"),
            max_active: gauge(
                &mut registry,
                "max_concurrent_runs",
                "How many runs may execute here at once",
            ),
            ready: gauge(
                &mut registry,
                "ready",
                "1 while the node takes and executes runs; 0 while it starts, drains or is stopped",
            ),
            store_up: gauge(&mut registry, "store_up", "1 if the store answered this scrape"),
            recent: Recent::new(),
            registry,
        }
    }

    pub(crate) fn count(&self, operation: Operation, outcome: Outcome) {
        self.count_many(operation, outcome, 1);
    }

    pub(crate) fn count_many(&self, operation: Operation, outcome: Outcome, count: usize) {
        self.operations[operation as usize][outcome as usize].inc_by(count as u64);
        if operation == Operation::Enqueue && outcome == Outcome::Ok {
            self.recent.note(|span| span.accepted += count as u64);
        }
    }

    /// An attempt starts, so long after its claim was asked for.
    pub(crate) fn started(&self, dispatch: &Dispatch, since_claim: Duration) {
        let now = dispatch.updated_at;
        let due_to_start = now.since(dispatch.available_at);
        self.enqueue_to_start.observe(now.since(dispatch.created_at).as_secs_f64());
        self.due_to_start.observe(due_to_start.as_secs_f64());
        self.recent.note(|span| span.attempt_started(due_to_start));
        self.claim_to_start.observe(since_claim.as_secs_f64());
    }

    pub(crate) fn settled(&self, settled: &Settled, ran_for: Duration) {
        self.run_time.observe(ran_for.as_secs_f64());
        if let RunStatus::Done { termination, finished_at } = &settled.run.status {
            let took = finished_at.since(settled.run.created_at);
            self.enqueue_to_completion[Ended::of(termination) as usize].observe(took.as_secs_f64());
        }
        self.recent.note(|span| span.settled(settled, ran_for));
    }

    /// The last quarter of an hour.
    pub fn recent(&self) -> RecentNumbers {
        self.recent.numbers()
    }

    pub(crate) fn attempt_lost(&self) {
        self.attempts_lost.inc();
    }

    pub(crate) fn lease_ran_out(&self) {
        self.leases_ran_out.inc();
    }

    pub(crate) fn lease_taken(&self) {
        self.leases_taken.inc();
    }

    /// All metrics in Prometheus' text format, with what was looked up for them.
    pub(crate) fn render(&self, looked: &Looked) -> String {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.active.set(number(looked.active_runs));
        self.max_active.set(number(looked.max_concurrent_runs));
        self.ready.set(looked.is_ready.into());
        self.store_up.set(looked.depth.is_some().into());
        if let Some(depth) = &looked.depth {
            for (gauge, count) in self.depth.iter().zip(depth.counts) {
                gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        let mut text = String::new();
        // Writing into a string can't fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn latency(registry: &mut Registry, name: &str, help: &str) -> Histogram {
    let histogram = latency_histogram();
    registry.register(name, help, histogram.clone());
    histogram
}

fn count(registry: &mut Registry, name: &str, help: &str) -> Count {
    let counter = Count::default();
    registry.register(name, help, counter.clone());
    counter
}

/// From a millisecond to three quarters of an hour.
fn latency_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.5, 17))
}
