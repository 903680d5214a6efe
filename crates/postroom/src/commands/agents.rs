//! `postroom agents`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::list::Columns;
use super::session::Asked;
use crate::output::{Ages, plain};

/// What can be asked about agents.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List agents
    List,
    /// Show an agent
    Show {
        /// The agent's id
        agent: String,
    },
}

const COLUMNS: Columns = Columns {
    headings: &["AGENT", "MODEL", "PROVIDER", "TOOLS"],
    row: |agent, _: Ages| {
        let tools = agent["tools"].as_array().into_iter().flatten();
        let tools: Vec<&str> = tools.filter_map(Value::as_str).collect();
        vec![
            plain(&agent["agent_id"]),
            plain(&agent["model"]),
            plain(&agent["provider"]),
            tools.join(", "),
        ]
    },
};

/// Carries it out.
pub async fn run(asked: Asked<Command>) -> anyhow::Result<ExitCode> {
    let (command, session) = asked.open()?;
    match command {
        // They come from the server's configuration, in one page.
        Command::List => session.show_items(&session.client.get(&["agents"], &[]).await?, &COLUMNS),
        Command::Show { agent } => session.look_up(&["agents", &agent]).await,
    }
}
