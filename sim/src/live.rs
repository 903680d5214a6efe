//! The live control of all nodes: it loses commands and receipts, and brings commands twice.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use postroom_core::live::{LiveCommand, LiveReceipt, LiveTarget};
use postroom_core::ports::{LiveControl, LiveHandler, Subscription};

use crate::life::Life;
use crate::world::{World, pause};

/// Who listens.
#[derive(Default)]
pub struct Exchange {
    listeners: Mutex<Vec<Listener>>,
}

struct Listener {
    id: u64,
    target: LiveTarget,
    life: Arc<Life>,
    handler: Arc<dyn LiveHandler>,
}

impl Exchange {
    /// Gives the command to whoever can hear it; `true` if it was taken.
    fn give(&self, target: &LiveTarget, command: LiveCommand) -> bool {
        let heard: Vec<Arc<dyn LiveHandler>> = {
            let listeners = self.listeners.lock();
            let wanted = |listener: &&Listener| {
                listener.target.thread_id == target.thread_id
                    && listener.target.run_id == target.run_id
                    && target.dispatch_id.is_none_or(|id| listener.target.dispatch_id == Some(id))
                    && !listener.life.is_dead()
                    && !listener.life.is_frozen()
            };
            listeners.iter().filter(wanted).map(|listener| listener.handler.clone()).collect()
        };
        // Each of them hears it.
        heard.iter().filter(|handler| handler.take(command)).count() > 0
    }

    fn remove(&self, id: u64) {
        // Outside of the lock: a handler that goes may be the last to hold its execution.
        let removed = {
            let mut listeners = self.listeners.lock();
            let place = listeners.iter().position(|listener| listener.id == id);
            place.map(|place| listeners.swap_remove(place))
        };
        drop(removed);
    }
}

/// A node's line to the others.
pub struct LiveLine {
    /// The world.
    pub world: Arc<World>,
    /// The node's process.
    pub life: Arc<Life>,
}

#[async_trait]
impl LiveControl for LiveLine {
    async fn deliver(
        &self,
        target: &LiveTarget,
        command: LiveCommand,
        timeout: Duration,
    ) -> LiveReceipt {
        let world = &self.world;
        pause(world.chance.millis(0..3)).await;
        if world.struck(|weather| weather.loses_live) {
            world.mark("live command lost");
            pause(timeout).await;
            return LiveReceipt::NoSubscriber;
        }
        let taken = world.live.give(target, command);
        if world.struck(|weather| weather.doubles_live) {
            world.mark("live command doubled");
            let (world, target) = (world.clone(), target.clone());
            let later = world.chance.millis(0..20_000);
            self.world.spawn(async move {
                pause(later).await;
                world.live.give(&target, command);
            });
        }
        if taken && !world.struck(|weather| weather.loses_receipts) {
            world.mark("live command taken");
            return LiveReceipt::Delivered;
        }
        if taken {
            world.mark("live receipt lost");
        }
        pause(timeout).await;
        LiveReceipt::NoSubscriber
    }

    async fn subscribe(&self, target: LiveTarget, handler: Arc<dyn LiveHandler>) -> Subscription {
        pause(self.world.chance.millis(0..3)).await;
        let id = self.world.next_number();
        let listener = Listener { id, target, life: self.life.clone(), handler };
        self.world.live.listeners.lock().push(listener);
        let world: Weak<World> = Arc::downgrade(&self.world);
        Subscription::new(move || {
            if let Some(world) = world.upgrade() {
                world.live.remove(id);
            }
        })
    }
}
