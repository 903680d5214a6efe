//! `postroom threads`

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde_json::Value;

use super::list::{Columns, ListArgs, printable};
use super::session::{Asked, Session};
use crate::cli::Usage;
use crate::output::{Ages, Paint, Style, plain, print, print_json};

/// What can be asked about threads.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List threads, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Only those with this metadata: KEY=VALUE
        #[arg(long, value_name = "KEY=VALUE")]
        metadata: Vec<String>,
    },
    /// Show a thread
    Show {
        /// The thread's id
        thread: String,
    },
    /// Print a thread's messages
    Messages {
        /// The thread's id
        thread: String,
        /// Only those after this number
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
}

const COLUMNS: Columns = Columns {
    headings: &["THREAD", "MESSAGES", "QUEUED", "ACTIVE RUN", "UPDATED"],
    row: |thread, ages: Ages| {
        vec![
            plain(&thread["thread_id"]),
            plain(&thread["message_count"]),
            plain(&thread["queued"]),
            plain(&thread["active_run_id"]),
            ages.of(&thread["updated_at"]),
        ]
    },
};

/// Carries it out.
pub async fn run(asked: Asked<Command>) -> anyhow::Result<ExitCode> {
    let (command, session) = asked.open()?;
    match command {
        Command::List { list, metadata } => {
            let filters = metadata_filters(&metadata)?;
            let filters = filters.iter().map(|(name, value)| (name.as_str(), Some(value.clone())));
            session.list("threads", filters, &list, &COLUMNS).await
        }
        Command::Show { thread } => session.look_up(&["threads", &thread]).await,
        Command::Messages { thread, after } => messages(&session, &thread, after).await,
    }
}

fn metadata_filters(filters: &[String]) -> Result<Vec<(String, String)>, Usage> {
    let parse = |filter: &String| {
        let (key, value) = filter
            .split_once('=')
            .ok_or_else(|| Usage(format!("--metadata `{filter}` is not KEY=VALUE")))?;
        Ok((format!("metadata.{key}"), value.to_owned()))
    };
    filters.iter().map(parse).collect()
}

/// All of them, page by page: a conversation is read from its beginning.
async fn messages(session: &Session, thread: &str, mut after: u64) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    loop {
        let query = [("after_seq", after.to_string()), ("limit", "1000".to_owned())];
        let mut page = session.client.get(&["threads", thread, "messages"], &query).await?;
        let Value::Array(items) = page["items"].take() else { break };
        let Some(last) = items.last() else { break };
        after = last["seq"].as_u64().context("the server sent a message without number")?;
        if session.json {
            all.extend(items);
        } else {
            let style = Style::of_stdout();
            print(&items.iter().map(|item| message(item, style)).collect::<String>())?;
        }
    }
    if session.json {
        print_json(&serde_json::json!({"items": all, "next_cursor": null}))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn message(item: &Value, style: Style) -> String {
    let message = &item["message"];
    let mut text = match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let block = |block: &Value| match &block["text"] {
                Value::String(text) => text.clone(),
                _ => block.to_string(),
            };
            blocks.iter().map(block).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    };
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let call = format!(" [calls {} {}]", plain(&call["name"]), call["arguments"]);
        text.push_str(&call);
    }
    let head = format!("{} {}", plain(&item["seq"]), plain(&message["role"]));
    format!("{}  {}\n", style.paint(Paint::Heading, &head), printable(text.trim()))
}
