//! The weather: how likely which fault is just now. It changes, and clears up at the end.

use crate::chance::Chance;

/// Chances in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// A call fails before anything is written.
    pub fails: u64,
    /// A request is lost, and nobody can say so.
    pub loses_requests: u64,
    /// A write is done and its answer is lost.
    pub loses_replies: u64,
    /// A request or an answer takes its time.
    pub slow: u64,
    /// And then at most so many milliseconds.
    pub slow_ms: u64,
    /// Of the slow ones: slower than a lease.
    pub stuck: u64,
    /// A node dies with a call under way.
    pub deadly: u64,
    /// A signal is lost.
    pub loses_signals: u64,
    /// A signal comes twice.
    pub doubles_signals: u64,
    /// A signal comes late.
    pub delays_signals: u64,
    /// The signal queue can't be reached.
    pub fails_signals: u64,
    /// A live command is lost.
    pub loses_live: u64,
    /// A live command is taken and its receipt is lost.
    pub loses_receipts: u64,
    /// A live command comes twice.
    pub doubles_live: u64,
    /// A hint of an event is lost.
    pub loses_hints: u64,
    /// A hint comes late, and after others.
    pub delays_hints: u64,
    /// A hint comes twice.
    pub doubles_hints: u64,
}

impl Weather {
    /// No faults.
    pub fn clear() -> Self {
        Self::default()
    }

    /// Some faults or other.
    pub fn change(chance: &Chance) -> Self {
        let some = |mille: u64| if chance.one_in(2) { chance.number(0..mille) } else { 0 };
        let mut weather = Self {
            slow: some(300),
            slow_ms: *chance.pick(&[5, 50, 500, 4_000]),
            stuck: some(20),
            deadly: some(4),
            loses_signals: some(500),
            doubles_signals: some(300),
            delays_signals: some(300),
            fails_signals: some(100),
            loses_live: some(500),
            loses_receipts: some(300),
            doubles_live: some(300),
            loses_hints: some(500),
            delays_hints: some(300),
            doubles_hints: some(300),
            ..Self::default()
        };
        match chance.number(0..5) {
            0 => {}
            1 => weather.fails = chance.number(50..400),
            2 => weather.loses_replies = chance.number(50..400),
            3 => weather.loses_requests = chance.number(20..200),
            _ => {
                weather.fails = some(200);
                weather.loses_replies = some(200);
                weather.loses_requests = some(100);
            }
        }
        weather
    }
}
