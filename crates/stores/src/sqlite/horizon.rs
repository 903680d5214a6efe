//! How far the log is on the disk, and the answers that wait until it is far enough.
//!
//! SQLite commits without waiting for the disk (`synchronous = NORMAL`); the log is synced here. The
//! writer does it itself where little is asked of it. Where much comes together, a thread beside the
//! writer does it, and the next transaction is computed while the disk takes the last one.
//!
//! Nothing leaves the store before the promises it may rest on are on the disk: neither a promise's
//! own answer, nor a claim or a read that saw one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::pace::{Pace, now};

/// The disk failed: whether what was committed last is on it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;

/// Is told whether an answer may go out.
type Waiting = Box<dyn FnOnce(Result<(), Lost>) + Send>;

/// Which of the store's promises are on the disk. A promise is a transaction that must survive a
/// power failure; they are counted in the order of their commits.
#[derive(Default)]
pub(super) struct Horizon {
    /// How many SQLite was told to commit: counted before, so that nobody sees one that is not.
    promised: AtomicU64,
    /// How many of these are on the disk.
    safe: AtomicU64,
    /// The disk has failed, and the log was not written anew since.
    lost: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    log: Option<Arc<File>>,
    /// By how many promises must be on the disk first.
    waiting: BTreeMap<u64, Vec<Waiting>>,
    /// How many promises the thread is asked to sync.
    asked: Option<u64>,
    /// Since when the thread syncs, if it does.
    syncing: Option<Instant>,
    /// How long it takes.
    pace: Pace,
    closed: bool,
}

impl State {
    fn is_quiet(&self) -> bool {
        self.asked.is_none() && self.syncing.is_none()
    }
}

impl Horizon {
    /// Starts the thread that syncs when it is asked to, and calls `failed` if it could not. It ends
    /// with [`Self::close`].
    pub(super) fn start(
        self: &Arc<Self>,
        failed: impl Fn() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let horizon = self.clone();
        Builder::new().name("sqlite-sync".to_owned()).spawn(move || {
            while let Some(committed) = horizon.await_request() {
                horizon.sync(committed);
                horizon.state.lock().syncing = None;
                horizon.changed.notify_all();
                if horizon.is_lost() {
                    failed();
                }
            }
        })
    }

    fn await_request(&self) -> Option<u64> {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.asked.is_none() && !state.closed);
        let committed = state.asked.take()?;
        state.syncing = Some(now());
        drop(state);
        self.changed.notify_all();
        Some(committed)
    }

    /// Ends the thread, after what it was asked.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Begins, or begins anew after a failure, with `log`, which is wholly on the disk.
    pub(super) fn renew(&self, log: Arc<File>) {
        self.state.lock().log = Some(log);
        self.lost.store(false, Ordering::SeqCst);
        self.advance(self.promised());
    }

    /// Counts a promise that is about to be committed. Only the writer promises, and it has the log
    /// synced afterwards, whatever becomes of the commit.
    pub(super) fn promise(&self) {
        self.promised.fetch_add(1, Ordering::SeqCst);
    }

    /// How many promises were counted.
    pub(super) fn promised(&self) -> u64 {
        self.promised.load(Ordering::SeqCst)
    }

    fn is_safe(&self, promised: u64) -> bool {
        promised <= self.safe.load(Ordering::SeqCst)
    }

    /// Whether the disk failed and the log must be written anew.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// Runs `answer` once all that is promised now is on the disk; at once, if it is.
    pub(super) fn when_safe(&self, answer: impl FnOnce(Result<(), Lost>) + Send + 'static) {
        let promised = self.promised();
        if self.is_safe(promised) {
            return answer(Ok(()));
        }
        let mut state = self.state.lock();
        // Whoever changes these looks afterwards, with the lock, who waits.
        if !self.is_safe(promised) && !self.is_lost() {
            state.waiting.entry(promised).or_default().push(Box::new(answer));
            return;
        }
        drop(state);
        answer(if self.is_safe(promised) { Ok(()) } else { Err(Lost) });
    }

    /// Syncs what the writer has committed, in the writer itself. The thread must be quiet: a failure
    /// is told once, and both must know of it.
    pub(super) fn sync_now(&self) {
        self.sync(self.promised());
    }

    /// Has the thread sync what the writer has committed.
    pub(super) fn sync_beside(&self) {
        self.state.lock().asked = Some(self.promised());
        self.changed.notify_all();
    }

    /// Whether the thread has nothing to do.
    pub(super) fn is_quiet(&self) -> bool {
        self.state.lock().is_quiet()
    }

    /// Waits until the thread has nothing to do.
    pub(super) fn quiet(&self) {
        self.changed.wait_while(&mut self.state.lock(), |state| !state.is_quiet());
    }

    /// Waits until the thread has begun with what it was last asked for. Who commits before makes
    /// transactions smaller, and answers no earlier.
    pub(super) fn await_turn(&self) {
        self.changed.wait_while(&mut self.state.lock(), |state| state.asked.is_some());
    }

    /// How long the thread is likely to go on with its sync; zero if it is quiet.
    pub(super) fn busy_for(&self) -> Duration {
        let state = self.state.lock();
        let left = |began| state.pace.of(1).saturating_sub(now() - began);
        state.syncing.map_or(Duration::ZERO, left)
    }

    /// How long a sync takes.
    pub(super) fn sync_time(&self) -> Duration {
        self.state.lock().pace.of(1)
    }

    fn sync(&self, committed: u64) {
        let log = self.state.lock().log.clone();
        let began = now();
        let synced = log.map_or_else(|| Err(ErrorKind::NotFound.into()), |log| log.sync_data());
        self.state.lock().pace.took(now() - began, 1);
        match synced {
            Ok(()) => self.advance(committed),
            Err(error) => {
                tracing::error!(%error, "the log could not be synced");
                self.lose();
            }
        }
    }

    /// The first `committed` promises are on the disk.
    fn advance(&self, committed: u64) {
        self.safe.fetch_max(committed, Ordering::SeqCst);
        let mut state = self.state.lock();
        let later = state.waiting.split_off(&(committed + 1));
        let now = std::mem::replace(&mut state.waiting, later);
        drop(state);
        answer(now, Ok(()));
    }

    /// Nothing more is known of what was committed since the last sync, and nothing is answered
    /// until [`Self::renew`].
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
        let all = std::mem::take(&mut self.state.lock().waiting);
        answer(all, Err(Lost));
    }
}

fn answer(waiting: BTreeMap<u64, Vec<Waiting>>, how: Result<(), Lost>) {
    for tell in waiting.into_values().flatten() {
        tell(how);
    }
}
