//! Colour, for terminals only.

use std::io::IsTerminal;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// A heading.
    Heading,
    /// Less important.
    Dim,
    /// As it should be.
    Good,
    /// Wants attention.
    Warn,
    /// Has failed.
    Bad,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Heading => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
        }
    }

    /// How a status of a run or a dispatch is shown.
    pub fn of_status(status: &str) -> Option<Self> {
        match status {
            "running" | "claimed" | "natural_end" => Some(Self::Good),
            "waiting" | "queued" | "created" | "stopped" => Some(Self::Warn),
            "dead_letter" | "error" | "blocked" => Some(Self::Bad),
            "cancelled" | "superseded" => Some(Self::Dim),
            _ => None,
        }
    }
}

/// Whether to paint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// For standard output.
    pub fn of_stdout() -> Self {
        Self { colour: wanted() && std::io::stdout().is_terminal() }
    }

    /// For standard error.
    pub fn of_stderr() -> Self {
        Self { colour: wanted() && std::io::stderr().is_terminal() }
    }

    /// Without colour.
    #[cfg(test)]
    pub fn never() -> Self {
        Self { colour: false }
    }

    /// The text, painted.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code())
        } else {
            text.to_owned()
        }
    }
}

/// <https://no-color.org>, and terminals that know no colour.
fn wanted() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no_colour && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
