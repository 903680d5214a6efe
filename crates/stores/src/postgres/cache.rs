//! The mailboxes that this node wrote last.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use postroom_core::id::ThreadId;

use super::known::Known;

/// How much each of the two generations may weigh, in bytes.
const GENERATION_MAX: usize = 8 << 20;

/// Mailboxes in two generations: what nobody asks for while one is filled goes with the other.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<ThreadId, Arc<Known>>,
    old: HashMap<ThreadId, Arc<Known>>,
    /// Of the young ones, in bytes.
    weight: usize,
}

impl Cache {
    /// What is known of a mailbox, if it is still as it was.
    pub(super) fn get(&self, id: &ThreadId) -> Option<Arc<Known>> {
        let mut generations = self.0.lock();
        if let Some(known) = generations.young.get(id) {
            return Some(known.clone());
        }
        let (id, known) = generations.old.remove_entry(id)?;
        generations.put(id, known.clone());
        Some(known)
    }

    /// Notes how a mailbox was left.
    pub(super) fn put(&self, id: ThreadId, known: Known) {
        self.0.lock().put(id, Arc::new(known));
    }

    /// Forgets a mailbox.
    pub(super) fn forget(&self, id: &ThreadId) {
        let mut generations = self.0.lock();
        if let Some(known) = generations.young.remove(id) {
            generations.weight -= known.weight;
        }
        generations.old.remove(id);
    }
}

impl Generations {
    fn put(&mut self, id: ThreadId, known: Arc<Known>) {
        if self.weight >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += known.weight;
        if let Some(before) = self.young.insert(id, known) {
            self.weight -= before.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use postroom_core::thread::Thread;
    use postroom_core::time::Timestamp;

    use super::super::slot::Front;
    use super::*;

    fn id(number: usize) -> ThreadId {
        ThreadId::parse(&format!("t{number}")).unwrap()
    }

    fn known(id: &ThreadId) -> Known {
        Known {
            no: 1,
            version: 1,
            thread: Arc::new(Thread::new(id.clone(), Timestamp(0))),
            dispatches: Vec::new(),
            runs: Vec::new(),
            due: Front::Whole,
            delayed: Front::Whole,
            pending: None,
            inputs: Vec::new(),
            weight: GENERATION_MAX / 100,
        }
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let cache = Cache::default();
        for number in 0..1_000 {
            cache.put(id(number), known(&id(number)));
            assert!(cache.get(&id(0)).is_some(), "it is asked for all the time");
        }
        let here = (0..1_000).filter(|number| cache.get(&id(*number)).is_some()).count();
        assert!((100..=300).contains(&here), "{here} are there");
        assert!(cache.get(&id(999)).is_some(), "the newest is there");
        cache.forget(&id(999));
        assert!(cache.get(&id(999)).is_none());
    }

    #[test]
    fn a_mailbox_that_is_written_again_and_again_does_not_push_others_out_for_good() {
        let cache = Cache::default();
        cache.put(id(1), known(&id(1)));
        for _ in 0..150 {
            cache.put(id(2), known(&id(2)));
        }
        assert!(cache.get(&id(1)).is_some());
    }
}
