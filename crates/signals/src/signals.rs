//! Signals inside one process.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use postroom_core::id::ThreadId;
use postroom_core::ports::{PulledSignal, SignalError, SignalReceipt, Signals};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How many threads may wait to be pulled. More is refused: the sweep finds their work.
const WAITING_MAX: usize = 100_000;
/// How many pulled signals are remembered until they are acknowledged. The oldest are forgotten
/// first: who pulled them is gone.
const PULLED_MAX: usize = 10_000;

/// A signal queue in memory. A thread waits in it once, however often it is signalled.
#[derive(Clone, Default)]
pub struct LocalSignals {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Default)]
struct Queue {
    /// Ready to be pulled, in order.
    ready: VecDeque<ThreadId>,
    /// To be pulled later; the number keeps equal times apart.
    later: BTreeMap<(Instant, u64), ThreadId>,
    /// All that wait, ready or for later.
    waiting: HashMap<ThreadId, Waiting>,
    /// Pulled and not acknowledged, by receipt. Receipts grow, so the first is the oldest.
    pulled: BTreeMap<u64, (ThreadId, u32)>,
    last_number: u64,
}

struct Waiting {
    redeliveries: u32,
    /// Its place among those for later, unless it is ready.
    later: Option<(Instant, u64)>,
}

impl Queue {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Says whether it was taken in.
    fn publish(&mut self, thread_id: &ThreadId) -> bool {
        if let Some(waiting) = self.waiting.get_mut(thread_id) {
            // News: what was put off is worth a look now.
            if let Some(place) = waiting.later.take() {
                self.later.remove(&place);
                self.ready.push_back(thread_id.clone());
            }
            return true;
        }
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.waiting.insert(thread_id.clone(), Waiting { redeliveries: 0, later: None });
        self.ready.push_back(thread_id.clone());
        true
    }

    fn put_back(&mut self, number: u64, at: Instant) {
        let Some((thread_id, redeliveries)) = self.pulled.remove(&number) else { return };
        // Signalled again meanwhile: one signal is enough, and the sooner one counts.
        if self.waiting.contains_key(&thread_id) || self.waiting.len() >= WAITING_MAX {
            return;
        }
        let place = (at, self.next_number());
        let waiting = Waiting { redeliveries: redeliveries + 1, later: Some(place) };
        self.waiting.insert(thread_id.clone(), waiting);
        self.later.insert(place, thread_id);
    }

    fn pull(&mut self, max: usize, now: Instant) -> Vec<PulledSignal> {
        while let Some(first) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let thread_id = first.remove();
            if let Some(waiting) = self.waiting.get_mut(&thread_id) {
                waiting.later = None;
            }
            self.ready.push_back(thread_id);
        }
        let mut signals = Vec::new();
        while signals.len() < max
            && let Some(thread_id) = self.ready.pop_front()
        {
            let Some(waiting) = self.waiting.remove(&thread_id) else { continue };
            let number = self.next_number();
            self.pulled.insert(number, (thread_id.clone(), waiting.redeliveries));
            if self.pulled.len() > PULLED_MAX {
                self.pulled.pop_first();
            }
            signals.push(PulledSignal {
                thread_id,
                redeliveries: waiting.redeliveries,
                receipt: SignalReceipt(number.to_string()),
            });
        }
        signals
    }

    fn next_due(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }
}

#[async_trait]
impl Signals for LocalSignals {
    async fn publish(&self, thread_id: &ThreadId) -> Result<(), SignalError> {
        if !self.shared.queue.lock().publish(thread_id) {
            return Err(SignalError { reason: format!("{WAITING_MAX} threads wait already") });
        }
        self.shared.arrived.notify_one();
        Ok(())
    }

    async fn pull(&self, max: usize, wait: Duration) -> Result<Vec<PulledSignal>, SignalError> {
        let give_up = Instant::now() + wait;
        loop {
            let (signals, due, more) = {
                let mut queue = self.shared.queue.lock();
                let signals = queue.pull(max, Instant::now());
                (signals, queue.next_due(), !queue.ready.is_empty())
            };
            if more {
                // One wake-up may stand for many signals: pass it on.
                self.shared.arrived.notify_one();
            }
            if !signals.is_empty() || max == 0 || Instant::now() >= give_up {
                return Ok(signals);
            }
            let look_again = due.map_or(give_up, |due| due.min(give_up));
            tokio::select! {
                () = self.shared.arrived.notified() => {}
                () = tokio::time::sleep_until(look_again) => {}
            }
        }
    }

    async fn ack(&self, receipt: &SignalReceipt) -> Result<(), SignalError> {
        if let Ok(number) = receipt.0.parse() {
            self.shared.queue.lock().pulled.remove(&number);
        }
        Ok(())
    }

    async fn nack(&self, receipt: &SignalReceipt, delay: Duration) -> Result<(), SignalError> {
        if let Ok(number) = receipt.0.parse() {
            let now = Instant::now();
            // A delay beyond what the clock can name is as good as an acknowledgement.
            let mut queue = self.shared.queue.lock();
            match now.checked_add(delay) {
                Some(at) => queue.put_back(number, at),
                None => drop(queue.pulled.remove(&number)),
            }
        }
        // A puller that sleeps must learn of the new time.
        self.shared.arrived.notify_one();
        Ok(())
    }
}
