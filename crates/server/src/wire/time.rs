//! RFC 3339 times.

use jiff::Timestamp as Moment;
use postroom_core::time::Timestamp;

use crate::problem::{Problem, Result};

/// The moment as RFC 3339 text. What lies beyond the year 9999 is shown as its last moment.
pub fn moment(at: Timestamp) -> String {
    let nearest = if at.0 < 0 { Moment::MIN } else { Moment::MAX };
    // Always with milliseconds, so that the texts sort as the moments do.
    format!("{:.3}", Moment::from_millisecond(at.0).unwrap_or(nearest))
}

/// Reads RFC 3339 text; `field` is named where it is none.
///
/// # Errors
/// `invalid_time`.
pub fn parse_moment(field: &str, text: &str) -> Result<Timestamp> {
    let moment: Moment = text.parse().map_err(|error| {
        Problem::bad_request(
            "invalid_time",
            format!("{field}: give an RFC 3339 time, such as 2026-01-31T09:00:00Z: {error}"),
        )
    })?;
    Ok(Timestamp(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rfc_3339_and_come_back() {
        assert_eq!(moment(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(moment(Timestamp(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
        for ms in [0, 1, 1_700_000_000_123] {
            assert_eq!(parse_moment("at", &moment(Timestamp(ms))).unwrap(), Timestamp(ms));
        }
        let zoned = parse_moment("at", "2023-11-14T23:13:20.123+01:00").unwrap();
        assert_eq!(zoned, Timestamp(1_700_000_000_123));
        assert_eq!(parse_moment("at", "tomorrow").unwrap_err().code(), "invalid_time");
    }

    #[test]
    fn moments_out_of_range_are_shown_all_the_same() {
        assert!(moment(Timestamp(i64::MAX)).starts_with("9999-12-"));
        assert!(moment(Timestamp(i64::MIN)).starts_with('-'));
    }
}
