//! The last quarter of an hour in numbers, for people who watch: kept in a ring of short spans, so
//! that a chart is full at first sight and nothing has to be asked in between.
//!
//! A node counts what it does itself. What it says of a cluster is its own part.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::command::Settled;
use postroom_core::dispatch::DispatchState;
use postroom_core::run::{RunStatus, Termination};
use tokio::time::Instant;

/// How long a span is.
pub const SPAN: Duration = Duration::from_secs(10);
/// How many spans are kept.
const SPANS: usize = 90;

/// What happened in a span of time, or in several.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// Submissions that were accepted.
    pub accepted: u64,
    /// Attempts that began.
    pub started: u64,
    /// Runs that ended well.
    pub completed: u64,
    /// Runs that were cancelled.
    pub cancelled: u64,
    /// Runs that were stopped or blocked, or failed.
    pub failed: u64,
    /// Attempts that failed and are tried again.
    pub retried: u64,
    /// Dispatches that were given up.
    pub dead_lettered: u64,
    /// From the moment a dispatch may start to the start of an attempt.
    pub due_to_start: Spread,
    /// From an attempt's claim to its end.
    pub run_time: Spread,
    /// From a run's acceptance to its end.
    pub enqueue_to_completion: Spread,
}

impl Span {
    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.started += other.started;
        self.completed += other.completed;
        self.cancelled += other.cancelled;
        self.failed += other.failed;
        self.retried += other.retried;
        self.dead_lettered += other.dead_lettered;
        self.due_to_start.add(&other.due_to_start);
        self.run_time.add(&other.run_time);
        self.enqueue_to_completion.add(&other.enqueue_to_completion);
    }

    pub(crate) fn attempt_started(&mut self, due_to_start: Duration) {
        self.started += 1;
        self.due_to_start.observe(due_to_start);
    }

    pub(crate) fn settled(&mut self, settled: &Settled, ran_for: Duration) {
        self.run_time.observe(ran_for);
        match settled.dispatch.state() {
            DispatchState::Queued => self.retried += 1,
            DispatchState::DeadLetter => self.dead_lettered += 1,
            _ => {}
        }
        if let RunStatus::Done { termination, finished_at } = &settled.run.status {
            match termination {
                Termination::NaturalEnd => self.completed += 1,
                Termination::Cancelled => self.cancelled += 1,
                Termination::Blocked(_) | Termination::Stopped(_) | Termination::Error(_) => {
                    self.failed += 1;
                }
            }
            self.enqueue_to_completion.observe(finished_at.since(settled.run.created_at));
        }
    }
}

/// Durations, as counts of those that are about as long. What it says of them is at most an eighth
/// off.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    /// By the duration's power of two and the next two bits of its microseconds. Short: it ends with
    /// the longest duration.
    counts: Vec<u32>,
    max: Duration,
}

/// How many parts a power of two has.
const PARTS: u32 = 4;

impl Spread {
    fn observe(&mut self, took: Duration) {
        let place = place_of(took);
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] = self.counts[place].saturating_add(1);
        self.max = self.max.max(took);
    }

    fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
        self.max = self.max.max(other.max);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().copied().map(u64::from).sum()
    }

    /// The longest.
    pub fn max(&self) -> Option<Duration> {
        (!self.counts.is_empty()).then_some(self.max)
    }

    /// The duration that so many of a hundred did not exceed; `None` where there are none.
    pub fn percentile(&self, percent: u32) -> Option<Duration> {
        let wanted = (self.count() * u64::from(percent)).div_ceil(100).max(1);
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        })?;
        Some(middle_of(place).min(self.max))
    }
}

fn place_of(took: Duration) -> usize {
    // Half an hour and more is one place: a person need not know it better.
    let micros = took.as_micros().clamp(1, 1 << 31);
    let power = micros.ilog2();
    let part = if power < 2 { 0 } else { (micros >> (power - 2)) & 3 };
    (power * PARTS) as usize + usize::try_from(part).unwrap_or(0)
}

fn middle_of(place: usize) -> Duration {
    let place = u64::try_from(place).unwrap_or(0);
    let (power, part) = (place / u64::from(PARTS), place % u64::from(PARTS));
    let whole = 1_u64 << power;
    // The part's beginning, and half of its length.
    Duration::from_micros(whole + whole * part / 4 + whole / 8)
}

