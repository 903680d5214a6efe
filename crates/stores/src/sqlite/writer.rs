//! The one thread that writes. What arrives while it is at work is its next transaction.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};

use parking_lot::Mutex;
use postroom_core::error::StoreError;
use postroom_core::ports::{Clock, IdSource};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::checkpoint::{Care, Checkpointer, Checkpoints};
use super::horizon::{Horizon, Lost};
use super::log::Writable;
use super::pace::{Pace, now};
use super::session::Session;
use super::work::{Outcome, Unit};
use super::{log, open};

/// How many units share a transaction at most: enough that the sync costs each next to nothing, few
/// enough that the first does not wait long for the last.
const BATCH_MAX: usize = 512;

/// From how many jobs on a transaction is synced beside the writer: handing it over costs a lone
/// caller more than it brings.
const MANY: usize = 8;

/// Units, and who waits for their outcomes.
struct Job {
    units: Vec<Unit>,
    reply: oneshot::Sender<Vec<Outcome>>,
}

fn refuse(jobs: &mut Vec<Job>, reason: &str) {
    for job in jobs.drain(..) {
        let outcome = || Err(StoreError::Unavailable { reason: reason.to_owned() });
        // Who does not wait any more needs no answer.
        let _ = job.reply.send(job.units.iter().map(|_| outcome()).collect());
    }
}

