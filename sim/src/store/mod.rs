//! A node's line to the store: it fails, loses, delays and reorders; its node dies in the middle.

mod port;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postroom_core::error::StoreError;
use postroom_stores::memory::MemoryStore;
use tokio::sync::oneshot;

use crate::life::Life;
use crate::weather::Weather;
use crate::world::{World, pause};

/// A node's line to the one store.
#[derive(Clone)]
pub struct StoreLine {
    world: Arc<World>,
    life: Arc<Life>,
    cut: Arc<AtomicBool>,
}

/// What a call is to come to.
struct Fate {
    /// How long the request is under way.
    there: Duration,
    turn: Turn,
    /// How long the answer is under way.
    back: Duration,
    death: Option<Death>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Done,
    FailsBefore,
    RequestLost,
    ReplyLost,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Death {
    Before,
    After,
}

/// Whether a call writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
}

impl StoreLine {
    /// A line of `life` to the world's store.
    pub fn new(world: &Arc<World>, life: &Arc<Life>) -> Self {
        Self { world: world.clone(), life: life.clone(), cut: Arc::default() }
    }

    /// Cuts the line, or mends it.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    /// Reads go through the same line.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&MemoryStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(Kind::Read, |world, _| read(&world.store), Err).await
    }

    /// Makes a call: `carry_out` on the store, or `fail`.
    async fn call<T: Send + 'static>(
        &self,
        kind: Kind,
        carry_out: impl FnOnce(&World, &str) -> T + Send + 'static,
        fail: impl FnOnce(StoreError) -> T + Send + 'static,
    ) -> T {
        if self.world.count_call() {
            // Goes round in circles: here it stops.
            return std::future::pending().await;
        }
        let fate = self.fate(kind);
        if fate.death == Some(Death::Before) {
            self.die("node killed before a write").await;
        }
        if fate.there.is_zero() && fate.back.is_zero() {
            let reply = self.turn(kind, fate.turn, carry_out, fail);
            if fate.death == Some(Death::After) {
                self.die("node killed after a write").await;
            }
            return reply;
        }
        // Under way on its own: what was sent arrives even if its sender has died since.
        let (answer, answered) = oneshot::channel();
        let line = self.clone();
        self.world.spawn(async move {
            pause(fate.there).await;
            if line.life.is_dead() {
                if line.world.shape.single {
                    // The store is of the node's own process.
                    return;
                }
                if kind == Kind::Write {
                    line.world.mark("write after its node's death");
                }
            }
            let reply = line.turn(kind, fate.turn, carry_out, fail);
            if fate.death == Some(Death::After) {
                line.world.mark("node killed after a write");
                line.life.kill();
            }
            pause(fate.back).await;
            // Whoever asked may be dead.
            let _ = answer.send(reply);
        });
        match answered.await {
            Ok(reply) => reply,
            // The world ends, or the process has.
            Err(_) => std::future::pending().await,
        }
    }

    fn turn<T>(
        &self,
        kind: Kind,
        turn: Turn,
        carry_out: impl FnOnce(&World, &str) -> T,
        fail: impl FnOnce(StoreError) -> T,
    ) -> T {
        let world = &self.world;
        let unknown = |reason: &str| StoreError::OutcomeUnknown { reason: reason.to_owned() };
        let unavailable = |reason: &str| StoreError::Unavailable { reason: reason.to_owned() };
        if self.cut.load(Ordering::SeqCst) {
            world.mark("store was out of reach");
            return fail(unavailable("out of reach"));
        }
        match turn {
            Turn::Done => carry_out(world, &self.life.name),
            Turn::FailsBefore => {
                world.mark("store failed before the write");
                fail(unavailable("bad weather"))
            }
            Turn::RequestLost if kind == Kind::Write => {
                world.mark("store lost the request");
                fail(unknown("the request was lost"))
            }
            Turn::ReplyLost if kind == Kind::Write => {
                world.mark("store lost the reply");
                carry_out(world, &self.life.name);
                fail(unknown("the reply was lost"))
            }
            // A read whose answer is lost has not happened.
            Turn::RequestLost | Turn::ReplyLost => fail(unavailable("the reply was lost")),
        }
    }

    fn fate(&self, kind: Kind) -> Fate {
        let world = &self.world;
        let weather = *world.weather.lock();
        let chance = &world.chance;
        let turn = if chance.per_mille(weather.fails) {
            Turn::FailsBefore
        } else if chance.per_mille(weather.loses_requests) {
            Turn::RequestLost
        } else if chance.per_mille(weather.loses_replies) {
            Turn::ReplyLost
        } else {
            Turn::Done
        };
        let death = (kind == Kind::Write && chance.per_mille(weather.deadly))
            .then(|| *chance.pick(&[Death::Before, Death::After]));
        // A store of the node's own process carries out what it is given in that order.
        let there = if world.shape.single { Duration::ZERO } else { self.delay(&weather) };
        let back = self.delay(&weather);
        Fate { there, turn, back, death }
    }

    fn delay(&self, weather: &Weather) -> Duration {
        let world = &self.world;
        if !world.chance.per_mille(weather.slow) {
            return Duration::ZERO;
        }
        if world.chance.per_mille(weather.stuck) {
            world.mark("store was slower than a lease");
            return world.shape.lease() + world.chance.millis(0..10_000);
        }
        world.mark("store was slow");
        world.chance.millis(0..weather.slow_ms.max(1))
    }

    /// The node dies here, with the call unanswered.
    async fn die(&self, what: &'static str) {
        self.world.mark(what);
        self.world.note(&self.life.name, format_args!("dies: {what}"));
        self.life.kill();
        std::future::pending::<()>().await;
    }
}
