//! The signal queue of all nodes: it loses signals, doubles them, and brings them late.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use postroom_core::id::ThreadId;
use postroom_core::ports::{PulledSignal, SignalError, SignalReceipt, Signals};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::world::World;

/// A signal that is neither acknowledged nor given back comes again after so long.
const COMES_AGAIN_AFTER: Duration = Duration::from_secs(20);

/// The queue itself.
#[derive(Default)]
pub struct Queue {
    entries: Mutex<Entries>,
    changed: Notify,
}

#[derive(Default)]
struct Entries {
    next: u64,
    waiting: Vec<Entry>,
}

struct Entry {
    id: u64,
    thread_id: ThreadId,
    due: Instant,
    deliveries: u32,
}

impl Queue {
    fn push(&self, thread_id: &ThreadId, delay: Duration) {
        let mut entries = self.entries.lock();
        entries.next += 1;
        let (id, thread_id) = (entries.next, thread_id.clone());
        entries.waiting.push(Entry { id, thread_id, due: Instant::now() + delay, deliveries: 0 });
        drop(entries);
        self.changed.notify_waiters();
    }

    /// Takes what is due; each comes again unless it is acknowledged.
    fn take(&self, max: usize) -> Vec<PulledSignal> {
        let now = Instant::now();
        let mut entries = self.entries.lock();
        let due = entries.waiting.iter_mut().filter(|entry| entry.due <= now).take(max);
        due.map(|entry| {
            entry.due = now + COMES_AGAIN_AFTER;
            entry.deliveries += 1;
            PulledSignal {
                thread_id: entry.thread_id.clone(),
                redeliveries: entry.deliveries - 1,
                receipt: SignalReceipt(entry.id.to_string()),
            }
        })
        .collect()
    }

    fn next_due(&self) -> Option<Instant> {
        self.entries.lock().waiting.iter().map(|entry| entry.due).min()
    }

    fn ack(&self, receipt: &SignalReceipt) {
        self.entries.lock().waiting.retain(|entry| entry.id.to_string() != receipt.0);
    }

    fn nack(&self, receipt: &SignalReceipt, delay: Duration) {
        let mut entries = self.entries.lock();
        let entry = entries.waiting.iter_mut().find(|entry| entry.id.to_string() == receipt.0);
        if let Some(entry) = entry {
            entry.due = Instant::now() + delay;
        }
    }
}

/// A node's line to the queue.
pub struct SignalLine(pub Arc<World>);

impl SignalLine {
    fn reach(&self) -> Result<&Queue, SignalError> {
        if self.0.struck(|weather| weather.fails_signals) {
            self.0.mark("signal pull failed");
            return Err(SignalError { reason: "bad weather".to_owned() });
        }
        Ok(&self.0.signals)
    }
}

#[async_trait]
impl Signals for SignalLine {
    async fn publish(&self, thread_id: &ThreadId) -> Result<(), SignalError> {
        let world = &self.0;
        let queue = self.reach()?;
        if world.struck(|weather| weather.loses_signals) {
            world.mark("signal lost");
            return Ok(());
        }
        let mut delay = Duration::ZERO;
        if world.struck(|weather| weather.delays_signals) {
            world.mark("signal late");
            delay = world.chance.millis(1..60_000);
        }
        queue.push(thread_id, delay);
        if world.struck(|weather| weather.doubles_signals) {
            world.mark("signal doubled");
            queue.push(thread_id, world.chance.millis(0..5_000));
        }
        Ok(())
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<PulledSignal>, SignalError> {
        let queue = self.reach()?;
        let give_up = Instant::now() + wait;
        loop {
            let changed = queue.changed.notified();
            let taken = queue.take(max);
            if !taken.is_empty() || Instant::now() >= give_up {
                return Ok(taken);
            }
            let until = queue.next_due().map_or(give_up, |due| due.min(give_up));
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    async fn ack(&self, receipt: &SignalReceipt) -> Result<(), SignalError> {
        self.reach()?.ack(receipt);
        Ok(())
    }

    async fn nack(&self, receipt: &SignalReceipt, delay: Duration) -> Result<(), SignalError> {
        self.reach()?.nack(receipt, delay);
        Ok(())
    }
}
