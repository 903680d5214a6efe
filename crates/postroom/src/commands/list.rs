//! What all commands that list have in common.

use std::process::ExitCode;

use serde_json::Value;

use crate::client::{Client, collect};
use crate::output::{Ages, Paint, Style, Table, note, print, print_json};

/// How much of a list, and how it is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// At most so many, newest first
    #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// A list as people see it.
pub struct Columns {
    /// What stands above each.
    pub headings: &'static [&'static str],
    /// A row of an item.
    pub row: fn(&Value, Ages) -> Vec<String>,
}

/// Lists, as a table or as JSON.
pub async fn list(
    client: &Client,
    path: &[&str],
    query: &[(&str, String)],
    args: &ListArgs,
    json: bool,
    columns: &Columns,
) -> anyhow::Result<ExitCode> {
    let answer = collect(client, path, query, args.limit as usize).await?;
    show(&answer, json, columns)
}

/// Shows an answer of the form `{"items": […], "next_cursor": …}`.
pub fn show(answer: &Value, json: bool, columns: &Columns) -> anyhow::Result<ExitCode> {
    if json {
        print_json(answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        note("none");
        return Ok(ExitCode::SUCCESS);
    }
    let ages = Ages::now();
    let mut table = Table::new(columns.headings);
    items.iter().for_each(|item| table.row((columns.row)(item, ages)));
    print(&table.render(Style::of_stdout()))?;
    if !answer["next_cursor"].is_null() {
        note("there are more: see them with --limit");
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows one thing: its fields in lines, or JSON.
pub fn show_one(value: &Value, json: bool) -> anyhow::Result<ExitCode> {
    let Some(fields) = value.as_object().filter(|_| !json) else {
        print_json(value)?;
        return Ok(ExitCode::SUCCESS);
    };
    let style = Style::of_stdout();
    let width = fields.keys().map(|key| key.chars().count()).max().unwrap_or(0);
    let line = |(key, value): (&String, &Value)| {
        let value = match value {
            // Text for people may have several lines: the later ones stand below the first.
            Value::String(text) => text.replace('\n', &format!("\n{:width$}  ", "")),
            other => other.to_string(),
        };
        let key = style.paint(Paint::Dim, &format!("{key:<width$}"));
        format!("{key}  {}\n", printable(&value))
    };
    let lines: Vec<String> =
        fields.iter().filter(|(_, value)| !is_nothing(value)).map(line).collect();
    print(&lines.concat())?;
    Ok(ExitCode::SUCCESS)
}

fn is_nothing(value: &Value) -> bool {
    value.is_null()
        || value.as_object().is_some_and(serde_json::Map::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
}

/// Text of others must not steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c })
        .collect()
}
