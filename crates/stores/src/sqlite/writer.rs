//! The one thread that writes. What arrives while it commits is its next batch.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use postroom_core::error::StoreError;
use postroom_core::ports::{Clock, IdSource};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::log::Writable;
use super::session::Session;
use super::work::{Outcome, Unit};
use super::{log, open};

/// How many units share a transaction at most: enough that the sync costs each next to nothing, few
/// enough that the first does not wait long for the last.
const BATCH_MAX: usize = 512;

/// How long the writer waits for the next of a burst of orders, see [`Linger`].
const BURST_GAP: Duration = Duration::from_micros(100);

/// Whether it pays to wait a moment before the next transaction.
///
/// Who was answered asks again at once. Without a pause half of them would always come just after the
/// next transaction has begun, and each sync of the disk would serve only the other half. So after a
/// transaction of several jobs on a disk that takes its time the writer goes on taking orders
/// as long as they come one upon the other. A lone caller, and a quick disk, are never kept waiting.
#[derive(Debug, Clone, Copy, Default)]
struct Linger {
    until: Option<Instant>,
}

impl Linger {
    /// How many jobs make a burst.
    const JOBS: usize = 8;
    /// A sync that is quicker than this is not worth waiting for.
    const SLOW: Duration = Duration::from_millis(1);

    fn after(jobs: usize, began: Instant) -> Self {
        let now = now();
        let took = now - began;
        let pays = jobs >= Self::JOBS && took >= Self::SLOW;
        Self { until: pays.then(|| now + took / 4) }
    }

    /// How long to wait for one more order.
    fn patience(self) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now());
        (!left.is_zero()).then(|| left.min(BURST_GAP))
    }
}

#[expect(clippy::disallowed_methods, reason = "the disk's time is real; nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

/// Units, and who waits for their outcomes.
struct Job {
    units: Vec<Unit>,
    reply: oneshot::Sender<Vec<Outcome>>,
}

impl Job {
    fn refuse(self, reason: &str) {
        let outcome = || Err(StoreError::Unavailable { reason: reason.to_owned() });
        // Who does not wait any more needs no answer.
        let _ = self.reply.send(self.units.iter().map(|_| outcome()).collect());
    }
}

enum Order {
    Work(Job),
    #[cfg(test)]
    Inspect(Box<dyn FnOnce(&Connection) + Send>),
    #[cfg(test)]
    Break,
    Close,
}

