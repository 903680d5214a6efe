//! What a run waits for from a person: asked for in place.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use super::super::runs::decision;
use super::ticket::Ticket;
use crate::client::{Client, Error, Patience};
use crate::output::{Paint, Style, note};

/// The questions of one run.
pub(super) struct Questions {
    client: Client,
    run: String,
    patience: Duration,
    /// The first is being asked.
    open: VecDeque<Ticket>,
    /// What was told already, where nobody can be asked.
    told: Vec<String>,
    person: Option<Lines<BufReader<Stdin>>>,
}

impl Questions {
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

    /// Whether there is somebody who can be asked.
    pub(super) fn somebody_is_there(&self) -> bool {
        self.person.is_some()
    }

    /// The run waits: looks what for, and asks.
    pub(super) async fn look(&mut self, quietly: bool) -> Result<(), Error> {
        let run = match self.client.get(&["runs", &self.run], &[]).await {
            Ok(run) => run,
            // The event comes again when the server is back, and so does the question.
            Err(error) if error.is_transient() => return Ok(()),
            Err(error) => return Err(error),
        };
        let tickets = run["waiting"]["tickets"].as_array().into_iter().flatten();
        let tickets: Vec<Ticket> = tickets.map(Ticket::read).collect();
        // What a message has answered meanwhile was closed without a decision.
        self.open.retain(|open| tickets.iter().any(|ticket| ticket.is(open)));
        let was_asking = self.is_asking();
        for ticket in tickets {
            let id = &ticket.tool_call_id;
            let is_known = self.told.contains(id) || self.open.iter().any(|open| open.is(&ticket));
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
        note(&format!("{}; decide with:", ticket.headline()));
        for flag in ticket.flags() {
            let call = &ticket.tool_call_id;
            note(&format!("  postroom runs decide {} {call} {flag}", self.run));
        }
    }

    fn ask(&self) {
        let Some(ticket) = self.open.front() else { return };
        let style = Style::of_stderr();
        note(&style.paint(Paint::Warn, &ticket.headline()));
        ticket.advice().iter().for_each(|line| note(line));
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
        let verdict = self.open.front().and_then(|ticket| ticket.verdict(&answer));
        let Some(verdict) = verdict else {
            self.ask();
            return Ok(());
        };
        let Some(ticket) = self.open.pop_front() else { return Ok(()) };
        self.told.push(ticket.tool_call_id.clone());
        self.post(&decision(&ticket.tool_call_id, verdict, None)).await?;
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
