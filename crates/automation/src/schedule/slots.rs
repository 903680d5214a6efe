//! The times of a schedule.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::Zoned;
use jiff::tz::TimeZone;
use postroom_core::time::Timestamp;

use super::Missed;

/// The times that an expression names in a time zone.
///
/// Where clocks are put forward, a time that does not exist is made up for at the first moment that
/// does; where they are put back, a fixed time counts once.
#[derive(Debug, Clone)]
pub struct Times {
    cron: Cron,
    zone: TimeZone,
}

/// Why an expression or a time zone names no times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimes {
    /// Not an expression.
    #[error(
        "cron: `{cron}` can't be read ({reason}): give minute, hour, day of month, month and day of week, as in `30 9 * * mon-fri`; seconds may come first"
    )]
    Cron {
        /// As it was given.
        cron: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a time zone.
    #[error("time_zone: there is no `{name}`: give a name such as `Europe/Berlin`, or `UTC`")]
    Zone {
        /// As it was given.
        name: String,
    },
    /// An expression that names no time from now on, such as February 30.
    #[error("cron: `{cron}` names no time that will ever come")]
    Never {
        /// As it was given.
        cron: String,
    },
}

impl Times {
    /// Reads an expression and a time zone.
    ///
    /// # Errors
    /// [`InvalidTimes`] says which of them can't be read, and why.
    pub fn parse(cron: &str, time_zone: &str) -> Result<Self, InvalidTimes> {
        let unreadable = |reason: String| InvalidTimes::Cron { cron: cron.to_owned(), reason };
        let parser = CronParser::builder().seconds(Seconds::Optional).build();
        let parsed = parser.parse(cron).map_err(|error| unreadable(error.to_string()))?;
        let zone = TimeZone::get(time_zone)
            .map_err(|_| InvalidTimes::Zone { name: time_zone.to_owned() })?;
        Ok(Self { cron: parsed, zone })
    }

    /// The first time after `moment`; `None` if there is none any more.
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let next = self.cron.find_next_occurrence(&self.at(moment)?, false).ok()?;
        Some(timestamp(&next))
    }

    /// The newest time up to `moment`.
    fn last_until(&self, moment: Timestamp) -> Option<Timestamp> {
        let last = self.cron.find_previous_occurrence(&self.at(moment)?, true).ok()?;
        Some(timestamp(&last))
    }

    /// The times from `first`, which is one of them, until `now` that are to be submitted for.
    pub(super) fn due(&self, first: Timestamp, now: Timestamp, missed: Missed) -> Vec<Timestamp> {
        if first > now {
            return Vec::new();
        }
        let newest = self.last_until(now).filter(|newest| *newest > first).unwrap_or(first);
        match missed {
            Missed::Skip if now.since(newest) > Missed::GRACE => Vec::new(),
            Missed::Once | Missed::Skip => vec![newest],
            Missed::All => self.all(first, newest),
        }
    }

    /// All times from `first` to `newest`, or the last of them where they are too many.
    fn all(&self, first: Timestamp, newest: Timestamp) -> Vec<Timestamp> {
        let mut newest_first = vec![newest];
        while let Some(last) = newest_first.last()
            && *last > first
            && newest_first.len() < Missed::ALL_MAX
        {
            let Some(before) = self.last_until(Timestamp(last.0 - 1)) else { break };
            if before < first {
                break;
            }
            newest_first.push(before);
        }
        newest_first.reverse();
        newest_first
    }

    fn at(&self, moment: Timestamp) -> Option<Zoned> {
        let moment = jiff::Timestamp::from_millisecond(moment.0).ok()?;
        Some(moment.to_zoned(self.zone.clone()))
    }
}

fn timestamp(zoned: &Zoned) -> Timestamp {
    Timestamp(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn times(cron: &str) -> Times {
        Times::parse(cron, "Europe/Berlin").unwrap()
    }

    fn next(cron: &str, after: &str) -> String {
        let next = times(cron).next_after(moment(after)).unwrap();
        jiff::Timestamp::from_millisecond(next.0).unwrap().to_string()
    }

    #[test]
    fn times_are_those_of_the_zone() {
        assert_eq!(next("30 9 * * mon-fri", "2026-11-20T12:00:00Z"), "2026-11-23T08:30:00Z");
        assert_eq!(next("30 9 * * *", "2026-07-01T00:00:00Z"), "2026-07-01T07:30:00Z");
        assert_eq!(next("*/10 * * * * *", "2026-11-20T12:00:01Z"), "2026-11-20T12:00:10Z");
        assert_eq!(next("@daily", "2026-11-20T12:00:00Z"), "2026-11-20T23:00:00Z");
        assert_eq!(next("0 12 29 2 *", "2026-11-20T12:00:00Z"), "2028-02-29T11:00:00Z");
        // The next one, not the same again.
        assert_eq!(next("0 12 * * *", "2026-11-20T11:00:00Z"), "2026-11-21T11:00:00Z");
    }

    #[test]
    fn each_day_has_its_time_once_though_clocks_are_put_forward_and_back() {
        // 02:30 does not exist on March 28, 2027, and exists twice on October 31.
        for (from, days) in [("2027-03-26T12:00:00Z", 4), ("2027-10-29T12:00:00Z", 4)] {
            let times = times("30 2 * * *");
            let mut at = moment(from);
            let mut dates = Vec::new();
            for _ in 0..days {
                at = times.next_after(at).unwrap();
                dates.push(times.at(at).unwrap().date());
            }
            for pair in dates.windows(2) {
                assert_eq!(pair[0].tomorrow().unwrap(), pair[1], "{dates:?}");
            }
        }
    }

    #[test]
    fn missed_times_are_made_good_as_wished() {
        let times = times("0 * * * *");
        let (first, now) = (moment("2026-11-20T08:00:00Z"), moment("2026-11-20T11:20:00Z"));
        let hours = |due: Vec<Timestamp>| -> Vec<i64> {
            due.iter().map(|slot| (slot.0 - first.0) / 3_600_000).collect()
        };
        assert_eq!(hours(times.due(first, now, Missed::Once)), [3]);
        assert_eq!(hours(times.due(first, now, Missed::Skip)), [0; 0]);
        assert_eq!(hours(times.due(first, now, Missed::All)), [0, 1, 2, 3]);

        let in_time = moment("2026-11-20T11:00:30Z");
        assert_eq!(hours(times.due(first, in_time, Missed::Skip)), [3]);
        for missed in [Missed::Once, Missed::Skip, Missed::All] {
            assert_eq!(hours(times.due(first, first, missed)), [0], "{missed:?}");
            assert!(times.due(now, first, missed).is_empty(), "{missed:?}");
        }

        // Far too many: the newest are kept.
        let late = moment("2027-11-20T08:00:00Z");
        let due = times.due(first, late, Missed::All);
        assert_eq!((due.len(), due.last()), (Missed::ALL_MAX, Some(&late)));
    }

    #[test]
    fn what_names_no_times_is_refused() {
        for cron in ["", "x", "* * * *", "61 * * * *", "* * * * * * * *"] {
            let error = Times::parse(cron, "UTC").unwrap_err();
            assert!(matches!(error, InvalidTimes::Cron { .. }), "{cron}: {error}");
        }
        let error = Times::parse("* * * * *", "Europe/Nowhere").unwrap_err();
        assert_eq!(error, InvalidTimes::Zone { name: "Europe/Nowhere".into() });
        assert_eq!(times("0 0 30 2 *").next_after(moment("2026-11-20T00:00:00Z")), None);
    }
}
