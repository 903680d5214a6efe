//! The built-in model: no key, no network, always the same answer to the same words.
//!
//! It is there to try Postroom out. What it understands, anywhere in a message:
//!
//! | say | and it |
//! |---|---|
//! | `time`, `clock` or `date` | calls the `clock` tool and tells the time |
//! | `approve` or `approval` | asks for your approval, and says what you decided |
//! | `call TOOL {…}`, and nothing else | calls a tool with these arguments, whichever it has |
//! | `slow` or `slow 30` | counts to 10, or to 30, one number a second: time to `kill -9` it |
//! | `fail` | fails as a busy server does, so that the run is retried |
//! | `fail once`, `fail 2` | fails in the first attempt, or the first two, then answers |
//! | `fail permanently` | fails as a refused request does, so that the run ends at once |
//! | `help` | says this |
//! | anything else | answers with your words |
//!
//! Of several words, a call and then the first of `fail`, `slow`, `approve`, `time`, `help` counts; of several
//! messages, the newest that wants something. Messages that come while it works (steering) are
//! answered after what it was doing.

mod intent;
mod speech;

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use postroom_core::id::ToolCallId;
use postroom_core::message::{Message, Role, ToolCall};
use postroom_core::run::Usage;
use serde_json::{Value, json};

use crate::model::{Finished, Model, ModelError, ModelEvent, ModelRequest, ModelStream};
use crate::prompt::results;
use intent::{Failure, Intent};
use speech::Line;

/// The pause before each word unless told otherwise: streaming is visible, and still quick.
pub const WORD_PAUSE: Duration = Duration::from_millis(30);

/// The pause before each number of a slow answer.
const SLOW_PAUSE: Duration = Duration::from_secs(1);

/// The demo model.
#[derive(Debug, Clone)]
pub struct DemoModel {
    word_pause: Duration,
    slow_pause: Duration,
}

impl Default for DemoModel {
    fn default() -> Self {
        Self { word_pause: WORD_PAUSE, slow_pause: SLOW_PAUSE }
    }
}

impl DemoModel {
    /// Pauses this long before each word; `slow` answers keep their second.
    pub fn with_word_pause(self, word_pause: Duration) -> Self {
        Self { word_pause, ..self }
    }
}

#[async_trait]
impl Model for DemoModel {
    fn name(&self) -> &'static str {
        "demo"
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let lines = self.answer(&request)?;
        let input_tokens =
            request.messages.iter().map(|message| words(&message.content.text())).sum();
        let output_tokens = lines.iter().map(Line::tokens).sum();
        let finished = Finished {
            usage: Usage { input_tokens, output_tokens, ..Usage::default() },
            ..Finished::default()
        };
        let events: Vec<(Duration, ModelEvent)> = lines
            .into_iter()
            .flat_map(Line::events)
            .chain([(Duration::ZERO, ModelEvent::Finished(finished))])
            .collect();
        let paced = stream::iter(events).then(|(pause, event)| async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            Ok(event)
        });
        Ok(paced.boxed())
    }
}

impl DemoModel {
    fn answer(&self, request: &ModelRequest) -> Result<Vec<Line>, ModelError> {
        let asked = since_last_answer(&request.messages);
        let mut heard: Vec<String> = Vec::new();
        let mut told: Vec<String> = Vec::new();
        for message in asked {
            match message.role {
                Role::User => heard.push(message.content.text()),
                Role::Tool => {
                    told.extend(results(message).map(|(id, output, is_error)| {
                        result_said(tool_name(&request.messages, id), output, is_error)
                    }));
                }
                Role::System | Role::Assistant => {}
            }
        }
        if told.is_empty() {
            return self.answer_to(&heard, request);
        }
        let mut lines = vec![self.say(&told.join(" "))];
        if !heard.is_empty() {
            lines.push(Line::Words { words: vec!["\n\n".into()], pause: Duration::ZERO, lead: "" });
            lines.extend(self.answer_to(&heard, request)?);
        }
        Ok(lines)
    }

