//! The event feed over core subjects.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use parking_lot::Mutex;
use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::ports::{EventFeed, FeedHandler, FeedHint, Subscription};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ears::{self, Ear};
use super::{Nats, Shared, wire};
use crate::hints::hints;
use crate::interest::{IS_KNOWN_AFTER, IS_SAID_AFTER, Interest};
use crate::topics::Topics;

/// How many hints may wait to be told. What does not fit is lost, as every hint may be.
const WAITING_MAX: usize = 10_000;

/// The event feed over a core subject for each thread. A node says which threads it listens to, and
/// of the others nothing is told. Clones share their subscriptions.
#[derive(Clone)]
pub struct NatsFeed {
    nats: Nats,
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) topics: Topics,
    /// What other nodes listen to.
    pub(super) interest: Interest,
    /// Ends the subscription to a thread's subject.
    lines: Mutex<BTreeMap<ThreadId, CancellationToken>>,
    outbox: mpsc::Sender<(ThreadId, FeedHint)>,
}

impl NatsFeed {
    pub(super) fn new(nats: &Nats) -> Self {
        let (outbox, waiting) = mpsc::channel(WAITING_MAX);
        let (topics, interest, lines) = (Topics::default(), Interest::default(), Mutex::default());
        let inner = Arc::new(Inner { topics, interest, lines, outbox });
        let shared = nats.shared();
        shared.spawner.spawn(Box::pin(tell_all(shared.clone(), waiting)));
        shared.spawner.spawn(Box::pin(ears::keep(shared.clone(), Arc::downgrade(&inner))));
        Self { nats: nats.clone(), inner }
    }

    fn end(&self, thread_id: &ThreadId, number: u64) {
        let mut lines = self.inner.lines.lock();
        if self.inner.topics.leave(thread_id, number)
            && let Some(line) = lines.remove(thread_id)
        {
            line.cancel();
        }
    }
}

impl EventFeed for NatsFeed {
    fn publish(&self, events: &[SharedEvent]) {
        let interest = &self.inner.interest;
        if !interest.is_any() || !self.nats.shared().is_connected() {
            return;
        }
        for (thread_id, hint) in hints(events) {
            if interest.in_thread(thread_id).is_empty() {
                continue;
            }
            if self.inner.outbox.try_send((thread_id.clone(), hint)).is_err() {
                return tracing::debug!("hints of events are lost: NATS takes them too slowly");
            }
        }
    }

    fn subscribe(&self, thread_id: &ThreadId, handler: Arc<dyn FeedHandler>) -> Subscription {
        // Held until the line is in the table, so that an end beside it finds it.
        let mut lines = self.inner.lines.lock();
        let (number, is_first) = self.inner.topics.enter(thread_id, handler);
        if is_first {
            let line = CancellationToken::new();
            lines.insert(thread_id.clone(), line.clone());
            let (shared, inner) = (self.nats.shared().clone(), self.inner.clone());
            let listening = listen(shared, inner, thread_id.clone(), line);
            self.nats.shared().spawner.spawn(Box::pin(listening));
        }
        drop(lines);
        let (this, thread_id) = (self.clone(), thread_id.clone());
        Subscription::new(move || this.end(&thread_id, number))
    }
}

/// Passes on what is told of one thread.
async fn listen(
    shared: Arc<Shared>,
    inner: Arc<Inner>,
    thread_id: ThreadId,
    ended: CancellationToken,
) {
    tokio::select! {
        biased;
        () = ended.cancelled() => return,
        () = tokio::time::sleep(IS_SAID_AFTER) => {}
    }
    let listening = async {
        let subject = shared.subjects.events(&thread_id);
        let Ok(mut told) = shared.client.subscribe(subject).await else {
            return tracing::debug!(%thread_id, "no hints over NATS: the store is read");
        };
        ears::say(&shared, &Ear::Listens(vec![thread_id.clone()])).await;
        shared.round_trip().await;
        // From about now on the others tell; what they wrote before is in the store.
        tokio::time::sleep(IS_KNOWN_AFTER).await;
        inner.topics.tell(&thread_id, &FeedHint::Look);
        while let Some(message) = told.next().await {
            if let Some((from, hint)) = wire::decode(&message.payload)
                && from != shared.me
            {
                inner.topics.tell(&thread_id, &hint);
            }
        }
    };
    tokio::select! {
        biased;
        () = ended.cancelled() => {}
        () = shared.closed.cancelled() => return,
        () = listening => {}
    }
    // Unless somebody began to listen again meanwhile.
    if !inner.lines.lock().contains_key(&thread_id) {
        ears::say(&shared, &Ear::Ended(thread_id)).await;
    }
}

/// Tells what waits. What is told of one thread in a row needs only the newest announcement.
async fn tell_all(shared: Arc<Shared>, mut waiting: mpsc::Receiver<(ThreadId, FeedHint)>) {
    const AT_ONCE_MAX: usize = 256;
    let mut batch = Vec::with_capacity(AT_ONCE_MAX);
    loop {
        tokio::select! {
            biased;
            () = shared.closed.cancelled() => return,
            count = waiting.recv_many(&mut batch, AT_ONCE_MAX) => if count == 0 { return },
        }
        let mut batch = batch.drain(..).peekable();
        while let Some((thread_id, hint)) = batch.next() {
            let is_outdone = |(next, newer): &(ThreadId, FeedHint)| {
                matches!((&hint, newer), (FeedHint::UpTo(_), FeedHint::UpTo(_)))
                    && *next == thread_id
            };
            if batch.peek().is_some_and(is_outdone) {
                continue;
            }
            let Some(payload) = wire::encode(shared.me, &hint) else { continue };
            let subject = shared.subjects.events(&thread_id);
            if let Err(error) = shared.client.publish(subject, payload).await {
                tracing::debug!(%error, "a hint of an event was not told");
            }
        }
    }
}
