//! The threads that wait in this process to be pulled.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::id::ThreadId;
use postroom_core::ports::{PulledSignal, SignalReceipt};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How many threads may wait to be pulled. More is refused: the sweep finds their work.
pub(crate) const WAITING_MAX: usize = 100_000;
/// How many pulled signals are remembered until they are acknowledged. The oldest are forgotten
/// first: who pulled them is gone.
const PULLED_MAX: usize = 10_000;

/// One publication of a signal, where several nodes hear of it: who published it, and its number
/// there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SignalName {
    pub(crate) node: u64,
    pub(crate) number: u64,
}

/// A queue of signals. A thread waits in it once, however often it is signalled.
#[derive(Default)]
pub(crate) struct SignalQueue {
    places: Mutex<Places>,
    arrived: Notify,
}

#[derive(Default)]
struct Places {
    /// Ready to be pulled, by numbers that grow.
    ready: BTreeMap<u64, ThreadId>,
    /// To be pulled later; the number keeps equal times apart.
    later: BTreeMap<(Instant, u64), ThreadId>,
    /// All that wait, ready or for later.
    waiting: HashMap<ThreadId, Waiting>,
    /// Pulled and not acknowledged, by receipt. Receipts grow, so the first is the oldest.
    pulled: BTreeMap<u64, Pulled>,
    last_number: u64,
}

struct Waiting {
    redeliveries: u32,
    place: Place,
    /// The newest publication that it stands for.
    name: SignalName,
}

/// Where one that waits stands, among those that are ready or among those for later.
#[derive(Clone, Copy)]
enum Place {
    Ready(u64),
    Later(Instant, u64),
}

struct Pulled {
    thread_id: ThreadId,
    redeliveries: u32,
    name: SignalName,
}

impl SignalQueue {
    /// Takes a signal in, to be pulled after `delay`; `false` if there are too many.
    pub(crate) fn offer(&self, thread_id: &ThreadId, delay: Duration, name: SignalName) -> bool {
        let at = (!delay.is_zero()).then(|| Instant::now() + delay);
        let taken_in = self.places.lock().offer(thread_id, at, name);
        if taken_in {
            // A puller that sleeps must learn of it, or of its time.
            self.arrived.notify_one();
        }
        taken_in
    }

    /// Another node has dealt with the signal: it need not be pulled here, unless the thread was
    /// signalled again since.
    #[cfg(feature = "postgres")]
    pub(crate) fn withdraw(&self, thread_id: &ThreadId, name: SignalName) {
        let mut places = self.places.lock();
        if places.waiting.get(thread_id).is_some_and(|waiting| waiting.name == name) {
            places.remove(thread_id);
        }
    }

    /// Takes up to `max`, waiting up to `wait` for the first.
    pub(crate) async fn pull(&self, max: usize, wait: Duration) -> Vec<PulledSignal> {
        let give_up = Instant::now() + wait;
        loop {
            let (signals, due, more) = {
                let mut places = self.places.lock();
                let signals = places.pull(max, Instant::now());
                (signals, places.next_due(), !places.ready.is_empty())
            };
            if more {
                // One wake-up may stand for many signals: pass it on.
                self.arrived.notify_one();
            }
            if !signals.is_empty() || max == 0 || Instant::now() >= give_up {
                return signals;
            }
            let look_again = due.map_or(give_up, |due| due.min(give_up));
            tokio::select! {
                biased;
                () = self.arrived.notified() => {}
                () = tokio::time::sleep_until(look_again) => {}
            }
        }
    }

    /// It is dealt with. Says what it was, if the receipt is known.
    pub(crate) fn ack(&self, receipt: &SignalReceipt) -> Option<(ThreadId, SignalName)> {
        let number = receipt.0.parse().ok()?;
        let pulled = self.places.lock().pulled.remove(&number)?;
        Some((pulled.thread_id, pulled.name))
    }

    /// It shall come again after `delay`.
    pub(crate) fn nack(&self, receipt: &SignalReceipt, delay: Duration) {
        let Ok(number) = receipt.0.parse() else { return };
        let mut places = self.places.lock();
        // A delay beyond what the clock can name is as good as an acknowledgement.
        match Instant::now().checked_add(delay) {
            Some(at) => places.put_back(number, at),
            None => drop(places.pulled.remove(&number)),
        }
        drop(places);
        // A puller that sleeps must learn of the new time.
        self.arrived.notify_one();
    }
}

impl Places {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn offer(&mut self, thread_id: &ThreadId, at: Option<Instant>, name: SignalName) -> bool {
        let is_full = self.waiting.len() >= WAITING_MAX;
        let redeliveries = match self.waiting.get_mut(thread_id) {
            Some(waiting) => {
                waiting.name = name;
                // News: what was put off is worth a look sooner.
                let is_sooner = match waiting.place {
                    Place::Ready(_) => false,
                    Place::Later(due, _) => at.is_none_or(|at| at < due),
                };
                if !is_sooner {
                    return true;
                }
                waiting.redeliveries
            }
            None if is_full => return false,
            None => 0,
        };
        self.remove(thread_id);
        self.line_up(thread_id.clone(), at, redeliveries, name);
        true
    }

    fn line_up(
        &mut self,
        thread_id: ThreadId,
        at: Option<Instant>,
        redeliveries: u32,
        name: SignalName,
    ) {
        let number = self.next_number();
        let place = at.map_or(Place::Ready(number), |at| Place::Later(at, number));
        match place {
            Place::Ready(number) => self.ready.insert(number, thread_id.clone()),
            Place::Later(at, number) => self.later.insert((at, number), thread_id.clone()),
        };
        self.waiting.insert(thread_id, Waiting { redeliveries, place, name });
    }

    fn remove(&mut self, thread_id: &ThreadId) -> Option<Waiting> {
        let waiting = self.waiting.remove(thread_id)?;
        match waiting.place {
            Place::Ready(number) => self.ready.remove(&number),
            Place::Later(at, number) => self.later.remove(&(at, number)),
        };
        Some(waiting)
    }

    fn put_back(&mut self, number: u64, at: Instant) {
        let Some(Pulled { thread_id, redeliveries, name }) = self.pulled.remove(&number) else {
            return;
        };
        // Signalled again meanwhile: one signal is enough, and the sooner one counts.
        if self.waiting.contains_key(&thread_id) || self.waiting.len() >= WAITING_MAX {
            return;
        }
        self.line_up(thread_id, Some(at), redeliveries + 1, name);
    }

    fn pull(&mut self, max: usize, now: Instant) -> Vec<PulledSignal> {
        // What is due lines up behind what is ready.
        while let Some(first) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let thread_id = first.remove();
            let number = self.next_number();
            if let Some(waiting) = self.waiting.get_mut(&thread_id) {
                waiting.place = Place::Ready(number);
                self.ready.insert(number, thread_id);
            }
        }
        let mut signals = Vec::new();
        while signals.len() < max
            && let Some((_, thread_id)) = self.ready.pop_first()
        {
            let Some(Waiting { redeliveries, name, .. }) = self.waiting.remove(&thread_id) else {
                continue;
            };
            let number = self.next_number();
            let pulled = Pulled { thread_id: thread_id.clone(), redeliveries, name };
            self.pulled.insert(number, pulled);
            if self.pulled.len() > PULLED_MAX {
                self.pulled.pop_first();
            }
            let receipt = SignalReceipt(number.to_string());
            signals.push(PulledSignal { thread_id, redeliveries, receipt });
        }
        signals
    }

    fn next_due(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }
}
