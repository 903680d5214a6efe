//! What happened, line by line: hashed whole, and the end of it kept.

use std::collections::VecDeque;
use std::fmt::{self, Display, Write};
use std::time::Duration;

use parking_lot::Mutex;
use postroom_conformance::clock::BEGINNING;

/// How many lines are kept for a failure's report.
const KEPT: usize = 60;

/// The trace of one run.
#[derive(Debug)]
pub struct Trace(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    hash: u64,
    kept: VecDeque<String>,
    printed: bool,
}

impl Trace {
    /// An empty trace; `printed` shows each line as it comes.
    pub fn new(printed: bool) -> Self {
        // FNV-1a, which is the same everywhere and for ever.
        Self(Mutex::new(Inner { hash: 0xcbf2_9ce4_8422_2325, kept: VecDeque::new(), printed }))
    }

    /// Adds a line.
    pub fn line(&self, at: Duration, who: &str, what: fmt::Arguments<'_>) {
        let mut inner = self.0.lock();
        let mut line = if inner.kept.len() < KEPT {
            String::new()
        } else {
            inner.kept.pop_front().unwrap_or_default()
        };
        line.clear();
        // Writing into a string does not fail.
        let _ = write!(line, "{:>10.3} {who:<4} {what}", at.as_secs_f64());
        for byte in line.bytes() {
            inner.hash = (inner.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if inner.printed {
            println!("{line}");
        }
        inner.kept.push_back(line);
    }

    /// The hash of all lines so far.
    pub fn hash(&self) -> u64 {
        self.0.lock().hash
    }

    /// The last lines.
    pub fn tail(&self) -> Vec<String> {
        self.0.lock().kept.iter().cloned().collect()
    }
}

/// An id, short: the simulation's UUIDs count up, and the count is all that tells them apart.
pub struct Brief<T>(pub T);

impl<T: Display> Display for Brief<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let millis =
            text.replace('-', "").get(..12).and_then(|hex| i64::from_str_radix(hex, 16).ok());
        match millis {
            Some(millis) if text.len() == 36 => write!(f, "#{}", millis - BEGINNING.0),
            _ => f.write_str(&text),
        }
    }
}
