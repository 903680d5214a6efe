//! Tells the date and time.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::tz::{Offset, TimeZone};
use postroom_core::ports::Clock;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::tool::{Tool, ToolContext, ToolError, read_arguments};

/// The `clock` tool.
pub struct ClockTool {
    clock: Arc<dyn Clock>,
}

impl ClockTool {
    /// Tells the time of `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    utc_offset: Option<String>,
}

#[async_trait]
impl Tool for ClockTool {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn description(&self) -> &'static str {
        "Tells the current date and time in RFC 3339, in UTC or at a UTC offset."
    }

    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "utc_offset": {
                    "type": "string",
                    "description": "An offset from UTC such as +02:00 or -05:30. Left out: UTC.",
                },
            },
            "additionalProperties": false,
        })
    }

    async fn call(&self, arguments: Value, _context: ToolContext) -> Result<Value, ToolError> {
        let arguments: Arguments = read_arguments(arguments)?;
        let offset = match arguments.utc_offset.as_deref() {
            None => Offset::UTC,
            Some(text) => parse_offset(text).ok_or_else(|| {
                ToolError::InvalidArguments(format!(
                    "utc_offset `{text}` is not an offset: write it as +HH:MM or -HH:MM"
                ))
            })?,
        };
        let now = jiff::Timestamp::from_millisecond(self.clock.now().0)
            .map_err(|error| ToolError::Failed(format!("the clock is out of range: {error}")))?;
        let local = now.to_zoned(TimeZone::fixed(offset));
        Ok(json!({
            "time": format!("{}{}", local.strftime("%Y-%m-%dT%H:%M:%S"), offset_text(offset)),
            "weekday": local.strftime("%A").to_string(),
        }))
    }
}

/// `Z`, or `+HH:MM` with the sign that it has.
fn offset_text(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    if minutes == 0 {
        return "Z".to_owned();
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// Reads `Z`, `UTC`, `+2`, `+02`, `+0200` or `+02:00`; 14 hours at most, as on Earth.
fn parse_offset(text: &str) -> Option<Offset> {
    let text = text.trim();
    if matches!(text, "" | "Z" | "z" | "UTC" | "utc") {
        return Some(Offset::UTC);
    }
    let text = text.strip_prefix("UTC").unwrap_or(text);
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some(parts), _) => parts,
        (None, 4) => digits.split_at_checked(2)?,
        (None, _) => (digits, "0"),
    };
    let number = |text: &str| {
        let digits_only = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if digits_only { text.parse::<i32>().ok() } else { None }
    };
    let minutes = number(hours)? * 60 + number(minutes).filter(|minutes| *minutes < 60)?;
    if minutes > 14 * 60 {
        return None;
    }
    Offset::from_seconds(sign * minutes * 60).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_as_people_write_them() {
        for (text, expected) in [
            ("", "Z"),
            ("Z", "Z"),
            ("+02:00", "+02:00"),
            ("+2", "+02:00"),
            ("-0530", "-05:30"),
            ("UTC+5:45", "+05:45"),
            ("-00:30", "-00:30"),
        ] {
            assert_eq!(parse_offset(text).map(offset_text).as_deref(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_offset_is_refused() {
        for text in
            ["+", "2", "+15:00", "+02:60", "+1:2:3", "++2", "+ 2", "Europe/Paris", "+é", "é"]
        {
            assert!(parse_offset(text).is_none(), "{text:?}");
        }
    }
}
