//! Waiting for what another process does.

use std::time::{Duration, Instant};

use crate::Error;

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until there is an answer. Other processes live in real time, whatever the
/// clock of the test does, so this reads the real one.
#[expect(clippy::disallowed_methods, reason = "other processes live in real time")]
pub fn until<T>(
    what: impl Into<String>,
    within: Duration,
    mut look: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let began = Instant::now();
    loop {
        if let Some(answer) = look()? {
            return Ok(answer);
        }
        if began.elapsed() > within {
            return Err(Error::Late { what: what.into(), within });
        }
        std::thread::sleep(PAUSE);
    }
}
