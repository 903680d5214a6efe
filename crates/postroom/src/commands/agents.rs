//! `postroom agents`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::list::{Columns, show, show_one};
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
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    match &args.command {
        Command::List => show(&client.get(&["agents"], &[]).await?, args.json, &COLUMNS),
        Command::Show { agent } => show_one(&client.get(&["agents", agent], &[]).await?, args.json),
    }
}
