//! The command line.

use std::future::Future;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::session::Asked;
use crate::commands::{
    agents, backup, bench, completions, dead_letters, dispatches, doctor, health, keys, man,
    migrate, nodes, openapi, runs, schedules, send, serve, tail, threads,
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
    /// Submissions that are made again and again: add, list, pause, resume, remove
    Schedules(Asked<schedules::Command>),
    /// The processes that share a store: list
    Nodes(Asked<nodes::Command>),
    /// API keys: create, list, revoke
    Keys(keys::Args),
    /// Watch events as they happen
    Tail(tail::Args),
    /// Bring the database to this version
    Migrate(migrate::Args),
    /// Copy the database to a file, also while the server runs
    Backup(backup::Args),
    /// Find what is wrong with the configuration and the machine, and say how to mend it
    Doctor(doctor::Args),
    /// Measure what this machine and the store can do, in about a minute
    Bench(bench::Args),
    /// Ask a server whether it is ready: exit status 0 if so
    Health(health::Args),
    /// Print the OpenAPI document of the HTTP API
    Openapi,
    /// Print completions for a shell
    Completions(completions::Args),
    /// Print the manual page, or write those of all commands into a directory
    #[command(hide = true)]
    Man(man::Args),
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
            Command::Schedules(asked) => block_on(schedules::run(asked)),
            Command::Nodes(asked) => block_on(nodes::run(asked)),
            Command::Keys(args) => block_on(keys::run(args)),
            Command::Tail(args) => block_on(tail::run(args)),
            Command::Migrate(args) => block_on(migrate::run(args)),
            Command::Backup(args) => backup::run(&args),
            Command::Doctor(args) => block_on(doctor::run(args)),
            Command::Bench(args) => bench::run(&args),
            Command::Health(args) => block_on(health::run(args)),
            Command::Openapi => openapi::run(),
            Command::Completions(args) => completions::run(&args, &mut Self::command()),
            Command::Man(args) => man::run(&args, Self::command()),
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

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use clap::{Arg, Command};

    use super::*;

    /// The reference of the command line. `POSTROOM_BLESS=1` writes it anew.
    #[test]
    fn the_reference_says_every_command_and_flag() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
        let reference = reference();
        if std::env::var_os("POSTROOM_BLESS").is_some() {
            std::fs::write(&path, &reference).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        let place = path.display();
        assert!(written == reference, "{place} is not current: run this with POSTROOM_BLESS=1");
    }

    #[test]
    fn every_command_and_flag_is_explained() {
        fn check(command: &Command, path: &str) {
            assert!(command.get_about().is_some(), "{path}");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{path} {arg}");
            }
            for inner in command.get_subcommands() {
                check(inner, &format!("{path} {}", inner.get_name()));
            }
        }
        check(&Cli::command(), "postroom");
        Cli::command().debug_assert();
    }

    fn reference() -> String {
        let mut text = "# Command line\n\n\
            Made from the program itself: `postroom help COMMAND` says the same. What talks to a server takes \
            `--url` and `--key`, or finds them in `POSTROOM_URL` and `POSTROOM_KEY`.\n\n\
            Exit status: 0, 1 if it failed, 2 if it was used wrongly. Output goes to standard output, in colour to a \
            terminal; remarks and errors go to standard error. Tables fit the terminal; a pipe gets them whole.\n"
            .to_owned();
        let mut cli = Cli::command();
        cli.build();
        section(&mut text, &cli, "postroom");
        text
    }

    fn section(text: &mut String, command: &Command, path: &str) {
        if command.is_hide_set() || command.get_name() == "help" {
            return;
        }
        write!(text, "\n## `{path}`\n\n{}\n", about(command)).unwrap();
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").split_whitespace();
        write!(text, "\n```\n{}\n```\n", usage.collect::<Vec<_>>().join(" ")).unwrap();
        let shown =
            |arg: &&Arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
        let args: Vec<&Arg> = command.get_arguments().filter(shown).collect();
        // What several share is in the head of the page.
        let args: Vec<&Arg> = args
            .into_iter()
            .filter(|arg| !matches!(arg.get_id().as_str(), "url" | "key"))
            .collect();
        if !args.is_empty() {
            text.push_str("\n| | |\n|---|---|\n");
            for arg in args {
                writeln!(text, "| {} | {} |", name(arg), explained(arg)).unwrap();
            }
        }
        for inner in command.get_subcommands() {
            section(text, inner, &format!("{path} {}", inner.get_name()));
        }
    }

    fn about(command: &Command) -> String {
        let about = command.get_long_about().or(command.get_about());
        about.map(ToString::to_string).unwrap_or_default()
    }

    fn name(arg: &Arg) -> String {
        let values = arg.get_value_names().unwrap_or_default();
        let value = values.first().map(ToString::to_string).unwrap_or_default();
        let takes = arg.get_action().takes_values();
        let flags = [
            arg.get_short().map(|short| format!("-{short}")),
            arg.get_long().map(|long| format!("--{long}")),
        ];
        let flags: Vec<String> = flags.into_iter().flatten().collect();
        match (flags.is_empty(), takes) {
            (true, _) => format!("`{value}`"),
            (false, true) => format!("`{} {value}`", flags.join(", ")),
            (false, false) => format!("`{}`", flags.join(", ")),
        }
    }

    fn explained(arg: &Arg) -> String {
        let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let possible: Vec<String> = if arg.get_action().takes_values() {
            let values = arg.get_possible_values();
            values.iter().map(|value| format!("`{}`", value.get_name())).collect()
        } else {
            Vec::new()
        };
        if !possible.is_empty() {
            write!(text, ": {}", possible.join(", ")).unwrap();
        }
        let defaults: Vec<_> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        if arg.get_action().takes_values() && !defaults.is_empty() {
            write!(text, " [default: {}]", defaults.join(", ")).unwrap();
        }
        text.replace('|', "\\|")
    }
}
