//! `postroom dead-letters`

use std::process::ExitCode;

use clap::Subcommand;
use postroom_core::ports::Clock;
use postroom_stores::system::SystemClock;
use serde_json::{Value, json};

use super::list::{Columns, ListArgs, list};
use crate::client::{Client, Connection};
use crate::output::{Ages, note, plain, print, print_json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    let status = ("status", "dead_letter".to_owned());
    match args.command {
        Command::List { list: how, thread } => {
            let mut query = vec![status];
            query.extend(thread.map(|thread| ("thread_id", thread)));
            list(&client, &["dispatches"], &query, &how, args.json, &COLUMNS).await
        }
        Command::Retry { dispatch: Some(id), .. } => {
            let new = client.post(&["dispatches", &id, "retry"], &json!({})).await?;
            if args.json {
                print_json(&new)?;
            } else {
                print(&format!("{}\n", plain(&new["dispatch_id"])))?;
                note(&format!("watch it with: postroom runs tail {}", plain(&new["run_id"])));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Retry { dispatch: None, thread, agent, .. } => {
            let mut body = json!({"status": "dead_letter"});
            if let Some(thread) = thread {
                body["thread_id"] = thread.into();
            }
            if let Some(agent) = agent {
                body["agent_id"] = agent.into();
            }
            let answer = client.post(&["dispatches", "retry"], &body).await?;
            count(&answer, "retried", args.json)
        }
        Command::Purge { before } => {
            let before = before.unwrap_or_else(now);
            let query = [status, ("before", before)];
            let answer = client.delete(&["dispatches"], &query).await?;
            count(&answer, "deleted", args.json)
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
