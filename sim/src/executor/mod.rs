//! Executors: each run has a plan, drawn when it first starts; each attempt is kept in the ledger.

mod attempt;
mod plan;
mod stage;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use async_trait::async_trait;
use postroom_core::command::Activation;
use postroom_core::ports::{Executor, RunContext, RunOutcome};
use postroom_service::Postroom;

use crate::life::Life;
use crate::world::World;
use attempt::Entry;
pub use plan::Plan;

/// A node's executor.
pub struct Script {
    /// The world.
    pub world: Arc<World>,
    /// The node's process.
    pub life: Arc<Life>,
    /// The node's service, once it is there.
    pub postroom: OnceLock<Postroom>,
}

#[async_trait]
impl Executor for Script {
    async fn run(&self, activation: Activation, context: Arc<dyn RunContext>) -> RunOutcome {
        let entry = Entry::begin(&self.world, &self.life.name, &activation);
        let acting = Acting {
            number: entry.number,
            world: self.world.clone(),
            play: Box::pin(stage::play(&entry, activation, context, self.postroom.get())),
        };
        let outcome = acting.await;
        entry.ended(&outcome);
        outcome
    }
}

/// An executor at work: each time that it acts, nobody else may have its thread.
struct Acting<'e> {
    number: usize,
    world: Arc<World>,
    play: Pin<Box<dyn Future<Output = RunOutcome> + Send + 'e>>,
}

impl Future for Acting<'_> {
    type Output = RunOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RunOutcome> {
        if !self.world.shape.wild_clock {
            let ledger = self.world.ledger.lock();
            if let Some((old, new)) = ledger.overtaken(self.number) {
                let facts = format!(
                    "an executor on {} acts under claim {} of {}, and one on {} has claim {}",
                    old.node, old.claim, old.thread_id, new.node, new.claim
                );
                drop(ledger);
                self.world.broken(2, facts);
            }
        }
        self.play.as_mut().poll(cx)
    }
}
