//! `postroom health`: for whoever starts and stops containers, and has no `curl` in them.

use std::process::ExitCode;

use crate::client::{Client, Connection};
use crate::output::{print, print_json};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Asks as a load balancer does, which needs no key.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let answer = Client::new(&args.connection)?.readiness().await?;
    if answer.is_null() {
        anyhow::bail!("what answers at {} is not Postroom: check --url", args.connection.url);
    }
    let is_ready = answer["status"] == "ready";
    if args.json {
        print_json(&answer)?;
    } else if is_ready {
        print("ready\n")?;
    }
    if is_ready {
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::bail!("not ready: {}", answer["detail"].as_str().unwrap_or("it does not say why"))
}
