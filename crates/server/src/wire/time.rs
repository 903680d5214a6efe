//! RFC 3339 times.

use std::fmt;

use jiff::Timestamp as Instant;
use postroom_core::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::problem::{Problem, Result};

/// A moment as RFC 3339 text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Moment(String);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// The moment as it is shown. What lies beyond the year 9999 is shown as its last moment.
pub fn moment(at: Timestamp) -> Moment {
    let nearest = if at.0 < 0 { Instant::MIN } else { Instant::MAX };
    // Always with milliseconds, so that the texts sort as the moments do.
    Moment(format!("{:.3}", Instant::from_millisecond(at.0).unwrap_or(nearest)))
}

/// Reads RFC 3339 text; `field` is named where it is none.
///
/// # Errors
/// `invalid_time`.
pub fn parse_moment(field: &str, text: &str) -> Result<Timestamp> {
    let moment: Instant = text.parse().map_err(|error| {
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
        assert_eq!(moment(Timestamp(0)).0, "1970-01-01T00:00:00.000Z");
        assert_eq!(moment(Timestamp(1_700_000_000_123)).0, "2023-11-14T22:13:20.123Z");
        for ms in [0, 1, 1_700_000_000_123] {
            assert_eq!(parse_moment("at", &moment(Timestamp(ms)).0).unwrap(), Timestamp(ms));
        }
        let zoned = parse_moment("at", "2023-11-14T23:13:20.123+01:00").unwrap();
        assert_eq!(zoned, Timestamp(1_700_000_000_123));
        assert_eq!(parse_moment("at", "tomorrow").unwrap_err().code(), "invalid_time");
    }

    #[test]
    fn moments_out_of_range_are_shown_all_the_same() {
        assert!(moment(Timestamp(i64::MAX)).0.starts_with("9999-12-"));
        assert!(moment(Timestamp(i64::MIN)).0.starts_with('-'));
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
                Ok(at) => prop_assert_eq!(parse_moment("at", &moment(at).0).unwrap(), at),
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
            let (first, last) = (Instant::MIN.as_millisecond(), Instant::MAX.as_millisecond());
            let read = parse_moment("at", &moment(Timestamp(ms)).0).unwrap();
            prop_assert_eq!(read, Timestamp(ms.clamp(first, last)));
        }
    }
}
