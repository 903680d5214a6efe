//! An answer as it comes.
//!
//! On a terminal every word is shown at once. A pipe gets what is certain alone: the text of a step
//! is held until the step is committed, because the attempt may die and begin anew.

use std::io::{self, IsTerminal};

use serde_json::Value;

use super::super::list::printable;
use crate::client::EventBody;
use crate::output::{Paint, Style, note, print, shortened};

/// The longest piece of a tool's arguments or output that is shown.
const TOOL_CHARS_MAX: usize = 120;

/// What the cursor stands behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Start,
    Thought,
    Text,
}

#[derive(Debug)]
pub(super) struct Screen {
    is_live: bool,
    style: Style,
    line: Line,
    /// Text since the last commit: on the screen already, or held back.
    uncommitted: String,
    has_answered: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            is_live: io::stdout().is_terminal(),
            style: Style::of_stdout(),
            line: Line::Start,
            uncommitted: String::new(),
            has_answered: false,
        }
    }

    /// Shows what an event means for the reader.
    pub(super) fn show(&mut self, body: &EventBody) -> io::Result<()> {
        match body {
            EventBody::TextDelta { text } => self.text(text),
            EventBody::ReasoningDelta { text } => self.thought(text),
            EventBody::StepFinished {} => self.commit(),
            EventBody::ToolCallReady { tool_name, arguments, .. } => {
                self.aside(&format!("→ {tool_name} {}", brief(arguments)))
            }
            EventBody::ToolCallFinished { output, is_error, .. } => {
                let sign = if *is_error { "✗" } else { "←" };
                self.aside(&format!("{sign} {}", brief(output)))
            }
            EventBody::AttemptReset { attempt } => self.reset(*attempt),
            EventBody::DispatchRetried { error } => {
                let why = error.as_deref().unwrap_or("it was lost");
                self.aside(&format!("this attempt failed ({}); trying again", shortened(why, 200)))
            }
            EventBody::RunStarted { attempt } if *attempt > 1 => {
                self.aside(&format!("attempt {attempt}"))
            }
            _ => Ok(()),
        }
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let text = printable(text);
        self.uncommitted.push_str(&text);
        if !self.is_live {
            return Ok(());
        }
        if self.line == Line::Thought {
            self.end()?;
        }
        print(&text)?;
        self.line = if text.ends_with('\n') { Line::Start } else { Line::Text };
        Ok(())
    }

    fn thought(&mut self, text: &str) -> io::Result<()> {
        if !self.is_live {
            return Ok(());
        }
        if self.line == Line::Text {
            self.end()?;
        }
        print(&self.style.paint(Paint::Dim, &printable(text)))?;
        self.line = Line::Thought;
        Ok(())
    }

    /// What was said so far will not be taken back.
    fn commit(&mut self) -> io::Result<()> {
        self.end()?;
        let text = std::mem::take(&mut self.uncommitted);
        if text.is_empty() {
            return Ok(());
        }
        self.has_answered = true;
        if self.is_live {
            return Ok(());
        }
        print(text.trim_end_matches('\n'))?;
        print("\n")
    }

    /// The attempt is lost, and what it said since its last commit with it.
    fn reset(&mut self, attempt: u64) -> io::Result<()> {
        if !std::mem::take(&mut self.uncommitted).is_empty() && self.is_live {
            return self.aside(&format!("attempt {attempt} was lost: forget the lines above"));
        }
        Ok(())
    }

    /// The run has ended: shows what is missing of its output.
    pub(super) fn finish(&mut self, output: Option<&str>) -> io::Result<()> {
        self.commit()?;
        match output {
            Some(output) if !self.has_answered && !output.is_empty() => {
                print(&format!("{}\n", printable(output).trim_end_matches('\n')))
            }
            _ => Ok(()),
        }
    }

    /// Ends the line that the cursor is on.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.line, Line::Start) == Line::Start {
            return Ok(());
        }
        print("\n")
    }

    fn aside(&mut self, text: &str) -> io::Result<()> {
        self.end()?;
        note(&Style::of_stderr().paint(Paint::Dim, &printable(text)));
        Ok(())
    }
}

fn brief(value: &Value) -> String {
    shortened(&value.to_string(), TOOL_CHARS_MAX)
}
