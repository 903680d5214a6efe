//! `postroom dead-letters`

use std::process::ExitCode;

use clap::Subcommand;
use postroom_core::ports::Clock;
use postroom_stores::system::SystemClock;
use serde_json::{Value, json};

use super::list::{Columns, ListArgs};
use super::session::{Asked, Session};
use crate::client::Error;
use crate::output::{Ages, Progress, note, plain, print, print_json};

/// What can be asked about dead letters.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the dispatches that were given up, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Only those of this thread
        #[arg(long, short)]
        thread: Option<String>,
    },
    /// Try again, with all attempts anew
    Retry {
        /// The dispatch's id
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        dispatch: Option<String>,
        /// All of them
        #[arg(long)]
        all: bool,
        /// With --all: only those of this thread
        #[arg(long, short, requires = "all")]
        thread: Option<String>,
        /// With --all: only those of this agent
        #[arg(long, short, requires = "all")]
        agent: Option<String>,
    },
    /// Delete them; their runs and messages stay
    Purge {
        /// Only those given up before this time (RFC 3339) [default: now]
        #[arg(long, value_name = "TIME")]
        before: Option<String>,
    },
}

/// What a dead letter is among the dispatches.
const STATUS: &str = "dead_letter";

/// How many are dealt with in one request.
const PART: u64 = 1000;

const COLUMNS: Columns = Columns {
    headings: &["DISPATCH", "RUN", "THREAD", "ATTEMPTS", "GIVEN UP", "ERROR"],
    row: |dispatch, ages: Ages| {
        let error = match &dispatch["requeued_as"] {
            Value::String(id) => format!("(retried as {id})"),
            _ => plain(&dispatch["last_error"]),
        };
        vec![
            plain(&dispatch["dispatch_id"]),
            plain(&dispatch["run_id"]),
            plain(&dispatch["thread_id"]),
            plain(&dispatch["attempt_count"]),
            ages.of(&dispatch["updated_at"]),
            error,
        ]
    },
};

/// Carries it out.
pub async fn run(asked: Asked<Command>) -> anyhow::Result<ExitCode> {
    let (command, session) = asked.open()?;
    match command {
        Command::List { list, thread } => {
            let filters = [("status", Some(STATUS.to_owned())), ("thread_id", thread)];
            session.list("dispatches", filters, &list, &COLUMNS).await
        }
        Command::Retry { dispatch: Some(id), .. } => {
            let new = session.client.post(&["dispatches", &id, "retry"], &json!({})).await?;
            if session.json {
                print_json(&new)?;
            } else {
                print(&format!("{}\n", plain(&new["dispatch_id"])))?;
                note(&format!("watch it with: postroom runs tail {}", plain(&new["run_id"])));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Retry { dispatch: None, thread, agent, .. } => {
            let mut body = json!({"status": STATUS, "limit": PART});
            if let Some(thread) = thread {
                body["thread_id"] = thread.into();
            }
            if let Some(agent) = agent {
                body["agent_id"] = agent.into();
            }
            let mut parts = Parts::of(&session, "retried").await?;
            loop {
                let answer = session.client.post(&["dispatches", "retry"], &body).await?;
                parts.take(&answer);
                // Where it stopped; a server that does all at once names no such place.
                body["cursor"] = answer["next_cursor"].clone();
                if body["cursor"].is_null() {
                    return parts.report(session.json);
                }
            }
        }
        Command::Purge { before } => {
            let before = before.unwrap_or_else(now);
            let limit = PART.to_string();
            let query = [("status", STATUS.to_owned()), ("before", before), ("limit", limit)];
            let mut parts = Parts::of(&session, "deleted").await?;
            loop {
                let answer = session.client.delete(&["dispatches"], &query).await?;
                if parts.take(&answer) < PART {
                    return parts.report(session.json);
                }
            }
        }
    }
}

/// This moment, as the API writes it.
fn now() -> String {
    let now = jiff::Timestamp::from_millisecond(SystemClock.now().0).unwrap_or_default();
    now.to_string()
}

/// Work that is done in parts, each a request: none takes longer than a server may be silent.
struct Parts {
    /// What is done to each, in the words of the answers.
    done: &'static str,
    count: u64,
    progress: Progress,
}

impl Parts {
    async fn of(session: &Session, done: &'static str) -> Result<Self, Error> {
        let progress = if session.json {
            Progress::hidden()
        } else {
            // How many there are at most: some may be retried already, or too new.
            let system = session.client.get(&["system"], &[]).await?;
            Progress::of(system["depth"][STATUS].as_u64(), done)
        };
        Ok(Self { done, count: 0, progress })
    }

    /// Counts what a part came to.
    fn take(&mut self, answer: &Value) -> u64 {
        let part = answer[self.done].as_u64().unwrap_or_default();
        self.count += part;
        self.progress.is_at(self.count);
        part
    }

    fn report(self, json: bool) -> anyhow::Result<ExitCode> {
        let Self { done, count, progress } = self;
        drop(progress);
        if json {
            print_json(&json!({ done: count }))?;
        } else {
            print(&format!("{done}: {count}\n"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
