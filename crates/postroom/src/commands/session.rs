//! What all commands that ask a server and show its answer have in common.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::list::{Columns, ListArgs, fields, table};
use crate::client::{Client, Connection, collect};
use crate::output::{note, print, print_json};

/// What is asked of which server, and for whom the answer is.
#[derive(Debug, clap::Args)]
pub struct Asked<C: Subcommand> {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: C,
}

impl<C: Subcommand> Asked<C> {
    /// The command, and what it is carried out with.
    pub fn open(self) -> anyhow::Result<(C, Session)> {
        let client = Client::new(&self.connection)?;
        Ok((self.command, Session { client, json: self.json }))
    }
}

/// A server, and for whom its answers are: people, or programs.
#[derive(Debug)]
pub struct Session {
    /// Who asks.
    pub client: Client,
    /// The answers are shown as JSON.
    pub json: bool,
}

impl Session {
    /// Lists what `/v1/{resource}` has, of that only what the filters pick; one without a value
    /// picks everything.
    pub async fn list(
        &self,
        resource: &str,
        filters: impl IntoIterator<Item = (&str, Option<String>)>,
        how: &ListArgs,
        columns: &Columns,
    ) -> anyhow::Result<ExitCode> {
        let given = filters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let query: Vec<(&str, String)> = given.collect();
        let answer = collect(&self.client, &[resource], &query, how.limit as usize).await?;
        self.show_items(&answer, columns)
    }

    /// Shows an answer of the form `{"items": […], "next_cursor": …}`: a table, or JSON.
    pub fn show_items(&self, answer: &Value, columns: &Columns) -> anyhow::Result<ExitCode> {
        if self.json {
            print_json(answer)?;
            return Ok(ExitCode::SUCCESS);
        }
        let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        if items.is_empty() {
            note("none");
            return Ok(ExitCode::SUCCESS);
        }
        let table = table(items, columns);
        print(&table.text)?;
        if !table.left_out.is_empty() {
            let missing = table.left_out.join(", ").to_lowercase();
            note(&format!("no room for: {missing}; widen the window, or see all with --json"));
        }
        if !answer["next_cursor"].is_null() {
            note("there are more: see them with --limit");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Gets one thing, and shows it.
    pub async fn look_up(&self, path: &[&str]) -> anyhow::Result<ExitCode> {
        self.show(&self.client.get(path, &[]).await?)
    }

    /// Shows one thing: its fields in lines, or JSON.
    pub fn show(&self, value: &Value) -> anyhow::Result<ExitCode> {
        match value {
            Value::Object(thing) if !self.json => print(&fields(thing))?,
            _ => print_json(value)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
