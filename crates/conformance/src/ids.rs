//! Ids that a seed repeats.

use std::sync::atomic::{AtomicU64, Ordering};

use postroom_core::ports::IdSource;
use uuid::Uuid;

use crate::clock::BEGINNING;

/// UUIDs v7 that depend on nothing but the seed and how many were made before.
#[derive(Debug)]
pub struct SeededIds {
    made: AtomicU64,
    random: Random,
}

impl SeededIds {
    /// The ids of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { made: AtomicU64::new(0), random: Random::new(seed) }
    }
}

impl IdSource for SeededIds {
    fn new_uuid(&self) -> Uuid {
        // One millisecond each, whatever the clock says: larger than all before.
        let made = self.made.fetch_add(1, Ordering::SeqCst);
        let millis = u64::try_from(BEGINNING.0).unwrap_or(0) + made;
        let random = self.random.next();
        let high = (millis << 16) | (0x7 << 12) | (random >> 52);
        Uuid::from_u64_pair(high, (0b10 << 62) | (random >> 2))
    }

    fn random(&self) -> u64 {
        self.random.next()
    }
}

/// `SplitMix64`: a seed's random numbers.
#[derive(Debug)]
pub struct Random(AtomicU64);

impl Random {
    /// The numbers of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::SeqCst).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or(0)
    }

    /// Whether something happens that does so once in `times`.
    pub fn once_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of `items`, if there is any.
    pub fn pick<'i, T>(&self, items: &'i [T]) -> Option<&'i T> {
        if items.is_empty() { None } else { items.get(self.below(items.len())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_ids_and_they_only_grow() {
        let (a, b) = (SeededIds::new(7), SeededIds::new(7));
        let ids: Vec<Uuid> = (0..100).map(|_| a.new_uuid()).collect();
        assert!(ids.iter().all(|id| *id == b.new_uuid() && id.get_version_num() == 7));
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
