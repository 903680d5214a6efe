//! How much room the terminal has.

use std::io;

use rustix::termios::tcgetwinsize;

/// How wide the terminal is that standard output goes to; `None` for a pipe, and for a terminal
/// that does not know.
pub fn columns() -> Option<usize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
