//! Numbers that follow from other numbers: when to try again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a failed attempt is tried again: `base · 2^(attempt−1)`, at most `base · 2^max_doublings` and
/// at most `max`, then taken down by a random part of up to `jitter`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// The first delay.
    pub base: Duration,
    /// The longest delay.
    pub max: Duration,
    /// How often the delay doubles at most.
    pub max_doublings: u32,
    /// Which part of the delay is random: 0 for none, 1 for all.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(250),
            max: Duration::from_secs(30),
            max_doublings: 6,
            jitter: 0.25,
        }
    }
}

impl RetryPolicy {
    /// The delay after the `attempt`th failed attempt (from 1); `random` are random bits.
    pub fn delay(&self, attempt: u32, random: u64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(self.max_doublings).min(31);
        let full = self.base.saturating_mul(1 << doublings).min(self.max);
        // 53 bits: what an f64 holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "both are at most 2^53")]
        let fraction = (random >> 11) as f64 / (1_u64 << 53) as f64;
        let kept = 1.0 - self.jitter.clamp(0.0, 1.0) * fraction;
        // An f64 holds the longest delays inexactly, and `jitter` may be no number.
        Duration::try_from_secs_f64(full.as_secs_f64() * kept).unwrap_or(full).min(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_both_limits() {
        let policy = RetryPolicy { jitter: 0.0, ..RetryPolicy::default() };
        let delays: Vec<u128> =
            (1..=9).map(|attempt| policy.delay(attempt, 0).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 8000, 16000, 16000, 16000]);
        let short = RetryPolicy { max: Duration::from_secs(3), ..policy };
        assert_eq!(short.delay(7, 0), Duration::from_secs(3));
    }

    #[test]
    fn jitter_only_shortens() {
        let policy = RetryPolicy::default();
        for random in [0, 1, u64::MAX / 2, u64::MAX] {
            let delay = policy.delay(1, random);
            assert!(delay <= Duration::from_millis(250) && delay >= Duration::from_millis(187));
        }
    }
}
