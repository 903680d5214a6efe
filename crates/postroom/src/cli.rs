//! The command line.

use std::future::Future;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::session::Asked;
use crate::commands::{
    agents, completions, dead_letters, dispatches, migrate, nodes, runs, send, serve, tail, threads,
};

/// A durable mailbox for AI agents.
///
/// Without a command it starts the server, as `postroom serve` does.
#[derive(Debug, Parser)]
#[command(name = "postroom", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve(serve::Args),
    /// Send a message and watch the answer
    Send(send::Args),
    /// Conversations: list, show, messages
    Threads(Asked<threads::Command>),
    /// Runs: list, show, cancel, wait, tail, decide
    Runs(Asked<runs::Command>),
    /// Deliveries of runs: list, show
    Dispatches(Asked<dispatches::Command>),
    /// Agents that runs can be given to: list, show
    Agents(Asked<agents::Command>),
    /// Deliveries that were given up: list, retry, purge
    DeadLetters(Asked<dead_letters::Command>),
    /// The processes that share a store: list
    Nodes(Asked<nodes::Command>),
    /// Watch events as they happen
    Tail(tail::Args),
    /// Bring the database to this version
    Migrate(migrate::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

/// The command was used wrongly: exit status 2.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

impl Cli {
    /// Carries the command out.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command.unwrap_or(Command::Serve(self.serve)) {
            Command::Serve(args) => serve::run(args),
            Command::Send(args) => block_on(send::run(args)),
            Command::Threads(asked) => block_on(threads::run(asked)),
            Command::Runs(asked) => block_on(runs::run(asked)),
            Command::Dispatches(asked) => block_on(dispatches::run(asked)),
            Command::Agents(asked) => block_on(agents::run(asked)),
            Command::DeadLetters(asked) => block_on(dead_letters::run(asked)),
            Command::Nodes(asked) => block_on(nodes::run(asked)),
            Command::Tail(args) => block_on(tail::run(args)),
            Command::Migrate(args) => migrate::run(&args),
            Command::Completions(args) => completions::run(&args, &mut Self::command()),
        }
    }
}

/// Runs a client's command: one thread is plenty.
fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(command);
    // A read from the terminal may still be under way, and nothing ends that.
    runtime.shutdown_background();
    code
}
