//! When the log is brought into the database, and by whom.
//!
//! It is long work, so a thread beside the writer does it. But the log begins anew only once all of it
//! is in the database, and what is written meanwhile is not. So the thread goes over it again until
//! little is left, and that little the writer does itself, between two transactions.

use std::ffi::c_int;
use std::io;
use std::sync::mpsc::{self, Receiver, SendError, Sender};
use std::thread::{Builder, JoinHandle};

use rusqlite::{Connection, ErrorCode};

/// From how many pages of 4 KiB on the log is brought into the database. A page that changes all the
/// time is then written there once in thousands of changes, and the syncs are spread over many commits.
const LONG: c_int = 16_384;

/// How many more of them the writer lets the thread have before it waits for it.
const FAR: c_int = 2 * LONG;

/// How many the writer may have left to it.
const LITTLE: c_int = LONG / 32;

/// Or which part of the log: where one transaction writes more than a little, less is never left.
const PART: c_int = 8;

/// How many pages of the log are in the database; the error is the disk's.
type Pass = Result<c_int, rusqlite::Error>;

/// Brings as much of the log into the database as its readers allow. Without room, or while another
/// program is at it, that is nothing, and a later pass does it.
fn pass(connection: &Connection) -> Pass {
    let mut taken_in = 0;
    let done = connection.pragma(None, "wal_checkpoint", "passive", |row| {
        taken_in = row.get(2)?;
        Ok(())
    });
    match done {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) => Err(error),
        _ => Ok(taken_in),
    }
}

/// A connection for the thread to make a pass with, and where to give it back.
type Request = (Connection, Sender<(Connection, Pass)>);

/// The thread, as the writer holds it.
#[derive(Debug, Clone)]
pub(super) struct Checkpointer(Sender<Request>);

impl Checkpointer {
    /// Starts the thread, which calls `done` after each pass. It ends when this is dropped.
    pub(super) fn start(done: impl Fn() + Send + 'static) -> io::Result<(Self, JoinHandle<()>)> {
        let (requests, asked) = mpsc::channel::<Request>();
        let thread = Builder::new().name("sqlite-checkpoint".to_owned()).spawn(move || {
            for (connection, back) in asked {
                let pass = pass(&connection);
                // Who does not take it back has given it up.
                let _ = back.send((connection, pass));
                done();
            }
        })?;
        Ok((Self(requests), thread))
    }
}

/// What the writer knows of the log.
#[derive(Debug)]
pub(super) struct Checkpoints {
    thread: Checkpointer,
    /// While the thread does not have it.
    connection: Option<Connection>,
    /// Where it comes back from the thread's pass; never, if the thread has died with it.
    under_way: Option<Receiver<(Connection, Pass)>>,
    /// How many pages the log had when this was last looked at.
    pages: c_int,
    /// How many of them are in the database.
    taken_in: c_int,
    /// How many it must have for the next pass.
    due: c_int,
}

/// What is to be done about the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Nothing, or nothing yet.
    None,
    /// The writer is to bring into the database what is left.
    Finish,
    /// The disk failed. SQLite syncs the log first: commits that nobody waited for may be missing on
    /// the disk below those that are synced later.
    Doubt,
}

impl Checkpoints {
    /// Has `thread` work with `connection`, which is for nothing else.
    pub(super) fn new(connection: Connection, thread: Checkpointer) -> Self {
        let (connection, under_way) = (Some(connection), None);
        Self { thread, connection, under_way, pages: 0, taken_in: 0, due: LONG }
    }

    /// Looks after a log of so many pages.
    pub(super) fn care(&mut self, pages: c_int) -> Care {
        if pages < self.pages {
            // It has begun anew.
            (self.taken_in, self.due) = (0, LONG);
        }
        self.pages = pages;
        let ended = self.under_way.as_ref().and_then(|under_way| under_way.try_recv().ok());
        if let Some((connection, pass)) = ended {
            self.under_way = None;
            self.connection = Some(connection);
            return self.after(pass);
        }
        if pages >= self.due.saturating_add(FAR) {
            return Care::Finish;
        }
        if pages >= self.due
            && let Some(connection) = self.connection.take()
        {
            let (back, under_way) = mpsc::channel();
            let asked = self.thread.0.send((connection, back));
            self.connection = asked.err().map(|SendError((connection, _))| connection);
            self.under_way = self.connection.is_none().then_some(under_way);
        }
        Care::None
    }

    fn after(&mut self, pass: Pass) -> Care {
        let taken_in = match pass {
            Ok(taken_in) => taken_in,
            Err(error) => {
                tracing::error!(%error, "the log could not be brought into the database");
                return Care::Doubt;
            }
        };
        let further = taken_in > self.taken_in;
        self.taken_in = taken_in;
        if further && self.pages - taken_in <= LITTLE.max(self.pages / PART) {
            return Care::Finish;
        }
        // A reader that stays keeps it from getting further: then not again after each commit.
        self.due = if further { self.pages } else { self.pages + LONG };
        Care::None
    }

    /// Has the writer's own `connection` do what is left, once the thread is not at it.
    pub(super) fn finish(&mut self, connection: &Connection) -> Care {
        if let Some(under_way) = self.under_way.take()
            && let Ok((own, pass)) = under_way.recv()
        {
            self.connection = Some(own);
            if self.after(pass) == Care::Doubt {
                return Care::Doubt;
            }
        }
        self.due = self.pages + LONG;
        match self.after(pass(connection)) {
            Care::Doubt => Care::Doubt,
            Care::Finish | Care::None => Care::None,
        }
    }
}

impl Drop for Checkpoints {
    /// Waits until the thread has given the connection back: nobody else may be at the log then.
    fn drop(&mut self) {
        if let Some(under_way) = self.under_way.take() {
            let _ = under_way.recv();
        }
    }
}
