//! `postroom dispatches`

use std::process::ExitCode;

use clap::Subcommand;

use super::list::{Columns, ListArgs};
use super::session::Asked;
use crate::output::{Ages, plain};

/// What can be asked about dispatches.
#[derive(Debug, Subcommand)]
pub enum Command {
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

/// A state of a dispatch.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Status {
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
pub async fn run(asked: Asked<Command>) -> anyhow::Result<ExitCode> {
    let (command, session) = asked.open()?;
    match command {
        Command::List { list, status, thread } => {
            let status = status.map(|status| status.as_str().to_owned());
            let filters = [("status", status), ("thread_id", thread)];
            session.list("dispatches", filters, &list, &COLUMNS).await
        }
        Command::Show { dispatch } => session.look_up(&["dispatches", &dispatch]).await,
    }
}
