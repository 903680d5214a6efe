//! The hub: hands what was just written to whoever listens on this node.
//!
//! It is a short cut, not the source: a subscriber that misses something reads the store. So there
//! is nothing here for threads that nobody listens to, and a slow listener costs a bounded buffer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use tokio::sync::mpsc;

/// Events that wait for one listener of a thread. A listener that is further behind reads the store.
const BUFFER_OF_THREAD: usize = 256;
/// Events that wait for one listener of all threads. It misses what does not fit.
const BUFFER_OF_ALL: usize = 4_096;

#[derive(Clone, Default)]
pub(crate) struct Hub {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// How many listen, so that publishing to nobody costs one load.
    listeners: AtomicUsize,
    by_topic: Mutex<HashMap<Option<ThreadId>, Vec<Arc<Listener>>>>,
}

struct Listener {
    buffer: mpsc::Sender<SharedEvent>,
    /// Something did not fit, or may have been missed.
    missed: AtomicBool,
    look: tokio::sync::Notify,
}

impl Listener {
    fn hand(&self, event: &SharedEvent) {
        if self.buffer.try_send(event.clone()).is_err() {
            self.missed.store(true, Ordering::Release);
        }
    }

    fn look_again(&self) {
        self.missed.store(true, Ordering::Release);
        self.look.notify_one();
    }
}

impl Hub {
    /// Hands events on, in their order.
    pub(crate) fn publish(&self, events: &[SharedEvent]) {
        if events.is_empty() || self.shared.listeners.load(Ordering::Acquire) == 0 {
            return;
        }
        let by_topic = self.shared.by_topic.lock();
        let of_all = by_topic.get(&None).map_or(&[][..], Vec::as_slice);
        for event in events {
            // Events of one command are of one thread, those of a batch come grouped: the look-up
            // is not worth saving.
            let topic = Some(event.thread_id.clone());
            let of_thread = by_topic.get(&topic).map_or(&[][..], Vec::as_slice);
            for listener in of_thread.iter().chain(of_all) {
                listener.hand(event);
            }
        }
    }

    /// Lets the thread's listeners read the store: something may have been written unseen.
    pub(crate) fn look_again(&self, thread_id: &ThreadId) {
        if self.shared.listeners.load(Ordering::Acquire) == 0 {
            return;
        }
        let by_topic = self.shared.by_topic.lock();
        for listener in by_topic.get(&Some(thread_id.clone())).into_iter().flatten() {
            listener.look_again();
        }
    }

    /// Listens to one thread, from now on.
    pub(crate) fn listen(&self, thread_id: &ThreadId) -> Listening {
        self.subscribe(Some(thread_id.clone()), BUFFER_OF_THREAD)
    }

    /// Listens to all threads, from now on.
    pub(crate) fn listen_to_all(&self) -> Listening {
        self.subscribe(None, BUFFER_OF_ALL)
    }

    fn subscribe(&self, topic: Option<ThreadId>, size: usize) -> Listening {
        let (buffer, events) = mpsc::channel(size);
        let listener = Arc::new(Listener {
            buffer,
            missed: AtomicBool::new(false),
            look: tokio::sync::Notify::new(),
        });
        self.shared.by_topic.lock().entry(topic.clone()).or_default().push(listener.clone());
        self.shared.listeners.fetch_add(1, Ordering::AcqRel);
        Listening { hub: self.clone(), topic, listener, events }
    }
}

/// What a listener hears: a hint of what was written.
pub(crate) enum Heard {
    /// This, among other things perhaps.
    Event(SharedEvent),
    /// Something: look into the store.
    Something,
}

/// One listener's end. Dropping it ends the listening.
pub(crate) struct Listening {
    hub: Hub,
    topic: Option<ThreadId>,
    listener: Arc<Listener>,
    events: mpsc::Receiver<SharedEvent>,
}

impl Listening {
    /// The next thing heard.
    pub(crate) async fn hear(&mut self) -> Heard {
        if let Ok(event) = self.events.try_recv() {
            return Heard::Event(event);
        }
        // What did not fit the buffer came after what was in it.
        if self.listener.missed.swap(false, Ordering::AcqRel) {
            return Heard::Something;
        }
        tokio::select! {
            biased;
            event = self.events.recv() => event.map_or(Heard::Something, Heard::Event),
            () = self.listener.look.notified() => {
                self.listener.missed.store(false, Ordering::Release);
                Heard::Something
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut by_topic = self.hub.shared.by_topic.lock();
        if let Some(listeners) = by_topic.get_mut(&self.topic) {
            listeners.retain(|other| !Arc::ptr_eq(other, &self.listener));
            if listeners.is_empty() {
                by_topic.remove(&self.topic);
            }
        }
        self.hub.shared.listeners.fetch_sub(1, Ordering::AcqRel);
    }
}
