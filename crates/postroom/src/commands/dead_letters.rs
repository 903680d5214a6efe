//! `postroom dead-letters`

use std::process::ExitCode;

use clap::Subcommand;
use postroom_core::ports::Clock;
use postroom_stores::system::SystemClock;
use serde_json::{Value, json};

use super::list::{Columns, ListArgs};
use super::session::Asked;
use crate::output::{Ages, note, plain, print, print_json};

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
            let mut body = json!({"status": STATUS});
            if let Some(thread) = thread {
                body["thread_id"] = thread.into();
            }
            if let Some(agent) = agent {
                body["agent_id"] = agent.into();
            }
            let answer = session.client.post(&["dispatches", "retry"], &body).await?;
            count(&answer, "retried", session.json)
        }
        Command::Purge { before } => {
            let before = before.unwrap_or_else(now);
            let query = [("status", STATUS.to_owned()), ("before", before)];
            let answer = session.client.delete(&["dispatches"], &query).await?;
            count(&answer, "deleted", session.json)
        }
    }
}

/// This moment, as the API writes it.
fn now() -> String {
    let now = jiff::Timestamp::from_millisecond(SystemClock.now().0).unwrap_or_default();
    now.to_string()
}

fn count(answer: &Value, done: &str, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print_json(answer)?;
    } else {
        print(&format!("{done}: {}\n", plain(&answer[done])))?;
    }
    Ok(ExitCode::SUCCESS)
}
