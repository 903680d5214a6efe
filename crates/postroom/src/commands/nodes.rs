//! `postroom nodes`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::list::{Columns, show};
use crate::client::{Client, Connection};
use crate::output::plain;

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
    /// List the nodes that work on the server's store, and those that did of late
    List,
}

const COLUMNS: Columns = Columns {
    headings: &["NODE", "STATUS", "VERSION", "ADDRESS", "RUNS", "UP", "SEEN"],
    row: |node, ages| {
        vec![
            plain(&node["node"]),
            plain(&node["status"]),
            plain(&node["version"]),
            plain(&node["address"]),
            format!("{}/{}", node["active_runs"], node["max_concurrent_runs"]),
            ages.of(&node["started_at"]),
            ages.of(&node["seen_at"]),
        ]
    },
};

/// Carries it out.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.connection)?;
    match args.command {
        Command::List => {
            let mut system = client.get(&["system"], &[]).await?;
            let nodes = json!({"items": system["nodes"].take(), "next_cursor": null});
            show(&nodes, args.json, &COLUMNS)
        }
    }
}
