//! The machine's own clock, and ids made from it.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use postroom_core::ports::{Clock, IdSource};
use postroom_core::time::Timestamp;
use uuid::Uuid;

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that others take")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 is a broken one: it counts as 1970 rather than as an error.
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// UUIDs v7 from the machine's clock. Each is larger than the one before, also within a
/// millisecond and when the clock is set back.
#[derive(Debug)]
pub struct SystemIds {
    /// The time and the counter of the newest id: milliseconds above [`COUNTER_BITS`] of counter.
    /// More ids than a millisecond has room for simply run ahead of the clock.
    newest: AtomicU64,
    /// The state of a `SplitMix64` generator: fast, well spread, nothing to keep secret.
    random: AtomicU64,
}

const COUNTER_BITS: u32 = 12;

impl SystemIds {
    /// A source with a random start of its own.
    pub fn new() -> Self {
        // The standard library seeds its hashers from the operating system.
        let seed = RandomState::new().hash_one(std::process::id());
        Self { newest: AtomicU64::new(0), random: AtomicU64::new(seed) }
    }

    fn next_tick(&self) -> u64 {
        let now = u64::try_from(SystemClock.now().0).unwrap_or(0) << COUNTER_BITS;
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            let next = now.max(newest + 1);
            match self.newest.compare_exchange_weak(
                newest,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return next,
                Err(changed) => newest = changed,
            }
        }
    }
}

impl Default for SystemIds {
    fn default() -> Self {
        Self::new()
    }
}

impl IdSource for SystemIds {
    fn new_uuid(&self) -> Uuid {
        uuid_v7(self.next_tick(), self.random())
    }

    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.random.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// RFC 9562: 48 bits of milliseconds, the version, 12 bits of counter, the variant, 62 random bits.
fn uuid_v7(tick: u64, random: u64) -> Uuid {
    let millis = tick >> COUNTER_BITS;
    let counter = tick & ((1 << COUNTER_BITS) - 1);
    let high = (millis << 16) | (0x7 << 12) | counter;
    let low = (0b10 << 62) | (random >> 2);
    Uuid::from_u64_pair(high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_v7_and_only_grow() {
        let ids = SystemIds::new();
        let made: Vec<Uuid> = (0..10_000).map(|_| ids.new_uuid()).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(made.iter().all(|id| id.get_version_num() == 7));
        assert!(made.iter().all(|id| id.get_variant() == uuid::Variant::RFC4122));
    }

    #[test]
    fn an_id_tells_its_time() {
        let before = SystemClock.now().0;
        let (seconds, nanos) = SystemIds::new().new_uuid().get_timestamp().unwrap().to_unix();
        let millis = i64::try_from(seconds * 1000 + u64::from(nanos) / 1_000_000).unwrap();
        assert!((before..=SystemClock.now().0).contains(&millis));
    }
}