enum Order {
    Work(Job),
    /// Something is to be looked at.
    Wake,
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
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread on `writable`, and two beside it: one syncs the log, one brings it into the
    /// database. What is written is answered once it is within `horizon`.
    pub(super) fn start(
        writable: Writable,
        horizon: Arc<Horizon>,
        path: PathBuf,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel();
        let writer = Self { orders, threads: Mutex::default() };
        let wake = || {
            let orders = writer.orders.clone();
            move || drop(orders.send(Order::Wake))
        };
        let syncing = horizon.start(wake())?;
        let (checkpointer, taking_in) = Checkpointer::start(wake())?;
        let (pace, beside) = (Pace::default(), 0);
        let database = writable.database.clone();
        let loop_ = Loop { path, database, clock, ids, horizon, checkpointer, queue, pace, beside };
        let thread =
            Builder::new().name("sqlite-writer".to_owned()).spawn(move || loop_.run(writable))?;
        writer.threads.lock().extend([syncing, taking_in, thread]);
        Ok(writer)
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

    /// Has the threads finish what was given to them before, and end; waits for them.
    pub(super) fn close(&self) {
        let _ = self.orders.send(Order::Close);
        for thread in self.threads.lock().drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the thread has.
struct Loop {
    path: PathBuf,
    database: Arc<File>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    horizon: Arc<Horizon>,
    checkpointer: Checkpointer,
    queue: Receiver<Order>,
    /// How long a unit takes.
    pace: Pace,
    /// How many jobs had the transaction that was last synced beside the writer.
    beside: usize,
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.horizon.close();
    }
}

impl Loop {
    fn run(mut self, first: Writable) {
        let mut open = Some(first);
        let mut jobs = Vec::new();
        loop {
            if let Some(Writable { connection, log, beside, pages, .. }) = open.take() {
                self.horizon.renew(log);
                let checkpoints = Checkpoints::new(beside, self.checkpointer.clone());
                let closing = self.serve(&connection, &pages, checkpoints, &mut jobs);
                self.horizon.quiet();
                match (closing, self.horizon.is_lost()) {
                    (true, false) => return close(&connection),
                    // The next start writes the log anew.
                    (true, true) => return refuse(&mut jobs, "the store is closed"),
                    (false, _) => {}
                }
            }
            match open::again(&self.path, self.database.clone()) {
                Ok(writable) => {
                    tracing::info!("the database was opened anew");
                    open = Some(writable);
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "the database can't be opened anew");
                    refuse(&mut jobs, &format!("the database can't be opened anew: {error}"));
                }
            }
            // The next job has it tried again.
            match self.queue.recv() {
                Ok(Order::Work(job)) => jobs.push(job),
                Ok(Order::Wake) => {}
                #[cfg(test)]
                Ok(Order::Inspect(_) | Order::Break) => {}
                Ok(Order::Close) | Err(_) => return,
            }
        }
    }

    /// Serves `jobs` and what else comes, until it is closed, or until the connection or its log can't
    /// be trusted any more; says whether to end.
    fn serve(
        &mut self,
        connection: &Connection,
        log: &AtomicI32,
        mut checkpoints: Checkpoints,
        jobs: &mut Vec<Job>,
    ) -> bool {
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let mut session = Session::of(connection, clock, ids, self.horizon.clone());
        let mut closing = false;
        loop {
            closing |= self.fill(&mut session, jobs);
            if !jobs.is_empty() && !self.horizon.is_lost() {
                let batch = jobs.drain(..self.share(jobs.len())).collect();
                self.serve_batch(&mut session, batch);
            }
            let mut care = checkpoints.care(log.load(Ordering::Relaxed));
            if care != Care::None {
                // What was promised is on the disk before, so that nothing becomes of a checkpoint that
                // fails but that the log is written anew.
                self.horizon.quiet();
                self.horizon.sync_now();
            }
            if care == Care::Finish && !self.horizon.is_lost() {
                care = checkpoints.finish(connection);
            }
            if care == Care::Doubt {
                session.give_up();
            }
            if session.is_broken() {
                self.horizon.lose();
            }
            if closing && jobs.is_empty() || self.horizon.is_lost() {
                return closing;
            }
        }
    }

    /// Takes all that is there, and waits for it if there is nothing; says whether to end.
    ///
    /// While the disk is busy with the last transaction there is time for more to arrive: it goes on
    /// taking until the next one will be ready just when the disk is.
    #[cfg_attr(not(test), expect(unused_variables, reason = "only a test looks at it"))]
    fn fill(&self, session: &mut Session<'_>, jobs: &mut Vec<Job>) -> bool {
        self.horizon.await_turn();
        let mut count: usize = jobs.iter().map(|job| job.units.len()).sum();
        while count < BATCH_MAX {
            let order = if jobs.is_empty() {
                self.queue.recv().ok()
            } else {
                match self.queue.try_recv() {
                    Ok(order) => Some(order),
                    Err(mpsc::TryRecvError::Empty) => {
                        let patience = self.horizon.busy_for().saturating_sub(self.pace.of(count));
                        if patience.is_zero() {
                            return false;
                        }
                        match self.queue.recv_timeout(patience) {
                            Ok(order) => Some(order),
                            Err(RecvTimeoutError::Timeout) => return false,
                            Err(RecvTimeoutError::Disconnected) => None,
                        }
                    }
                    Err(mpsc::TryRecvError::Disconnected) => None,
                }
            };
            match order {
                Some(Order::Work(job)) => {
                    count += job.units.len();
                    jobs.push(job);
                }
                Some(Order::Wake) => return false,
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

    /// How many of so many waiting jobs make the next transaction.
    ///
    /// Who was answered asks again at once. Where the disk takes its time, all would soon go with the
    /// same transaction: the disk would wait for it, and it for the disk. So half of those that are
    /// under way go at a time, and there are always some for each.
    fn share(&self, waiting: usize) -> usize {
        let beside = if self.horizon.is_quiet() { 0 } else { self.beside };
        let half = (waiting + beside).div_ceil(2);
        let pays = half >= MANY && self.horizon.sync_time() >= self.pace.of(half) / 4;
        if pays { half.min(waiting) } else { waiting }
    }

    /// Carries out the units of `jobs` together, and has each answered when that is safe.
    fn serve_batch(&mut self, session: &mut Session<'_>, jobs: Vec<Job>) {
        let (count, before) = (jobs.len(), self.horizon.promised());
        let mut units = Vec::new();
        let mut waiting = Vec::with_capacity(jobs.len());
        for job in jobs {
            waiting.push((job.units.len(), job.reply));
            units.extend(job.units);
        }
        let began = now();
        let outcomes = session.carry_out(&units);
        self.pace.took(now() - began, units.len());
        self.horizon.when_safe(move |safe| answer(waiting, outcomes, safe));
        if self.horizon.promised() == before || session.is_broken() {
            return;
        }
        if count >= MANY || !self.horizon.is_quiet() {
            self.beside = count;
            self.horizon.sync_beside();
        } else {
            self.horizon.sync_now();
        }
    }
}

/// Tells each of `waiting` its part of `outcomes`.
fn answer(
    waiting: Vec<(usize, oneshot::Sender<Vec<Outcome>>)>,
    outcomes: Vec<Outcome>,
    safe: Result<(), Lost>,
) {
    let mut outcomes = outcomes.into_iter().map(|outcome| match safe {
        Ok(()) => outcome,
        Err(Lost) => Err(StoreError::OutcomeUnknown { reason: "the disk failed".to_owned() }),
    });
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