/// The writer, as the store holds it.
#[derive(Debug)]
pub(super) struct Writer {
    orders: Sender<Order>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread on `writable`.
    pub(super) fn start(
        writable: Writable,
        path: PathBuf,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel();
        let loop_ = Loop { path, clock, ids, queue };
        let thread = Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || loop_.run(Some(writable)))?;
        Ok(Self { orders, thread: Mutex::new(Some(thread)) })
    }

    /// Has `units` carried out, in their order.
    pub(super) async fn carry_out(&self, units: Vec<Unit>) -> Vec<Outcome> {
        let count = units.len();
        let (reply, outcomes) = oneshot::channel();
        if self.orders.send(Order::Work(Job { units, reply })).is_err() {
            let closed = || StoreError::Unavailable { reason: "the store is closed".to_owned() };
            return (0..count).map(|_| Err(closed())).collect();
        }
        outcomes.await.unwrap_or_else(|_| {
            let ended = || StoreError::OutcomeUnknown { reason: "the writer has ended".to_owned() };
            (0..count).map(|_| Err(ended())).collect()
        })
    }

    /// Has `f` look at the connection between two transactions.
    #[cfg(test)]
    pub(super) fn inspect(&self, f: impl FnOnce(&Connection) + Send + 'static) {
        let _ = self.orders.send(Order::Inspect(Box::new(f)));
    }

    /// Has the connection given up, as after a disk error.
    #[cfg(test)]
    pub(super) fn break_connection(&self) {
        let _ = self.orders.send(Order::Break);
    }

    /// Has the thread finish what was given to it before, and end; waits for it.
    pub(super) fn close(&self) {
        let _ = self.orders.send(Order::Close);
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// How a session ended.
enum End {
    Closed,
    Broken,
}

/// What the thread has.
struct Loop {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    queue: Receiver<Order>,
}

impl Loop {
    fn run(self, mut writable: Option<Writable>) {
        let mut waiting = None;
        loop {
            if let Some(open) = writable.take() {
                match self.serve(&open, waiting.take()) {
                    End::Closed => return close(&open.connection),
                    End::Broken => {}
                }
            }
            // The connection is given up. The next job finds a new one, or is refused.
            match self.queue.recv() {
                Ok(Order::Work(job)) => match open::again(&self.path) {
                    Ok(open) => {
                        tracing::info!("the database was opened anew");
                        (writable, waiting) = (Some(open), Some(job));
                    }
                    Err(error) => {
                        tracing::error!(%error, "the database can't be opened anew");
                        job.refuse(&format!("the database can't be opened anew: {error}"));
                    }
                },
                #[cfg(test)]
                Ok(Order::Inspect(_) | Order::Break) => {}
                Ok(Order::Close) | Err(_) => return,
            }
        }
    }

    fn serve(&self, open: &Writable, waiting: Option<Job>) -> End {
        let mut session = Session::of(open, self.clock.clone(), self.ids.clone());
        let mut jobs: Vec<Job> = waiting.into_iter().collect();
        let mut linger = Linger::default();
        loop {
            let closing = self.fill(&mut session, &mut jobs, linger);
            if !jobs.is_empty() {
                let (count, began) = (jobs.len(), now());
                serve_batch(&mut session, &mut jobs);
                linger = Linger::after(count, began);
            }
            if closing {
                return End::Closed;
            }
            if session.is_broken() {
                return End::Broken;
            }
        }
    }

    /// Takes all that is there, and waits for it if there is nothing; says whether to end.
    #[cfg_attr(not(test), expect(unused_variables, reason = "only a test looks at it"))]
    fn fill(&self, session: &mut Session<'_>, jobs: &mut Vec<Job>, linger: Linger) -> bool {
        let mut count: usize = jobs.iter().map(|job| job.units.len()).sum();
        while count < BATCH_MAX {
            let order = if jobs.is_empty() {
                self.queue.recv().ok()
            } else {
                match self.queue.try_recv() {
                    Ok(order) => Some(order),
                    Err(mpsc::TryRecvError::Empty) => match linger.patience() {
                        None => return false,
                        Some(patience) => match self.queue.recv_timeout(patience) {
                            Ok(order) => Some(order),
                            Err(RecvTimeoutError::Timeout) => return false,
                            Err(RecvTimeoutError::Disconnected) => None,
                        },
                    },
                    Err(mpsc::TryRecvError::Disconnected) => None,
                }
            };
            match order {
                Some(Order::Work(job)) => {
                    count += job.units.len();
                    jobs.push(job);
                }
                #[cfg(test)]
                Some(Order::Inspect(f)) => f(session.connection()),
                #[cfg(test)]
                Some(Order::Break) => {
                    session.give_up();
                    return false;
                }
                Some(Order::Close) | None => return true,
            }
        }
        false
    }
}

/// Carries out the units of `jobs` together and answers each.
fn serve_batch(session: &mut Session<'_>, jobs: &mut Vec<Job>) {
    let mut units = Vec::new();
    let mut waiting = Vec::with_capacity(jobs.len());
    for job in jobs.drain(..) {
        waiting.push((job.units.len(), job.reply));
        units.extend(job.units);
    }
    let mut outcomes = session.carry_out(&units).into_iter();
    for (count, reply) in waiting {
        // Who does not wait any more needs no answer.
        let _ = reply.send(outcomes.by_ref().take(count).collect());
    }
}

fn close(connection: &Connection) {
    if let Err(error) = log::close(connection) {
        tracing::warn!(%error, "the log stays beside the database; the next start takes it in");
    }
}
