//! Tests that look behind the port: at the file, the connection and the plans.

mod batch;
mod checkpoint;
mod durability;
mod full;
mod horizon;
mod lists;
mod opening;
mod plans;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postroom_core::command::{
    ClaimRequest, Command, Delivered, Mode, Outcome, Reply, RunResult, Settle, Step, Submit,
    Submitted, TenantRooms,
};
use postroom_core::error::StoreError;
use postroom_core::id::{NodeId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::ports::Applied;
use rusqlite::Connection;

use super::*;
use crate::system::{SystemClock, SystemIds};

/// A directory of a test's own, gone when it is dropped.
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("postroom-sqlite-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.join("mail.db")
    }

    pub(super) fn options(&self) -> Options {
        Options::new(self.path(), Arc::new(SystemClock), Arc::new(SystemIds::new()))
    }

    pub(super) fn open(&self) -> SqliteStore {
        SqliteStore::open(self.options()).unwrap()
    }

    pub(super) fn refusal(&self) -> OpenError {
        match SqliteStore::open(self.options()) {
            Ok(_) => panic!("the database was opened"),
            Err(error) => error,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn thread_id(text: &str) -> ThreadId {
    ThreadId::parse(text).unwrap()
}

pub(super) fn claim_request() -> ClaimRequest {
    ClaimRequest {
        node: NodeId::parse("node").unwrap(),
        lease: Duration::from_secs(30),
        begin: true,
        except_agents: Arc::default(),
        tenants: TenantRooms::default(),
        after_tenant: None,
    }
}

pub(super) fn submit(thread: &str, text: &str) -> Envelope {
    let submit = Submit::new(Mode::Enqueue, vec![NewMessage::user(text)]);
    Envelope::new(thread_id(thread), Command::Submit(Box::new(submit)))
}

pub(super) fn submit_and_claim(thread: &str, text: &str) -> Envelope {
    let mut submit = Submit::new(Mode::Enqueue, vec![NewMessage::user(text)]);
    submit.claim = Some(claim_request());
    Envelope::new(thread_id(thread), Command::Submit(Box::new(submit)))
}

pub(super) fn settle(delivered: &Delivered) -> Envelope {
    let settle = Settle {
        claim: delivered.dispatch.claim().unwrap().clone(),
        step: Step::default(),
        outcome: Outcome::Ack(RunResult::natural_end(Some("done".to_owned()))),
        next: None,
    };
    let command = Command::Settle(Box::new(settle));
    Envelope::new(delivered.dispatch.thread_id.clone(), command)
}

/// Applies one command.
pub(super) async fn apply(store: &SqliteStore, envelope: Envelope) -> Result<Applied, StoreError> {
    store.apply(vec![envelope]).await.pop().unwrap()
}

pub(super) fn submitted(applied: Applied) -> Submitted {
    match applied.reply {
        Reply::Submitted(submitted) => submitted,
        other => panic!("{other:?}"),
    }
}

/// Has `f` look at the writer's connection, after all that was applied before.
pub(super) async fn inspect<T: Send + 'static>(
    store: &SqliteStore,
    f: impl FnOnce(&Connection) -> T + Send + 'static,
) -> T {
    let (reply, found) = tokio::sync::oneshot::channel();
    store.writer.inspect(move |connection| drop(reply.send(f(connection))));
    found.await.unwrap()
}

pub(super) fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0xff;
    std::fs::write(path, bytes).unwrap();
}
