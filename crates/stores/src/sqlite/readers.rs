//! Reading beside the writer, from the last committed state. What was read is answered once it is on
//! the disk, so that nobody is told what a power failure takes away.
//!
//! A few threads, each with a connection of its own and its statements ready. Handing a read over
//! costs a lock and a wake-up, like `spawn_blocking`, but no connection has to be taken from a pool
//! and given back, no statement is looked up by its text, and a slow disk holds up four threads of
//! ours, not the runtime's.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use parking_lot::{Condvar, Mutex};
use postroom_core::error::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::Fault;
use super::horizon::{Horizon, Lost};
use super::queries::Statements;

type Job = Box<dyn for<'c> FnOnce(&mut Statements<'c>) + Send>;

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Queue {
    /// The next job; `None` once the queue is closed and empty.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Puts a job in; `false` if the queue is closed.
    fn put(&self, job: Job) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        state.jobs.push_back(job);
        drop(state);
        self.changed.notify_one();
        true
    }

    fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }
}

/// The readers, as the store holds them.
pub(super) struct Readers {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    horizon: Arc<Horizon>,
}

impl Readers {
    /// Starts a thread on each of `connections`.
    pub(super) fn start(connections: Vec<Connection>, horizon: Arc<Horizon>) -> io::Result<Self> {
        let readers = Self { queue: Arc::default(), threads: Mutex::default(), horizon };
        for connection in connections {
            let queue = readers.queue.clone();
            let thread = Builder::new().name("sqlite-reader".to_owned()).spawn(move || {
                let mut statements = Statements::of(&connection);
                while let Some(job) = queue.next() {
                    // Who asked gets no answer and knows by that; the thread goes on.
                    let _ = catch_unwind(AssertUnwindSafe(|| job(&mut statements)));
                }
            })?;
            readers.threads.lock().push(thread);
        }
        Ok(readers)
    }

    /// Has `read` carried out.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Statements<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let horizon = self.horizon.clone();
        let job: Job = Box::new(move |statements| {
            let found = read(statements);
            horizon.when_safe(move |safe| {
                // Who does not wait any more needs no answer.
                let _ = reply.send(safe.map(|()| found));
            });
        });
        if !self.queue.put(job) {
            return Err(StoreError::Unavailable { reason: "the store is closed".to_owned() });
        }
        let failed = |reason: &str| StoreError::Unavailable { reason: reason.to_owned() };
        match answer.await {
            Ok(Ok(found)) => found.map_err(|fault| fault.nothing_written()),
            Ok(Err(Lost)) => Err(failed("the disk failed, and what was read may not be on it")),
            Err(_) => Err(failed("the read failed")),
        }
    }

    /// What answers wait for.
    #[cfg(test)]
    pub(super) fn horizon(&self) -> &Horizon {
        &self.horizon
    }

    /// Has the threads finish what was asked of them, and end; waits for them.
    pub(super) fn close(&self) {
        self.queue.close();
        for thread in self.threads.lock().drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}
