//! What PostgreSQL has shown is there after its crash.
#![cfg(feature = "postgres")]

mod support;

use std::sync::Arc;

use postroom_conformance::SeededIds;
use postroom_conformance::world::{beginning, said, thread};
use postroom_core::command::{Command, Envelope, Mode};
use postroom_core::event::SharedEvent;
use postroom_core::ports::MailboxStore;
use postroom_stores::postgres::{Options, PostgresStore};
use postroom_testbed::{Postgres, Settings, Shutdown};
use support::OnTokio;

async fn open(server: &Postgres) -> PostgresStore {
    let ids = Arc::new(SeededIds::new(1));
    PostgresStore::open(Options::new(server.url(), ids, Arc::new(OnTokio))).await.unwrap()
}

async fn events(store: &PostgresStore) -> Vec<SharedEvent> {
    store.events(&thread("t"), 0, 100).await.unwrap()
}

/// Found by the chaos command: a claim need not wait for the disk, but the event of the run that it
/// begins was shown, and after a crash its number was given to another one.
#[tokio::test]
async fn an_event_that_was_read() {
    // What nobody waits for does not come to the disk by itself within this test.
    let settings = Settings::durable().with("wal_writer_delay", "10s");
    let mut server = Postgres::with(settings).unwrap();
    let store = open(&server).await;
    let submit = Command::Submit(Box::new(said(Mode::Enqueue, "hello")));
    let submitted = store.apply(vec![Envelope::new(thread("t"), submit)]).await;
    assert!(submitted[0].is_ok(), "{submitted:?}");
    let before = events(&store).await;
    let claimed = store.claim_ready(beginning("node"), 1).await.unwrap();
    assert_eq!(claimed.claimed.len(), 1);
    let shown = events(&store).await;
    assert!(shown.len() > before.len(), "a run that begins is an event");
    drop(store);

    server.stop(Shutdown::Immediate).unwrap();
    server.start_again().unwrap();
    assert_eq!(events(&open(&server).await).await, shown);
}
