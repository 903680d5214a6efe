//! The feed between all nodes: it loses hints, doubles them, and brings them late and in disorder.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::ports::{EventFeed, FeedHandler, FeedHint, Subscription};

use crate::life::Life;
use crate::world::{World, pause};

/// Who listens.
#[derive(Default)]
pub struct Grapevine {
    listeners: Mutex<Vec<Listener>>,
}

struct Listener {
    id: u64,
    thread_id: ThreadId,
    life: Arc<Life>,
    handler: Arc<dyn FeedHandler>,
}

impl Grapevine {
    /// Whispers to all nodes but the one that says it.
    fn whisper(&self, world: &World, from: &Life, thread_id: &ThreadId, hint: &FeedHint) {
        let heard: Vec<Arc<dyn FeedHandler>> = {
            let listeners = self.listeners.lock();
            let wanted = |listener: &&Listener| {
                listener.thread_id == *thread_id
                    && !std::ptr::eq(Arc::as_ptr(&listener.life), from)
                    && !listener.life.is_dead()
                    && !listener.life.is_frozen()
            };
            listeners.iter().filter(wanted).map(|listener| listener.handler.clone()).collect()
        };
        for handler in heard {
            world.mark("hint taken");
            handler.hear(hint.clone());
        }
    }

    fn remove(&self, id: u64) {
        // Outside of the lock: a handler that goes may be the last to hold what it hands on to.
        let removed = {
            let mut listeners = self.listeners.lock();
            let place = listeners.iter().position(|listener| listener.id == id);
            place.map(|place| listeners.remove(place))
        };
        drop(removed);
    }
}

/// A node's line to the others.
pub struct FeedLine {
    /// The world.
    pub world: Arc<World>,
    /// The node's process.
    pub life: Arc<Life>,
}

impl FeedLine {
    fn send(&self, thread_id: &ThreadId, hint: &FeedHint) {
        let world = &self.world;
        if world.struck(|weather| weather.loses_hints) {
            return world.mark("hint lost");
        }
        let late = world.struck(|weather| weather.delays_hints);
        let doubled = world.struck(|weather| weather.doubles_hints);
        for again in [false, true] {
            if again && !doubled {
                continue;
            }
            if again || late {
                world.mark(if again { "hint doubled" } else { "hint late" });
                let delay = world.chance.millis(0..10_000);
                let (there, from) = (world.clone(), self.life.clone());
                let (thread_id, hint) = (thread_id.clone(), hint.clone());
                world.spawn(async move {
                    pause(delay).await;
                    there.feed.whisper(&there, &from, &thread_id, &hint);
                });
            } else {
                world.feed.whisper(world, &self.life, thread_id, hint);
            }
        }
    }
}

impl EventFeed for FeedLine {
    fn publish(&self, events: &[SharedEvent]) {
        for event in events {
            let hint = if event.body.is_delta() {
                FeedHint::Event(event.clone())
            } else {
                FeedHint::UpTo(event.seq)
            };
            self.send(&event.thread_id, &hint);
        }
    }

    fn subscribe(&self, thread_id: &ThreadId, handler: Arc<dyn FeedHandler>) -> Subscription {
        let id = self.world.next_number();
        let (thread_id, life) = (thread_id.clone(), self.life.clone());
        let listener = Listener { id, thread_id, life, handler };
        self.world.feed.listeners.lock().push(listener);
        let world: Weak<World> = Arc::downgrade(&self.world);
        Subscription::new(move || {
            if let Some(world) = world.upgrade() {
                world.feed.remove(id);
            }
        })
    }
}