    fn answer_to(&self, heard: &[String], request: &ModelRequest) -> Result<Vec<Line>, ModelError> {
        let lines = match Intent::of_all(heard) {
            Intent::Call(tool, arguments) => {
                self.call(request, &tool, &arguments, "I was asked to call a tool.")
            }
            Intent::Fail(Failure::Permanently) => {
                let message = "the demo model was told to fail permanently";
                return Err(ModelError::permanent("demo_failure", message));
            }
            Intent::Fail(Failure::Attempts(attempts)) if request.attempt <= attempts => {
                let message =
                    format!("the demo model was told to fail (attempt {})", request.attempt);
                return Err(ModelError::transient(message));
            }
            Intent::Fail(_) => {
                vec![self.say(&format!("It worked, in attempt {}.", request.attempt))]
            }
            Intent::Slow(count) => {
                let numbers = (1..=count).map(|number| number.to_string());
                vec![
                    self.say(&format!("Slowly to {count}:")),
                    Line::Words { words: numbers.collect(), pause: self.slow_pause, lead: " " },
                    Line::Words { words: vec!["done.".into()], pause: self.word_pause, lead: " " },
                ]
            }
            Intent::Approve => self.call(
                request,
                "demo_action",
                &json!({"request": speech::shortened(&heard.join("\n"), 500)}),
                "I was asked for something that needs an approval.",
            ),
            Intent::Time => self.call(
                request,
                "clock",
                &json!({}),
                "I was asked for the time, and the clock knows it.",
            ),
            Intent::Help => vec![self.say(speech::HELP)],
            Intent::Echo => {
                let turns =
                    request.messages.iter().filter(|message| message.role == Role::User).count();
                vec![self.say(&speech::echo(heard, turns))]
            }
        };
        Ok(lines)
    }

    fn say(&self, text: &str) -> Line {
        Line::Words {
            words: text.split_whitespace().map(str::to_owned).collect(),
            pause: self.word_pause,
            lead: "",
        }
    }

    fn call(
        &self,
        request: &ModelRequest,
        tool: &str,
        arguments: &Value,
        thought: &str,
    ) -> Vec<Line> {
        if !request.tools.iter().any(|spec| spec.name == tool) {
            let text = format!(
                "I have no `{tool}` tool: add it to the `tools` of this agent in postroom.toml."
            );
            return vec![self.say(&text)];
        }
        let before = request.messages.iter().map(|message| message.tool_calls.len()).sum::<usize>();
        let Ok(id) = ToolCallId::parse(&format!("demo_{}", before + 1)) else { return Vec::new() };
        vec![
            Line::Thought { text: thought.to_owned(), pause: self.word_pause },
            Line::Call {
                call: ToolCall { id, name: tool.to_owned(), arguments: arguments.clone() },
                pause: self.word_pause,
            },
        ]
    }
}

/// What has been said since the model's last answer.
fn since_last_answer(messages: &[std::sync::Arc<Message>]) -> &[std::sync::Arc<Message>] {
    let start = messages.iter().rposition(|message| message.role == Role::Assistant);
    &messages[start.map_or(0, |at| at + 1)..]
}

fn tool_name<'a>(messages: &'a [std::sync::Arc<Message>], id: &ToolCallId) -> &'a str {
    let mut calls = messages.iter().rev().flat_map(|message| &message.tool_calls);
    calls.find(|call| call.id == *id).map_or("a tool", |call| call.name.as_str())
}

fn result_said(tool: &str, output: &Value, is_error: bool) -> String {
    let text = |key: &str| output.get(key).and_then(Value::as_str);
    match (tool, is_error) {
        ("clock", false) => match (text("time"), text("weekday")) {
            (Some(time), Some(weekday)) => format!("It is {weekday}, {time}."),
            _ => format!("The clock says {output}."),
        },
        ("demo_action", false) => {
            format!(
                "You approved it, and it is done: {}.",
                speech::shortened(&output.to_string(), 500)
            )
        }
        ("demo_action", true) if output.get("denied").is_some() => match text("reason") {
            Some(reason) => format!("You did not approve it ({reason}), so I left it alone."),
            None => "You did not approve it, so I left it alone.".to_owned(),
        },
        (_, true) => format!("{tool} failed: {}.", speech::shortened(&output.to_string(), 500)),
        (_, false) => format!("{tool} answered {}.", speech::shortened(&output.to_string(), 500)),
    }
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}
