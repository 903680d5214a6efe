//! `postroom schedules`

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::list::{Columns, ListArgs};
use super::session::Asked;
use crate::output::{Ages, note, plain, print, print_json};

/// What can be asked about schedules.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Submit a message again and again
    Add {
        /// When: minute, hour, day of month, month, day of week; seconds may come first
        #[arg(long, value_name = "EXPRESSION")]
        cron: String,
        /// Whose clock, such as Europe/Berlin [default: UTC]
        #[arg(long, value_name = "ZONE")]
        time_zone: Option<String>,
        /// What becomes of times that passed while nobody could submit
        #[arg(long, value_enum, default_value_t)]
        missed: Missed,
        /// The schedule's id [default: a new one]
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// The thread to write to [default: a new one each time]
        #[arg(long, short)]
        thread: Option<String>,
        /// The agent to ask
        #[arg(long, short)]
        agent: Option<String>,
        /// What to say
        text: String,
    },
    /// List schedules, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
    },
    /// Show a schedule
    Show {
        /// The schedule's id
        schedule: String,
    },
    /// Submit nothing until it is resumed
    Pause {
        /// The schedule's id
        schedule: String,
    },
    /// Go on, from now on
    Resume {
        /// The schedule's id
        schedule: String,
    },
    /// End a schedule; what it has submitted goes on
    Remove {
        /// The schedule's id
        schedule: String,
    },
}

/// What becomes of times that passed while nobody could submit.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Missed {
    /// The newest is made good
    #[default]
    Once,
    /// None is made good
    Skip,
    /// Each is made good
    All,
}

impl Missed {
    fn as_word(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Skip => "skip",
            Self::All => "all",
        }
    }
}

const COLUMNS: Columns = Columns {
    headings: &["SCHEDULE", "STATUS", "CRON", "TIME ZONE", "NEXT", "FIRED", "LAST RUN"],
    row: |schedule, _: Ages| {
        vec![
            plain(&schedule["schedule_id"]),
            plain(&schedule["status"]),
            plain(&schedule["cron"]),
            plain(&schedule["time_zone"]),
            plain(&schedule["next_at"]),
            plain(&schedule["fired"]),
            plain(&schedule["last_run_id"]),
        ]
    },
};

/// Carries it out.
pub async fn run(asked: Asked<Command>) -> anyhow::Result<ExitCode> {
    let (command, session) = asked.open()?;
    let client = &session.client;
    match command {
        Command::Add { cron, time_zone, missed, id, thread, agent, text } => {
            let mut run = Map::from_iter([("messages".to_owned(), text.into())]);
            run.extend(thread.map(|thread| ("thread_id".to_owned(), thread.into())));
            run.extend(agent.map(|agent| ("agent_id".to_owned(), agent.into())));
            let body = json!({
                "schedule_id": id,
                "cron": cron,
                "time_zone": time_zone,
                "missed": missed.as_word(),
                "run": run,
            });
            let schedule = client.post(&["schedules"], &body).await?;
            if session.json {
                print_json(&schedule)?;
            } else {
                print(&format!("{}\n", plain(&schedule["schedule_id"])))?;
                note(&format!("submits next at {}", plain(&schedule["next_at"])));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::List { list } => session.list("schedules", [], &list, &COLUMNS).await,
        Command::Show { schedule } => session.look_up(&["schedules", &schedule]).await,
        Command::Pause { schedule } => {
            session.show(&client.post(&["schedules", &schedule, "pause"], &json!({})).await?)
        }
        Command::Resume { schedule } => {
            session.show(&client.post(&["schedules", &schedule, "resume"], &json!({})).await?)
        }
        Command::Remove { schedule } => {
            client.delete(&["schedules", &schedule], &[]).await?;
            if session.json {
                print_json(&Value::Null)?;
            } else {
                note(&format!("{schedule} is removed"));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