/// The ring.
pub(crate) struct Recent {
    began: Instant,
    spans: Mutex<Spans>,
}

/// The spans in which something happened, oldest first, by their numbers since the node began.
#[derive(Default)]
struct Spans(VecDeque<(u64, Span)>);

/// The last quarter of an hour.
#[derive(Debug, Clone)]
pub struct RecentNumbers {
    /// Oldest first; the last one is not over yet.
    pub spans: Vec<Span>,
    /// How much of the last one is over.
    pub into_last: Duration,
    /// All of them together.
    pub total: Span,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), spans: Mutex::default() }
    }

    /// Notes something in the span that is now.
    pub(crate) fn note(&self, what: impl FnOnce(&mut Span)) {
        let (number, _) = self.now();
        self.spans.lock().note(number, what);
    }

    pub(crate) fn numbers(&self) -> RecentNumbers {
        let (number, into_last) = self.now();
        let spans = self.spans.lock().until(number);
        let mut total = Span::default();
        spans.iter().for_each(|span| total.add(span));
        RecentNumbers { spans, into_last, total }
    }

    fn now(&self) -> (u64, Duration) {
        let age = self.began.elapsed();
        let number = age.as_secs() / SPAN.as_secs();
        (number, age.saturating_sub(SPAN * u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

impl Spans {
    fn note(&mut self, number: u64, what: impl FnOnce(&mut Span)) {
        // Another thread may have been given a later time, and have been quicker.
        let last = self.0.back().map_or(0, |(last, _)| *last);
        if self.0.is_empty() || last < number {
            self.0.push_back((number, Span::default()));
        }
        while self.0.front().is_some_and(|(first, _)| first + (SPANS as u64) <= number) {
            self.0.pop_front();
        }
        if let Some((_, span)) = self.0.back_mut() {
            what(span);
        }
    }

    fn until(&self, number: u64) -> Vec<Span> {
        let mut spans = vec![Span::default(); SPANS];
        for (at, span) in &self.0 {
            let age = usize::try_from(number.saturating_sub(*at)).unwrap_or(SPANS);
            if let Some(place) = (SPANS - 1).checked_sub(age) {
                spans[place] = span.clone();
            }
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_old_leaves_and_gaps_are_empty() {
        let mut spans = Spans::default();
        for number in [0, 0, 3, 90] {
            spans.note(number, |span| span.accepted += 1);
        }
        let accepted = |spans: &Spans, number| -> Vec<(usize, u64)> {
            let counts = spans.until(number).into_iter().map(|span| span.accepted).enumerate();
            counts.filter(|(_, count)| *count > 0).collect()
        };
        // The first span is 90 spans old, and gone.
        assert_eq!(accepted(&spans, 90), [(2, 1), (89, 1)]);
        assert_eq!(accepted(&spans, 93), [(86, 1)]);
        assert!(accepted(&spans, 1_000).is_empty());
        // What comes late counts where the newest is.
        spans.note(89, |span| span.accepted += 1);
        assert_eq!(accepted(&spans, 90), [(2, 1), (89, 2)]);
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Spread::default().percentile(50), None);
        assert_eq!(Spread::default().max(), None);
    }

    proptest! {
        #[test]
        fn percentiles_are_at_most_an_eighth_off(
            mut micros in proptest::collection::vec(8_u64..2_000_000_000, 1..200),
            percent in 1_u32..=100,
        ) {
            let mut spread = Spread::default();
            micros.iter().for_each(|micros| spread.observe(Duration::from_micros(*micros)));
            micros.sort_unstable();
            let place = (micros.len() * percent as usize).div_ceil(100).max(1) - 1;
            let said = spread.percentile(percent).unwrap();
            let exact = Duration::from_micros(micros[place]);
            prop_assert!(said.abs_diff(exact) <= exact / 8 + Duration::from_micros(1), "{said:?} for {exact:?}");
            prop_assert!(spread.percentile(100).unwrap() <= spread.max().unwrap());
            prop_assert_eq!(spread.count(), micros.len() as u64);
        }
    }
}
