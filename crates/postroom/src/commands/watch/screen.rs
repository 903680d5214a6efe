//! An answer as it comes.
//!
//! On a terminal every word is shown at once. A pipe gets what is certain alone: the text of a step
//! is held until the step is committed, because the attempt may die and begin anew.

use std::io::{self, IsTerminal};

use serde_json::Value;

use super::super::list::printable;
use crate::client::EventBody;
use crate::output::{Paint, Style, end_line, note, print, shortened};

/// The longest piece of a tool's arguments or output that is shown.
const TOOL_CHARS_MAX: usize = 120;

/// What is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Thought,
    Text,
}

#[derive(Debug)]
pub(super) struct Screen {
    is_live: bool,
    style: Style,
    voice: Voice,
    /// Text since the last commit: on the screen already, or held back.
    uncommitted: String,
    has_answered: bool,
    /// What the lost attempt said is on the screen.
    must_forget: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            is_live: io::stdout().is_terminal(),
            style: Style::of_stdout(),
            voice: Voice::Text,
            uncommitted: String::new(),
            has_answered: false,
            must_forget: false,
        }
    }

    /// Shows what an event means for the reader.
    pub(super) fn show(&mut self, body: &EventBody) -> io::Result<()> {
        match body {
            EventBody::TextDelta { text } => self.text(text)?,
            EventBody::ReasoningDelta { text } => self.thought(text)?,
            EventBody::StepFinished {} => self.commit()?,
            EventBody::ToolCallReady { tool_name, arguments } => {
                aside(&format!("→ {tool_name} {}", brief(arguments)));
            }
            EventBody::ToolCallFinished { output, is_error } => {
                let sign = if *is_error { "✗" } else { "←" };
                aside(&format!("{sign} {}", brief(output)));
            }
            EventBody::AttemptReset {} => self.reset(),
            EventBody::DispatchRetried { error } => self.retried(error.as_deref()),
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let text = printable(text);
        self.uncommitted.push_str(&text);
        if !self.is_live {
            return Ok(());
        }
        self.speak(Voice::Text)?;
        print(&text)
    }

    fn thought(&mut self, text: &str) -> io::Result<()> {
        if !self.is_live {
            return Ok(());
        }
        self.speak(Voice::Thought)?;
        print(&self.style.paint(Paint::Dim, &printable(text)))
    }

    fn speak(&mut self, voice: Voice) -> io::Result<()> {
        if std::mem::replace(&mut self.voice, voice) == voice { Ok(()) } else { end_line() }
    }

    /// What was said so far will not be taken back.
    fn commit(&mut self) -> io::Result<()> {
        end_line()?;
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
    fn reset(&mut self) {
        let said = !std::mem::take(&mut self.uncommitted).is_empty();
        self.must_forget = said && self.is_live;
    }

    fn retried(&mut self, error: Option<&str>) {
        let why = shortened(error.unwrap_or("it was lost"), 200);
        let forget =
            if std::mem::take(&mut self.must_forget) { "; what it said is void" } else { "" };
        aside(&format!("the attempt failed ({why}){forget}; trying again"));
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
}

/// A remark beside the answer.
fn aside(text: &str) {
    note(&Style::of_stderr().paint(Paint::Dim, &printable(text)));
}

fn brief(value: &Value) -> String {
    shortened(&value.to_string(), TOOL_CHARS_MAX)
}
