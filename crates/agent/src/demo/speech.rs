//! What the demo model says, and how fast.

use std::time::Duration;

use postroom_core::message::ToolCall;

use crate::model::ModelEvent;

/// What it can do, in its own words.
pub(super) const HELP: &str = "I am the demo model. Ask me for the time and I call a tool; say \
    `approval` and I ask you first; `call TOOL {…}` and I call any tool that I have; `slow 30` and I count to 30, one a second; `fail`, `fail once` \
    or `fail permanently` and I fail. Anything else I say back to you.";

/// A piece of an answer.
pub(super) enum Line {
    Words { words: Vec<String>, pause: Duration, lead: &'static str },
    Thought { text: String, pause: Duration },
    Call { call: ToolCall, pause: Duration },
}

impl Line {
    pub fn tokens(&self) -> u64 {
        match self {
            Self::Words { words, .. } => words.len() as u64,
            Self::Thought { text, .. } => super::words(text),
            Self::Call { .. } => 1,
        }
    }

    /// The events of the line, each with the pause before it.
    pub fn events(self) -> Vec<(Duration, ModelEvent)> {
        match self {
            Self::Words { words, pause, lead } => words
                .into_iter()
                .enumerate()
                .map(|(at, word)| {
                    let before = if at == 0 { lead } else { " " };
                    (pause, ModelEvent::TextDelta(format!("{before}{word}")))
                })
                .collect(),
            Self::Thought { text, pause } => vec![(pause, ModelEvent::ReasoningDelta(text))],
            Self::Call { call, pause } => {
                let (id, name) = (call.id.clone(), call.name.clone());
                let delta = call.arguments.to_string();
                vec![
                    (pause, ModelEvent::ToolCallStarted { id: id.clone(), name }),
                    (pause, ModelEvent::ToolCallArgumentsDelta { id, delta }),
                    (Duration::ZERO, ModelEvent::ToolCallReady(call)),
                ]
            }
        }
    }
}

/// Says back what was heard.
pub(super) fn echo(heard: &[String], turns: usize) -> String {
    let heard: Vec<&str> =
        heard.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    if heard.is_empty() {
        return "You said nothing that I can read. Say `help` to see what I can do.".to_owned();
    }
    let said = format!("You said: {}.", quoted(&heard));
    if turns > heard.len() {
        return format!("{said} That was message {turns} of our conversation.");
    }
    format!("{said} I am the demo model; say `help` to see what I can do.")
}

/// Quotes texts, joined by "and then".
pub(super) fn quoted<T: AsRef<str>>(texts: &[T]) -> String {
    let quotes: Vec<String> =
        texts.iter().map(|text| format!("“{}”", shortened(text.as_ref().trim(), 2000))).collect();
    quotes.join(", and then ")
}

/// The first `chars` characters, with a sign that something is missing.
pub(super) fn shortened(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
