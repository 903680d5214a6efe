//! The hub: hands what was just written to whoever listens on this node, and tells other nodes.
//!
//! It is a short cut, not the source: a subscriber that misses something reads the store. So there
//! is nothing here for threads that nobody listens to, and a slow listener costs a bounded buffer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::ports::{EventFeed, FeedHandler, FeedHint, Subscription};
use tokio::sync::mpsc;

/// Events that wait for one listener of a thread. A listener that is further behind reads the store.
const BUFFER_OF_THREAD: usize = 256;
/// Events that wait for one listener of all threads. It misses what does not fit.
const BUFFER_OF_ALL: usize = 4_096;

#[derive(Clone)]
pub(crate) struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    /// How many listen, so that publishing to nobody costs one load.
    listeners: AtomicUsize,
    by_topic: Mutex<HashMap<Option<ThreadId>, Topic>>,
    /// To other nodes and from them, where there are others.
    feed: Option<Arc<dyn EventFeed>>,
}

#[derive(Default)]
struct Topic {
    listeners: Vec<Arc<Listener>>,
    /// Held while somebody listens here.
    elsewhere: Option<Subscription>,
}

struct Listener {
    buffer: mpsc::Sender<SharedEvent>,
    /// Something did not fit, or may have been missed.
    missed: AtomicBool,
    /// Other nodes have written up to this `seq`; 0 for nothing new.
    up_to: AtomicU64,
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

    fn look_up_to(&self, seq: u64) {
        self.up_to.fetch_max(seq, Ordering::AcqRel);
        self.look.notify_one();
    }
}

impl Hub {
    pub(crate) fn new(feed: Option<Arc<dyn EventFeed>>) -> Self {
        let (listeners, by_topic) = (AtomicUsize::new(0), Mutex::default());
        Self { shared: Arc::new(Shared { listeners, by_topic, feed }) }
    }

    /// Hands on what this node has written, in its order.
    pub(crate) fn publish(&self, events: &[SharedEvent]) {
        if events.is_empty() {
            return;
        }
        if let Some(feed) = &self.shared.feed {
            feed.publish(events);
        }
        if self.shared.listeners.load(Ordering::Acquire) == 0 {
            return;
        }
        let by_topic = self.shared.by_topic.lock();
        let of_all = by_topic.get(&None).map_or(&[][..], |topic| &topic.listeners);
        for event in events {
            // Events of one command are of one thread, those of a batch come grouped: the look-up
            // is not worth saving.
            let topic = Some(event.thread_id.clone());
            let of_thread = by_topic.get(&topic).map_or(&[][..], |topic| &topic.listeners);
            for listener in of_thread.iter().chain(of_all) {
                listener.hand(event);
            }
        }
    }

    /// Lets the thread's listeners read the store: something may have been written unseen.
    pub(crate) fn look_again(&self, thread_id: &ThreadId) {
        if self.shared.listeners.load(Ordering::Acquire) > 0 {
            self.shared.tell(thread_id, Listener::look_again);
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
            up_to: AtomicU64::new(0),
            look: tokio::sync::Notify::new(),
        });
        let mut by_topic = self.shared.by_topic.lock();
        let held = by_topic.entry(topic.clone()).or_default();
        held.listeners.push(listener.clone());
        if held.elsewhere.is_none()
            && let (Some(thread_id), Some(feed)) = (&topic, &self.shared.feed)
        {
            let shared = Arc::downgrade(&self.shared);
            let ear = Ear { shared, thread_id: thread_id.clone() };
            held.elsewhere = Some(feed.subscribe(thread_id, Arc::new(ear)));
        }
        drop(by_topic);
        self.shared.listeners.fetch_add(1, Ordering::AcqRel);
        Listening { hub: self.clone(), topic, listener, events }
    }
}

impl Shared {
    fn tell(&self, thread_id: &ThreadId, tell: impl Fn(&Listener)) {
        let by_topic = self.by_topic.lock();
        let topic = by_topic.get(&Some(thread_id.clone()));
        for listener in topic.into_iter().flat_map(|topic| &topic.listeners) {
            tell(listener);
        }
    }

    fn remove(&self, gone: &Listening) {
        let mut by_topic = self.by_topic.lock();
        let Some(topic) = by_topic.get_mut(&gone.topic) else { return };
        topic.listeners.retain(|other| !Arc::ptr_eq(other, &gone.listener));
        let ended = if topic.listeners.is_empty() { by_topic.remove(&gone.topic) } else { None };
        drop(by_topic);
        // With nothing locked: the end of the subscription is the feed's business.
        drop(ended);
    }
}

/// Hears of one thread from other nodes, for those who listen to it here.
struct Ear {
    shared: Weak<Shared>,
    thread_id: ThreadId,
}

impl FeedHandler for Ear {
    fn hear(&self, hint: FeedHint) {
        let Some(shared) = self.shared.upgrade() else { return };
        shared.tell(&self.thread_id, |listener| match &hint {
            FeedHint::Event(event) => listener.hand(event),
            FeedHint::UpTo(seq) => listener.look_up_to(*seq),
            FeedHint::Look => listener.look_again(),
        });
    }
}

/// What a listener hears: a hint of what was written.
pub(crate) enum Heard {
    /// This, among other things perhaps.
    Event(SharedEvent),
    /// Another node has written up to this `seq`.
    UpTo(u64),
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
        loop {
            if let Ok(event) = self.events.try_recv() {
                return Heard::Event(event);
            }
            // What did not fit the buffer came after what was in it.
            if self.listener.missed.swap(false, Ordering::AcqRel) {
                return Heard::Something;
            }
            let up_to = self.listener.up_to.swap(0, Ordering::AcqRel);
            if up_to > 0 {
                return Heard::UpTo(up_to);
            }
            tokio::select! {
                biased;
                event = self.events.recv() => {
                    return event.map_or(Heard::Something, Heard::Event);
                }
                () = self.listener.look.notified() => {}
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.hub.shared.remove(self);
        self.hub.shared.listeners.fetch_sub(1, Ordering::AcqRel);
    }
}
