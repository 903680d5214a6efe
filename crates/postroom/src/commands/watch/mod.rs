//! Watching a run: its answer streams, its questions are asked, and neither a lost connection nor a
//! killed server ends it.

mod ended;
mod questions;
mod screen;
mod ticket;

pub use ended::Ended;

use std::time::Duration;

use serde_json::Value;

use super::list::printable;
use crate::client::{Client, Error, Event, EventBody, Follow, Followed};
use crate::output::{note, print};
use questions::Questions;
use screen::Screen;

/// How to watch.
#[derive(Debug, Clone, clap::Args)]
pub struct WatchArgs {
    /// How many seconds a server that does not answer is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub retry: u64,
}

/// A run that is watched.
pub struct Watch {
    client: Client,
    run: String,
    follow: Follow,
    screen: Screen,
    questions: Questions,
    json: bool,
    /// Nothing is shown before this message: what the run did before it was sent is old.
    from_message: Option<String>,
}

impl Watch {
    /// Watches `run` from its first event.
    pub fn new(client: &Client, run: &str, args: &WatchArgs) -> Self {
        let patience = Duration::from_secs(args.retry);
        Self {
            client: client.clone(),
            run: run.to_owned(),
            follow: Follow::new(client, &["runs", run, "events"], Some(0), patience),
            screen: Screen::new(),
            questions: Questions::new(client, run, patience),
            json: false,
            from_message: None,
        }
    }

    /// Prints every event as JSON, one a line, instead of what they mean.
    pub fn in_json(self) -> Self {
        Self { json: true, ..self }
    }

    /// Shows only what comes after this message: the run may be older than it.
    pub fn after_message(self, id: &str) -> Self {
        Self { from_message: Some(id.to_owned()), ..self }
    }

    /// Nobody can be asked: standard input is something else.
    pub fn without_asking(mut self) -> Self {
        self.questions.nobody_is_there();
        self
    }

    /// The run waited before the message came: its question is not among what follows.
    pub async fn ask_first(&mut self) -> Result<(), Error> {
        self.questions.look(self.json).await
    }

    /// Watches until the run has ended, or waits for what can't be given here, or until whoever
    /// watches goes away.
    pub async fn until_end(self) -> anyhow::Result<Ended> {
        let advice = format!("the run goes on; see it with: postroom runs tail {}", self.run);
        tokio::select! {
            ended = self.watched() => ended,
            // Beside all that is done, not between: also what takes long is interrupted.
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                note(&advice);
                Ok(Ended::LeftAlone)
            }
        }
    }

    async fn watched(mut self) -> anyhow::Result<Ended> {
        loop {
            tokio::select! {
                followed = self.follow.next() => match followed {
                    Ok(Followed::Event(event)) => {
                        if let Some(ended) = self.take(&event).await? {
                            return Ok(ended);
                        }
                    }
                    Ok(Followed::End) => {
                        if let Some(ended) = self.look().await? {
                            return Ok(ended);
                        }
                        self.follow.again().await?;
                    }
                    // The events were purged: the run itself tells how it ended.
                    Err(Error::Problem { status: 410, .. }) => return self.outcome().await,
                    Err(error) if error.is_transient() => return Err(self.given_up(error)),
                    Err(error) => return Err(error.into()),
                },
                answer = self.questions.answer(), if self.questions.is_asking() => {
                    self.questions.decide(answer).await?;
                }
            }
        }
    }

    /// Takes an event in; says how the run ended if it did.
    async fn take(&mut self, event: &Event) -> anyhow::Result<Option<Ended>> {
        if let Some(wanted) = &self.from_message {
            let is_it = matches!(
                &event.body,
                EventBody::MessageCommitted { message_id } | EventBody::MessagePending { message_id }
                    if message_id == wanted
            );
            if is_it {
                self.from_message = None;
            } else if !matches!(event.body, EventBody::RunFinished { .. }) {
                return Ok(None);
            }
        }
        if self.json {
            print(&format!("{}\n", event.json))?;
        } else {
            self.screen.show(&event.body)?;
        }
        match &event.body {
            EventBody::RunWaiting { reason } => self.waits(reason).await,
            EventBody::ToolCallResumed { tool_call_id } => {
                self.questions.is_decided(tool_call_id);
                Ok(None)
            }
            EventBody::RunFinished { termination, output, error } => {
                if !self.json {
                    self.screen.finish(output.as_deref())?;
                }
                Ok(Some(Ended::of(termination, error.as_deref())))
            }
            _ => Ok(None),
        }
    }

    async fn waits(&mut self, reason: &str) -> anyhow::Result<Option<Ended>> {
        match reason {
            "tool_permission" => {
                self.questions.look(self.json).await?;
                Ok(None)
            }
            "user_input" if self.questions.somebody_is_there() => {
                self.questions.look(self.json).await?;
                Ok(None)
            }
            "user_input" => {
                self.show_questions().await?;
                Ok(Some(Ended::Waits("your answer: send it to the same thread with -t".to_owned())))
            }
            _ => Ok(None),
        }
    }

    /// Shows what the agent asks, each question once.
    async fn show_questions(&mut self) -> anyhow::Result<()> {
        let run: Value = match self.client.get(&["runs", &self.run], &[]).await {
            Ok(run) => run,
            // How the run can be answered is said all the same.
            Err(error) if error.is_transient() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for ticket in run["waiting"]["tickets"].as_array().into_iter().flatten() {
            if let Some(question) = ticket["message"].as_str().filter(|_| !self.json) {
                note(&format!("the agent asks: {}", printable(question)));
            }
        }
        Ok(())
    }

    /// Whether the run has ended although its last event did not come.
    async fn look(&mut self) -> anyhow::Result<Option<Ended>> {
        match self.client.get(&["runs", &self.run], &[]).await {
            Ok(run) if run["status"] == "done" => {
                if !self.json {
                    self.screen.finish(run["output"].as_str())?;
                }
                Ok(Some(Ended::of_run(&run)))
            }
            Ok(_) => Ok(None),
            Err(error) if error.is_transient() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn outcome(&mut self) -> anyhow::Result<Ended> {
        loop {
            let query = [("timeout_ms", "30000".to_owned())];
            let run: Value = self.client.get(&["runs", &self.run, "wait"], &query).await?;
            if run["status"] == "done" {
                self.screen.finish(run["output"].as_str())?;
                return Ok(Ended::of_run(&run));
            }
        }
    }

    fn given_up(&self, error: Error) -> anyhow::Error {
        let advice = format!(
            "the run is kept and goes on when the server is back: postroom runs tail {}",
            self.run
        );
        anyhow::Error::new(error).context(advice)
    }
}
