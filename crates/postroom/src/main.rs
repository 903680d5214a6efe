//! The binary: the server, and its client on the command line.

mod cli;
mod client;
mod commands;
mod config;
mod output;
#[cfg(feature = "sabotage")]
mod sabotage;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    #[cfg(feature = "sabotage")]
    sabotage::commit_chosen();
    let cli = cli::Cli::parse();
    match cli.run() {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::report(&error);
            ExitCode::from(if error.is::<cli::Usage>() { 2 } else { 1 })
        }
    }
}
