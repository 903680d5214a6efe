//! `postroom send`

use std::io::{IsTerminal, Read};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use postroom_core::ports::IdSource;
use postroom_stores::system::SystemIds;
use serde_json::{Value, json};

use super::watch::{Watch, WatchArgs};
use crate::cli::Usage;
use crate::client::{Client, Connection, Error, Patience};
use crate::output::{Paint, Style, note, plain};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Go on with this thread [default: a new one]
    #[arg(long, short)]
    thread: Option<String>,
    /// The agent [default: that of the thread, or `default`]
    #[arg(long, short)]
    agent: Option<String>,
    /// What happens when the thread has work already
    #[arg(long, value_enum, default_value_t = Mode::Enqueue)]
    mode: Mode,
    /// Print the run's events as JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    watch: WatchArgs,
    /// The message; without it, or with `-`, standard input is read
    text: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Mode {
    /// Wait for it
    Enqueue,
    /// Stop it, and drop what is queued
    Interrupt,
    /// Join the run that executes, at its next step
    Steer,
    /// Don't send then
    Reject,
    /// As interrupt, and later answers forget what was stopped
    Rollback,
}

impl Mode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Interrupt => "interrupt",
            Self::Steer => "steer",
            Self::Reject => "reject",
            Self::Rollback => "rollback",
        }
    }
}

/// Carries it out.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (text, is_piped) = text(args.text.as_deref())?;
    let client = Client::new(&args.connection)?;
    let ids = SystemIds::new();
    // Named here, so that a repeat of the submission is the same one.
    let thread = args.thread.clone().unwrap_or_else(|| ids.new_uuid().to_string());
    let message = ids.new_uuid().to_string();
    let mut body = json!({
        "messages": [{"role": "user", "content": text, "id": message}],
        "mode": args.mode.as_str(),
    });
    if let Some(agent) = &args.agent {
        body["agent_id"] = agent.as_str().into();
    }

    let patience = Duration::from_secs(args.watch.retry);
    let answer = submit(&client, &thread, &body, &ids.new_uuid().to_string(), patience).await?;
    let run = answer["run_id"].as_str().context("the server answered without a run id")?;
    let thread = plain(&answer["thread_id"]);
    note(&Style::of_stderr().paint(Paint::Dim, &format!("thread {thread}  run {run}")));

    let mut watch = Watch::new(&client, run, &args.watch).after_message(&message);
    if args.json {
        watch = watch.in_json();
    }
    if is_piped {
        watch = watch.without_asking();
    }
    if answer["status"] == "waiting" {
        watch.ask_first().await?;
    }
    Ok(watch.until_end().await?.report())
}

/// The message, and whether it was read from standard input.
fn text(given: Option<&str>) -> anyhow::Result<(String, bool)> {
    let (text, is_piped) = match given {
        Some(text) if text != "-" => (text.to_owned(), false),
        None if std::io::stdin().is_terminal() => {
            let problem = "say what to send: postroom send \"text\", or pipe it in";
            return Err(Usage(problem.to_owned()).into());
        }
        _ => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("standard input can't be read as UTF-8 text")?;
            (text.trim_end_matches(['\r', '\n']).to_owned(), true)
        }
    };
    if text.trim().is_empty() {
        return Err(Usage("the message is empty: there is nothing to send".to_owned()).into());
    }
    Ok((text, is_piped))
}

/// Submits until it is accepted. The key makes a repeat safe: an answer that was lost with the
/// connection is given again.
async fn submit(
    client: &Client,
    thread: &str,
    body: &Value,
    key: &str,
    patience: Duration,
) -> Result<Value, Error> {
    let mut patience = Patience::new(patience);
    let mut is_first = true;
    loop {
        match client.post_once(&["threads", thread, "runs"], body, key).await {
            Ok(answer) => {
                patience.restore();
                return Ok(answer);
            }
            // Where no server is there is none to wait for.
            Err(error) if is_first && error.is_refused() => return Err(error),
            Err(error) if error.is_transient() => patience.pause(error).await?,
            Err(error) => return Err(error),
        }
        is_first = false;
    }
}
