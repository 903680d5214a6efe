//! Chance: everything random in a run comes from its seed.

use std::ops::Range;
use std::time::Duration;

use postroom_conformance::ids::Random;

/// A seed's random numbers, in the words that the simulation needs.
#[derive(Debug)]
pub struct Chance(Random);

impl Chance {
    /// The chances of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// Something that happens once in `times`.
    pub fn one_in(&self, times: u64) -> bool {
        times > 0 && self.0.next().is_multiple_of(times)
    }

    /// Something that happens `mille` times in a thousand.
    pub fn per_mille(&self, mille: u64) -> bool {
        mille > 0 && self.0.next() % 1_000 < mille
    }

    /// A number of `range`, which must not be empty.
    pub fn number(&self, range: Range<u64>) -> u64 {
        range.start + self.0.next() % (range.end - range.start)
    }

    /// A time of so many milliseconds.
    pub fn millis(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    /// One of `items`; there must be one.
    pub fn pick<'i, T>(&self, items: &'i [T]) -> &'i T {
        &items[self.0.below(items.len())]
    }

    /// One of `items`, each as often as its weight says.
    pub fn weighted<T: Copy>(&self, items: &[(u64, T)]) -> T {
        let all: u64 = items.iter().map(|(weight, _)| weight).sum();
        let mut left = self.number(0..all);
        for (weight, item) in items {
            if left < *weight {
                return *item;
            }
            left -= weight;
        }
        items[items.len() - 1].1
    }
}
