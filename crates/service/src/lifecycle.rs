//! The life of the service: stopped, starting, ready, draining, and stopped again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use postroom_core::error::StoreError;
use postroom_core::ports::CancelReason;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::Error;
use crate::node::Node;
use crate::{dispatcher, lease, presence, recovery, report, signals, upkeep};

/// Where the service is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It recovers what was under way when it last ended.
    Starting {
        /// Why the last try failed, where one did.
        last_error: Option<String>,
    },
    /// It works.
    Ready,
    /// It lets runs finish and begins no more. What is submitted is kept for later.
    Draining,
    /// It has not started, or was shut down.
    Stopped,
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting { last_error: None } => f.write_str("starting"),
            Self::Starting { last_error: Some(error) } => write!(f, "starting ({error})"),
            Self::Ready => f.write_str("ready"),
            Self::Draining => f.write_str("draining"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

/// What the tasks of one life listen to.
#[derive(Clone, Default)]
pub(crate) struct Stops {
    /// Nothing more is claimed.
    pub(crate) claiming: CancellationToken,
    /// Everything ends: nothing executes any more.
    pub(crate) all: CancellationToken,
}

pub(crate) struct Lifecycle {
    phase: watch::Sender<Readiness>,
    stops: Mutex<Stops>,
    /// Every task of the service, so that a shutdown can say when all is quiet.
    pub(crate) tasks: TaskTracker,
    /// The last moments of a shutdown, in which nothing new is accepted.
    closing: AtomicBool,
    failure: Mutex<Option<StoreError>>,
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        Self {
            phase: watch::Sender::new(Readiness::Stopped),
            stops: Mutex::default(),
            tasks: TaskTracker::new(),
            closing: AtomicBool::new(false),
            failure: Mutex::default(),
        }
    }

    pub(crate) fn readiness(&self) -> Readiness {
        self.phase.borrow().clone()
    }

    /// Whether runs may be started.
    pub(crate) fn is_ready(&self) -> bool {
        *self.phase.borrow() == Readiness::Ready
    }

    /// Whether submissions are taken.
    pub(crate) fn accepts(&self) -> Result<(), Error> {
        let accepted = match &*self.phase.borrow() {
            Readiness::Ready => true,
            Readiness::Draining => !self.closing.load(Ordering::Acquire),
            Readiness::Starting { .. } | Readiness::Stopped => false,
        };
        if accepted { Ok(()) } else { Err(Error::NotReady { readiness: self.readiness() }) }
    }

    pub(crate) fn stops(&self) -> Stops {
        self.stops.lock().clone()
    }

    /// Moves on from a phase that `leaves` picks; `false` if it is in another.
    fn move_on(&self, leaves: impl Fn(&Readiness) -> bool, to: Readiness) -> bool {
        self.phase.send_if_modified(|phase| {
            let moves = leaves(phase);
            if moves {
                *phase = to;
            }
            moves
        })
    }

    /// Says why starting takes so long.
    pub(crate) fn still_starting(&self, error: &StoreError) {
        let last_error = Some(error.to_string());
        self.move_on(is_starting, Readiness::Starting { last_error });
    }
}

fn is_starting(phase: &Readiness) -> bool {
    matches!(phase, Readiness::Starting { .. })
}

pub(crate) async fn start(node: &Arc<Node>) -> Result<(), Error> {
    let life = &node.lifecycle;
    let mut phase = life.phase.subscribe();
    loop {
        let starting = Readiness::Starting { last_error: None };
        if life.move_on(|phase| *phase == Readiness::Stopped, starting) {
            begin(node);
        }
        let seen = wait_for(&mut phase, |phase| !is_starting(phase)).await;
        match seen {
            Readiness::Ready => return Ok(()),
            // It is being shut down: start again once that is done.
            Readiness::Draining => {
                wait_for(&mut phase, |phase| *phase != Readiness::Draining).await;
            }
            readiness => {
                let failure = life.failure.lock().clone();
                return Err(failure.map_or(Error::NotReady { readiness }, Error::Store));
            }
        }
    }
}

/// Starts a life: recovery, and then the loops.
fn begin(node: &Arc<Node>) {
    let life = &node.lifecycle;
    let stops = Stops::default();
    life.stops.lock().clone_from(&stops);
    *life.failure.lock() = None;
    life.closing.store(false, Ordering::Release);
    life.tasks.reopen();
    node.executions.reopen();

    node.spawn(presence::keep_listed(node.clone(), stops.clone()));
    node.spawn(lease::renew_all(node.clone(), stops.all.clone()));
    let this = node.clone();
    node.spawn(async move {
        match recovery::recover(&this, &stops.claiming).await {
            Ok(true) if this.lifecycle.move_on(is_starting, Readiness::Ready) => {
                work(&this, &stops);
            }
            // It is being shut down, which has its own end.
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "recovery failed: the service can't start");
                *this.lifecycle.failure.lock() = Some(error);
                stops.claiming.cancel();
                stops.all.cancel();
                this.lifecycle.move_on(is_starting, Readiness::Stopped);
            }
        }
    });
}

fn work(node: &Arc<Node>, stops: &Stops) {
    tracing::info!(node_id = %node.id, "ready");
    node.ready.mark();
    node.spawn(dispatcher::dispatch(node.clone(), stops.claiming.clone()));
    node.spawn(signals::consume(node.clone(), stops.claiming.clone()));
    // What was owed when a process died.
    node.reports.look();
    node.spawn(report::keep(node.clone(), stops.claiming.clone()));
    node.spawn(upkeep::sweep(node.clone(), stops.claiming.clone()));
    node.spawn(upkeep::collect(node.clone(), stops.claiming.clone()));
}

pub(crate) async fn shutdown(node: &Arc<Node>) {
    let life = &node.lifecycle;
    let mut phase = life.phase.subscribe();
    let ends_here = life.move_on(
        |phase| matches!(phase, Readiness::Starting { .. } | Readiness::Ready),
        Readiness::Draining,
    );
    if ends_here {
        // In a task, so that it goes on if the caller does not wait for it. It is not one of the
        // tasks that it waits for.
        node.spawn_untracked(drain(node.clone()));
    }
    // Not for `Stopped`: whoever waits to start again may be quicker than this look.
    wait_for(&mut phase, |phase| *phase != Readiness::Draining).await;
}

async fn drain(node: Arc<Node>) {
    let life = &node.lifecycle;
    let stops = life.stops();
    stops.claiming.cancel();
    tracing::info!(active = node.executions.len(), "draining");

    let drain_time = std::time::Duration::from_millis(node.config.limits.drain_ms);
    let drained = tokio::time::timeout(drain_time, node.executions.wait_until_empty()).await;
    if drained.is_err() {
        tracing::warn!(active = node.executions.len(), "the drain time is over: handing back");
    }
    // From here on whatever starts is stopped at once: a claim whose answer was under way.
    node.executions.stop_all(CancelReason::Shutdown);
    node.executions.wait_until_empty().await;

    life.closing.store(true, Ordering::Release);
    stops.all.cancel();
    life.tasks.close();
    life.tasks.wait().await;
    presence::leave(&node).await;
    life.move_on(|_| true, Readiness::Stopped);
    tracing::info!(node_id = %node.id, "stopped");
}

async fn wait_for(
    phase: &mut watch::Receiver<Readiness>,
    wanted: impl Fn(&Readiness) -> bool,
) -> Readiness {
    // The sender lives as long as the node does, which the caller holds.
    phase.wait_for(|phase| wanted(phase)).await.map_or(Readiness::Stopped, |phase| phase.clone())
}
