//! Figures: how many a second, and how long each.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::output::{Progress, Table};

/// Three digits of each time are kept.
const DIGITS: u8 = 3;

/// The percentiles that are shown.
const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];

/// Times of one kind of operation, while they are taken.
pub(super) struct Times(Histogram<u64>);

impl Times {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new(DIGITS)?))
    }

    /// Adds the time since `began`.
    pub(super) fn since(&mut self, began: Instant) -> anyhow::Result<()> {
        Ok(self.0.record(u64::try_from(began.elapsed().as_micros())?)?)
    }

    pub(super) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        Ok(self.0.add(&other.0)?)
    }
}

/// What was measured of one kind of operation.
pub(super) struct Figures {
    what: &'static str,
    count: u64,
    took: Duration,
    times: Times,
}

impl Figures {
    /// `count` operations in `took`.
    pub(super) fn of(what: &'static str, count: u64, took: Duration, times: Times) -> Self {
        Self { what, count, took, times }
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer operations than 2^52")]
    fn per_second(&self) -> f64 {
        let seconds = self.took.as_secs_f64();
        if seconds > 0.0 { self.count as f64 / seconds } else { 0.0 }
    }

    /// For programs.
    pub(super) fn to_json(&self) -> Value {
        let mut micros = serde_json::Map::new();
        for (name, quantile) in QUANTILES {
            micros.insert(name.to_owned(), self.times.0.value_at_quantile(quantile).into());
        }
        micros.insert("max".to_owned(), self.times.0.max().into());
        let rate = (self.per_second() * 10.0).round() / 10.0;
        json!({"what": self.what, "count": self.count, "per_second": rate, "micros": micros})
    }
}

/// The figures for people.
pub(super) fn table(figures: &[Figures]) -> Table {
    let mut table = Table::new(&["WHAT", "A SECOND", "P50", "P90", "P99", "MAX"]);
    for figure in figures {
        let times =
            QUANTILES.iter().map(|(_, quantile)| figure.times.0.value_at_quantile(*quantile));
        let cells = times.chain([figure.times.0.max()]).map(milliseconds);
        let head = [figure.what.to_owned(), format!("{:.0}", figure.per_second())];
        table.row(head.into_iter().chain(cells));
    }
    table
}

#[expect(clippy::cast_precision_loss, reason = "far fewer microseconds than 2^52")]
fn milliseconds(micros: u64) -> String {
    format!("{:.2}", micros as f64 / 1000.0)
}

/// A stretch of time to measure in.
pub(super) struct Stretch<'p> {
    began: Instant,
    time: Duration,
    progress: &'p Progress,
    shown: u64,
}

impl<'p> Stretch<'p> {
    pub(super) fn begin(time: Duration, progress: &'p Progress) -> Self {
        Self { began: Instant::now(), time, progress, shown: 0 }
    }

    /// Whether there is time left; moves the bar by the seconds that have passed.
    pub(super) fn goes_on(&mut self) -> bool {
        let passed = self.began.elapsed();
        let seconds = passed.min(self.time).as_secs();
        if seconds > self.shown {
            self.progress.adds(seconds - self.shown);
            self.shown = seconds;
        }
        passed < self.time
    }

    pub(super) fn ends_at(&self) -> Instant {
        self.began + self.time
    }

    pub(super) fn took(&self) -> Duration {
        self.began.elapsed()
    }
}
