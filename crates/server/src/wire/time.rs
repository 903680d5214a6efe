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
    use proptest::prelude::*;

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

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_a_moment_or_a_problem_that_names_the_field(
            text in prop_oneof![
                any::<String>(),
                "[-+]?[0-9]{4,6}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,10})?)?(Z|[-+][0-9]{2}(:?[0-9]{2})?)",
                "[-0-9T:.Z+ \\[\\]]{0,30}",
            ],
        ) {
            match parse_moment("at", &text) {
                Ok(at) => prop_assert_eq!(parse_moment("at", &moment(at)).unwrap(), at),
                Err(problem) => {
                    prop_assert_eq!(problem.code(), "invalid_time");
                    let said = format!("{problem:?}");
                    prop_assert!(said.contains("at: give an RFC 3339 time"), "{}", said);
                }
            }
        }

        #[test]
        fn any_moment_is_shown_as_a_text_that_can_be_read(
            ms in prop_oneof![any::<i64>(), -400_000_000_000_000..300_000_000_000_000_i64],
        ) {
            let (first, last) = (Moment::MIN.as_millisecond(), Moment::MAX.as_millisecond());
            let read = parse_moment("at", &moment(Timestamp(ms))).unwrap();
            prop_assert_eq!(read, Timestamp(ms.clamp(first, last)));
        }
    }
}
