//! How long ago something was.

use jiff::Timestamp;
use postroom_core::ports::Clock;
use postroom_stores::system::SystemClock;
use serde_json::Value;

/// Tells ages, all as of one moment.
#[derive(Debug, Clone, Copy)]
pub struct Ages {
    now_ms: i64,
}

impl Ages {
    /// As of now.
    pub fn now() -> Self {
        Self { now_ms: SystemClock.now().0 }
    }

    /// The age of an RFC 3339 time: `5s`, `3m`, `2h`, `4d`; `-` for none.
    pub fn of(self, time: &Value) -> String {
        let Some(time) = time.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else {
            return "-".to_owned();
        };
        let seconds = (self.now_ms - time.as_millisecond()) / 1000;
        match seconds {
            ..0 => format!("in {}", written(-seconds)),
            _ => written(seconds),
        }
    }
}

fn written(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
