//! All that a store shows of one thread.

use postroom_core::dispatch::Dispatch;
use postroom_core::error::StoreError;
use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::ports::{DispatchFilter, MailboxStore, RunFilter};
use postroom_core::run::Run;
use postroom_core::thread::Thread;

/// How much one page of a snapshot reads.
const PAGE: usize = 1_000;

/// One thread as a store shows it. Read while nothing else writes to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The thread's row.
    pub thread: Option<Thread>,
    /// Newest first.
    pub runs: Vec<Run>,
    /// Newest first.
    pub dispatches: Vec<Dispatch>,
    /// In order.
    pub messages: Vec<LogMessage>,
    /// In order.
    pub pending: Vec<Pending>,
    /// In order.
    pub events: Vec<SharedEvent>,
}

impl Snapshot {
    /// Reads all of a thread.
    ///
    /// # Errors
    /// What a read failed with.
    pub async fn read(store: &dyn MailboxStore, thread_id: &ThreadId) -> Result<Self, StoreError> {
        Ok(Self {
            thread: store.thread(thread_id).await?,
            runs: all_runs(store, thread_id).await?,
            dispatches: all_dispatches(store, thread_id).await?,
            messages: all_messages(store, thread_id).await?,
            pending: store.pending(thread_id).await?,
            events: all_events(store, thread_id).await?,
        })
    }
}

async fn all_runs(store: &dyn MailboxStore, thread_id: &ThreadId) -> Result<Vec<Run>, StoreError> {
    let filter = RunFilter { thread_id: Some(thread_id.clone()), ..RunFilter::default() };
    let (mut runs, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.runs(&filter, PAGE, cursor.as_deref()).await?;
        runs.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(runs);
        }
    }
}

async fn all_dispatches(
    store: &dyn MailboxStore,
    thread_id: &ThreadId,
) -> Result<Vec<Dispatch>, StoreError> {
    let filter = DispatchFilter { thread_id: Some(thread_id.clone()), ..DispatchFilter::default() };
    let (mut dispatches, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.dispatches(&filter, PAGE, cursor.as_deref()).await?;
        dispatches.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(dispatches);
        }
    }
}

async fn all_messages(
    store: &dyn MailboxStore,
    thread_id: &ThreadId,
) -> Result<Vec<LogMessage>, StoreError> {
    let mut messages: Vec<LogMessage> = Vec::new();
    loop {
        let after = messages.last().map_or(0, |message| message.seq);
        let page = store.messages(thread_id, after, PAGE).await?;
        if page.is_empty() {
            return Ok(messages);
        }
        messages.extend(page);
    }
}

async fn all_events(
    store: &dyn MailboxStore,
    thread_id: &ThreadId,
) -> Result<Vec<SharedEvent>, StoreError> {
    let mut events: Vec<SharedEvent> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.seq);
        let page = store.events(thread_id, after, PAGE).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}
