//! Tool calls that wait for a person: asked for in place.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use super::super::list::printable;
use super::super::runs::decision;
use crate::client::{Client, Error, Patience};
use crate::output::{Paint, Style, note, plain, shortened};

/// The longest arguments that are shown whole: who approves shall see what.
const ARGUMENT_CHARS_MAX: usize = 2000;

/// The questions of one run.
pub(super) struct Approvals {
    client: Client,
    run: String,
    patience: Duration,
    /// The first is being asked.
    open: VecDeque<Ticket>,
    /// What was told already, where nobody can be asked.
    told: Vec<String>,
    person: Option<Lines<BufReader<Stdin>>>,
}

#[derive(Debug, Clone)]
struct Ticket {
    tool_call_id: String,
    tool_name: String,
    arguments: String,
    message: String,
}

impl Approvals {
    pub(super) fn new(client: &Client, run: &str, patience: Duration) -> Self {
        let person = std::io::stdin().is_terminal();
        Self {
            client: client.clone(),
            run: run.to_owned(),
            patience,
            open: VecDeque::new(),
            told: Vec::new(),
            person: person.then(|| BufReader::new(tokio::io::stdin()).lines()),
        }
    }

    pub(super) fn nobody_is_there(&mut self) {
        self.person = None;
    }

    /// The run waits: looks what for, and asks.
    pub(super) async fn look(&mut self, quietly: bool) -> Result<(), Error> {
        let run = match self.client.get(&["runs", &self.run], &[]).await {
            Ok(run) => run,
            // The event comes again when the server is back, and so does the question.
            Err(error) if error.is_transient() => return Ok(()),
            Err(error) => return Err(error),
        };
        let was_asking = self.is_asking();
        for ticket in run["waiting"]["tickets"].as_array().into_iter().flatten() {
            let ticket = Ticket {
                tool_call_id: plain(&ticket["tool_call_id"]),
                tool_name: plain(&ticket["tool_name"]),
                arguments: ticket["arguments"].to_string(),
                message: ticket["message"].as_str().unwrap_or_default().to_owned(),
            };
            let id = &ticket.tool_call_id;
            let is_known =
                self.told.contains(id) || self.open.iter().any(|open| open.tool_call_id == *id);
            if is_known {
                continue;
            }
            if self.person.is_some() {
                self.open.push_back(ticket);
            } else {
                self.told.push(id.clone());
                if !quietly {
                    self.tell(&ticket);
                }
            }
        }
        if !was_asking {
            self.ask();
        }
        Ok(())
    }

    fn tell(&self, ticket: &Ticket) {
        let Ticket { tool_call_id, .. } = ticket;
        note(&format!("{}; decide with:", question(ticket)));
        note(&format!("  postroom runs decide {} {tool_call_id} --approve", self.run));
        note(&format!("  postroom runs decide {} {tool_call_id} --deny", self.run));
    }

    fn ask(&self) {
        let Some(ticket) = self.open.front() else { return };
        let style = Style::of_stderr();
        note(&style.paint(Paint::Warn, &question(ticket)));
        if !ticket.message.is_empty() {
            note(&format!("  {}", printable(&ticket.message)));
        }
        note("  approve? type y or n, and Enter");
    }

    pub(super) fn is_asking(&self) -> bool {
        !self.open.is_empty()
    }

    /// The next line that the person types; `None` when there is nobody any more.
    pub(super) async fn answer(&mut self) -> Option<String> {
        match &mut self.person {
            Some(lines) => lines.next_line().await.ok().flatten(),
            None => None,
        }
    }

    /// Takes an answer to the question that is being asked.
    pub(super) async fn decide(&mut self, answer: Option<String>) -> Result<(), Error> {
        let Some(answer) = answer else {
            self.person = None;
            let open = std::mem::take(&mut self.open);
            self.told.extend(open.iter().map(|ticket| ticket.tool_call_id.clone()));
            open.iter().for_each(|ticket| self.tell(ticket));
            return Ok(());
        };
        let approve = match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => true,
            "n" | "no" => false,
            _ => {
                self.ask();
                return Ok(());
            }
        };
        let Some(ticket) = self.open.pop_front() else { return Ok(()) };
        self.told.push(ticket.tool_call_id.clone());
        self.post(&decision(&ticket.tool_call_id, approve, None)).await?;
        self.ask();
        Ok(())
    }

    /// Sends the decision until it has arrived: it is named, and counts once.
    async fn post(&self, decision: &Value) -> Result<(), Error> {
        let mut patience = Patience::new(self.patience);
        loop {
            match self.client.post(&["runs", &self.run, "decisions"], decision).await {
                Ok(_) => {
                    patience.restore();
                    return Ok(());
                }
                Err(error) if error.is_transient() => patience.pause(error).await?,
                Err(error) if error.status() == Some(409) => {
                    note(&error.to_string());
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Somebody has decided, here or elsewhere.
    pub(super) fn is_decided(&mut self, tool_call_id: &str) {
        let was_asked = self.open.front().is_some_and(|front| front.tool_call_id == tool_call_id);
        self.open.retain(|ticket| ticket.tool_call_id != tool_call_id);
        if was_asked {
            note("that was decided elsewhere");
            self.ask();
        }
    }
}

fn question(ticket: &Ticket) -> String {
    let arguments = printable(&shortened(&ticket.arguments, ARGUMENT_CHARS_MAX));
    format!("the agent wants to call {} {arguments}", printable(&ticket.tool_name))
}
