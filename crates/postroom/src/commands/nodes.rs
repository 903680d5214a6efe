//! `postroom nodes`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::list::Columns;
use super::session::Asked;
use crate::output::plain;

/// What can be asked about nodes.
#[derive(Debug, Subcommand)]
pub enum Command {
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
pub async fn run(asked: Asked<Command>) -> anyhow::Result<ExitCode> {
    let (command, session) = asked.open()?;
    match command {
        Command::List => {
            let mut system = session.client.get(&["system"], &[]).await?;
            let nodes = json!({"items": system["nodes"].take(), "next_cursor": null});
            session.show_items(&nodes, &COLUMNS)
        }
    }
}
