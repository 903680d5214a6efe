//! `postroom runs`

use std::process::ExitCode;

use clap::{ArgGroup, Subcommand};
use postroom_core::ports::IdSource;
use postroom_stores::system::SystemIds;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::list::{Columns, ListArgs};
use super::session::{Asked, Session};
use super::watch::{Ended, Watch, WatchArgs};
use crate::cli::Usage;
use crate::output::{Ages, note, plain};

/// What can be asked about runs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List runs, newest first
    List {
        #[command(flatten)]
        list: ListArgs,
        /// Only those in this state
        #[arg(long, value_parser = ["created", "running", "waiting", "done"])]
        status: Option<String>,
        /// Only those of this thread
        #[arg(long, short)]
        thread: Option<String>,
        /// Only those of this agent
        #[arg(long, short)]
        agent: Option<String>,
    },
    /// Show a run
    Show {
        /// The run's id
        run: String,
    },
    /// Stop a run
    Cancel {
        /// The run's id
        run: String,
    },
    /// Wait until a run has ended, or waits for somebody
    Wait {
        /// The run's id
        run: String,
        /// How many seconds at most
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Watch a run from its first event to its last
    Tail {
        /// The run's id
        run: String,
        #[command(flatten)]
        watch: WatchArgs,
    },
    /// Decide about a tool call that waits for a person, or answer an agent's question
    #[command(group = ArgGroup::new("decision").required(true))]
    Decide {
        /// The run's id
        run: String,
        /// The tool call's id, as `runs show` tells it
        tool_call: String,
        /// Let it happen
        #[arg(long, group = "decision")]
        approve: bool,
        /// Don't
        #[arg(long, group = "decision")]
        deny: bool,
        /// Answer the agent's question with this text
        #[arg(long, group = "decision", value_name = "TEXT")]
        answer: Option<String>,
        /// Take this for the call's result: the tool is not called
        #[arg(long, group = "decision", value_name = "JSON")]
        result: Option<String>,
        /// With --approve: let it happen with these arguments in place of the agent's
        #[arg(long, value_name = "JSON")]
        arguments: Option<String>,
        /// Why, for the model and the log
        #[arg(long)]
        reason: Option<String>,
    },
}

const COLUMNS: Columns = Columns {
    headings: &["RUN", "STATUS", "ENDED", "AGENT", "THREAD", "CREATED", "OUTPUT"],
    row: |run, ages: Ages| {
        let outcome = match (&run["output"], &run["error"]) {
            (Value::Null, error) => plain(error),
            (output, _) => plain(output),
        };
        vec![
            plain(&run["run_id"]),
            plain(&run["status"]),
            plain(&run["termination"]["type"]),
            plain(&run["agent_id"]),
            plain(&run["thread_id"]),
            ages.of(&run["created_at"]),
            outcome,
        ]
    },
};

/// Carries it out.
pub async fn run(asked: Asked<Command>) -> anyhow::Result<ExitCode> {
    let (command, session) = asked.open()?;
    match command {
        Command::List { list, status, thread, agent } => {
            let filters = [("status", status), ("thread_id", thread), ("agent_id", agent)];
            session.list("runs", filters, &list, &COLUMNS).await
        }
        Command::Show { run } => session.look_up(&["runs", &run]).await,
        Command::Cancel { run } => {
            session.show(&session.client.post(&["runs", &run, "cancel"], &json!({})).await?)
        }
        Command::Wait { run, timeout } => wait(&session, &run, timeout).await,
        Command::Tail { run, watch } => {
            let mut watch = Watch::new(&session.client, &run, &watch);
            if session.json {
                watch = watch.in_json();
            }
            Ok(watch.until_end().await?.report())
        }
        Command::Decide { run, tool_call, approve, answer, result, arguments, reason, .. } => {
            if arguments.is_some() && !approve {
                let problem = "--arguments are those of a call that is approved: give --approve";
                return Err(Usage(problem.to_owned()).into());
            }
            let verdict = match (answer, result) {
                (Some(answer), _) => Verdict::Answer(answer.into()),
                (None, Some(result)) => Verdict::Answer(given("--result", &result)?),
                (None, None) if approve => {
                    let arguments = arguments.map(|text| given("--arguments", &text));
                    Verdict::Approve { arguments: arguments.transpose()? }
                }
                (None, None) => Verdict::Deny,
            };
            let decision = decision(&tool_call, verdict, reason);
            session.show(&session.client.post(&["runs", &run, "decisions"], &decision).await?)
        }
    }
}

/// What becomes of a tool call that waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is made, with other arguments than the agent's where they are given.
    Approve {
        /// Those.
        arguments: Option<Value>,
    },
    /// It is not made.
    Deny,
    /// This is its result.
    Answer(Value),
}

/// The JSON that a flag was given.
fn given(flag: &str, text: &str) -> Result<Value, Usage> {
    match serde_json::from_str(text) {
        // Null is how the API says that there is none.
        Ok(Value::Null) => Err(Usage(format!("{flag} `null` says nothing: leave it out"))),
        Ok(value) => Ok(value),
        Err(error) => Err(Usage(format!(
            "{flag} `{text}` is not JSON ({error}): write it as '{{\"path\": \"notes.txt\"}}'"
        ))),
    }
}

/// A decision as the API takes it; named, so that it counts once however often it is sent.
pub fn decision(tool_call: &str, verdict: Verdict, reason: Option<String>) -> Value {
    let action = if verdict == Verdict::Deny { "cancel" } else { "resume" };
    let mut decision = json!({
        "decision_id": SystemIds::new().new_uuid().to_string(),
        "tool_call_id": tool_call,
        "action": action,
    });
    match verdict {
        Verdict::Approve { arguments: Some(arguments) } => decision["arguments"] = arguments,
        Verdict::Answer(result) => decision["result"] = result,
        Verdict::Approve { arguments: None } | Verdict::Deny => {}
    }
    if let Some(reason) = reason {
        decision["reason"] = reason.into();
    }
    json!([decision])
}

/// How long one request waits: shorter than the client's patience with a silent server.
const WAIT_ONCE: Duration = Duration::from_secs(30);

async fn wait(session: &Session, run: &str, timeout: Option<u64>) -> anyhow::Result<ExitCode> {
    let deadline = timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        let left = deadline.map_or(WAIT_ONCE, |at| at.saturating_duration_since(Instant::now()));
        let query = [("timeout_ms", left.min(WAIT_ONCE).as_millis().to_string())];
        let answer = session.client.get(&["runs", run, "wait"], &query).await?;
        match answer["status"].as_str() {
            Some("done") => {
                session.show(&answer)?;
                return Ok(Ended::of_run(&answer).report());
            }
            Some("waiting") => {
                session.show(&answer)?;
                note("the run waits for somebody");
                return Ok(ExitCode::SUCCESS);
            }
            _ if deadline.is_some_and(|at| Instant::now() >= at) => {
                session.show(&answer)?;
                note("the time is over, and the run goes on");
                return Ok(ExitCode::FAILURE);
            }
            _ => {}
        }
    }
}
