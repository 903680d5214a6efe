//! `postroom dispatches`

use std::process::ExitCode;

use clap::Subcommand;

use super::list::{Columns, ListArgs, list, show_one};
use crate::client::{Client, Connection};
use crate::output::{Ages, plain};

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
    /// List dispatches, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Only those in this state
        #[arg(long, value_enum)]
        status: Option<Status>,
        /// Only those of this thread
        #[arg(long, short)]
        thread: Option<String>,
    },
    /// Show a dispatch
    Show {
        /// The dispatch's id
        dispatch: String,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Status {
    Queued,
    Claimed,
    Acked,
    Cancelled,
    Superseded,
    DeadLetter,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Claimed => "claimed",
            Self::Acked => "acked",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::DeadLetter => "dead_letter",
        }
    }
}

const COLUMNS: Columns = Columns {
    headings: &["DISPATCH", "STATUS", "ATTEMPTS", "RUN", "THREAD", "CREATED"],
    row: |dispatch, ages: Ages| {
        vec![
            plain(&dispatch["dispatch_id"]),
            plain(&dispatch["status"]),
            format!("{}/{}", plain(&dispatch["attempt_count"]), plain(&dispatch["max_attempts"])),
            plain(&dispatch["run_id"]),
            plain(&dispatch["thread_id"]),
            ages.of(&dispatch["created_at"]),
        ]
    },
};

/// Carries it out.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    match &args.command {
        Command::List { list: how, status, thread } => {
            let mut query = Vec::new();
            query.extend(status.map(|status| ("status", status.as_str().to_owned())));
            query.extend(thread.clone().map(|thread| ("thread_id", thread)));
            list(&client, &["dispatches"], &query, how, args.json, &COLUMNS).await
        }
        Command::Show { dispatch } => {
            show_one(&client.get(&["dispatches", dispatch], &[]).await?, args.json)
        }
    }
}
