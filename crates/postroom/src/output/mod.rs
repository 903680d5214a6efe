//! What people and programs see.

mod age;
mod progress;
mod room;
mod style;
mod table;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

pub use age::Ages;
pub use progress::Progress;
pub use room::columns;
pub use style::{Paint, Style};
pub use table::{Rendered, Table};

/// The last line on standard output is not ended: an answer is streaming.
static MID_LINE: AtomicBool = AtomicBool::new(false);

/// Writes to standard output.
///
/// # Errors
/// Where it can't be written to; see [`is_broken_pipe`].
pub fn print(text: &str) -> io::Result<()> {
    if !text.is_empty() {
        MID_LINE.store(!text.ends_with('\n'), Ordering::Relaxed);
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Ends the line that was begun on standard output, if one was.
pub fn end_line() -> io::Result<()> {
    if MID_LINE.load(Ordering::Relaxed) { print("\n") } else { Ok(()) }
}

/// Writes JSON, indented, to standard output.
pub fn print_json(value: &Value) -> io::Result<()> {
    print(&format!("{value:#}\n"))
}

/// Writes a line for people beside the output.
pub fn note(text: &str) {
    // Nobody may be there to read it, which is no reason to fail.
    let _ = end_line();
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says what went wrong, in one line.
pub fn report(error: &anyhow::Error) {
    let label = Style::of_stderr().paint(Paint::Bad, "error:");
    note(&format!("{label} {error:#}"));
}

/// Whether the reader of our output has gone away (`| head`), which is not an error.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(broken)
}

/// A text on one line, at most `chars` characters of it.
pub fn shortened(text: &str, chars: usize) -> String {
    let line: String =
        text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(chars + 1).collect();
    match line.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The text of a JSON value: a string's own, `-` for nothing, JSON for the rest.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_text_is_one_line_without_control_characters() {
        assert_eq!(shortened(" a\nb\u{1b}[31m ", 10), "a b [31m");
        assert_eq!(shortened("äöü", 2), "äö…");
        assert_eq!(shortened("äö", 2), "äö");
    }
}
