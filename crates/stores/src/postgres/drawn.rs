//! The ids of a batch of commands: the same ones, however often it is tried.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use postroom_core::ports::IdSource;
use uuid::Uuid;

/// Where ids come from, with those that were drawn and not used.
#[derive(Clone)]
pub(super) struct Draw {
    source: Arc<dyn IdSource>,
    spare: Arc<Mutex<VecDeque<Uuid>>>,
}

impl Draw {
    /// From `source`.
    pub(super) fn from(source: Arc<dyn IdSource>) -> Self {
        Self { source, spare: Arc::default() }
    }

    /// None yet, for a batch.
    pub(super) fn batch(&self) -> Drawn {
        Drawn { from: self.clone(), ids: Mutex::default() }
    }
}

/// What one batch has drawn. What it did not use, when it is done, the next one gets.
pub(super) struct Drawn {
    from: Draw,
    ids: Mutex<Ids>,
}

#[derive(Default)]
struct Ids {
    drawn: Vec<Uuid>,
    /// How many of them this try has used.
    used: usize,
}

impl Drawn {
    /// The next try begins with the first id.
    pub(super) fn again(&self) {
        self.ids.lock().used = 0;
    }
}

impl IdSource for Drawn {
    fn new_uuid(&self) -> Uuid {
        let mut ids = self.ids.lock();
        if ids.used == ids.drawn.len() {
            let spare = self.from.spare.lock().pop_front();
            ids.drawn.push(spare.unwrap_or_else(|| self.from.source.new_uuid()));
        }
        ids.used += 1;
        ids.drawn[ids.used - 1]
    }

    fn random(&self) -> u64 {
        self.from.source.random()
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        let Ids { drawn, used } = self.ids.get_mut();
        let mut spare = self.from.spare.lock();
        drawn.drain(*used..).rev().for_each(|id| spare.push_front(id));
    }
}

#[cfg(test)]
mod tests {
    use postroom_conformance::SeededIds;

    use super::*;

    #[test]
    fn a_second_try_has_the_ids_of_the_first_and_none_is_lost() {
        let expected: Vec<Uuid> = {
            let ids = SeededIds::new(1);
            (0..5).map(|_| ids.new_uuid()).collect()
        };
        let draw = Draw::from(Arc::new(SeededIds::new(1)));
        let batch = draw.batch();
        let first: Vec<Uuid> = (0..3).map(|_| batch.new_uuid()).collect();
        assert_eq!(first, expected[..3]);
        batch.again();
        assert_eq!(batch.new_uuid(), expected[0]);
        drop(batch);
        let next = draw.batch();
        let rest: Vec<Uuid> = (0..4).map(|_| next.new_uuid()).collect();
        assert_eq!(rest, expected[1..]);
    }
}
