//! `postroom doctor`: is everything there that a server needs, and if not, how is it mended?
//!
//! It looks, and changes nothing: but MCP servers are started, since only so it shows whether they
//! work, and NATS is given the stream that a starting server would give it.

mod agents;
mod finding;
mod listen;
mod machine;
mod mcp;
mod models;
mod postgres;
mod signals;
mod sqlite;

use std::process::ExitCode;

use crate::config::{Flags, Loaded, StoreUrl};
use crate::output::{Progress, Style, print, print_json};
use finding::Report;
use listen::Running;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: Flags,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Carries it out. The exit status is 1 if something is broken.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let progress = if args.json { Progress::hidden() } else { Progress::of(None, "looking") };
    let report = examine(&args.config, &progress).await;
    drop(progress);
    if args.json {
        print_json(&report.to_json())?;
    } else {
        print(&report.to_text(Style::of_stdout()))?;
    }
    Ok(if report.is_broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn examine(flags: &Flags, progress: &Progress) -> Report {
    let mut report = Report::default();
    let loaded = match Loaded::read(flags, &[]) {
        Ok(loaded) => loaded,
        Err(invalid) => {
            let remedy = "correct it there; `postroom serve --print-default-config` explains every \
                          setting";
            report.of("configuration").broken(invalid.to_string(), remedy);
            return report;
        }
    };
    let file = loaded.file();
    let from = if file.exists() { file.display().to_string() } else { "no file".to_owned() };
    report.of("configuration").ok(format!("{from}; the settings fit together"));

    progress.says("looking at the address");
    let running = listen::examine(&loaded, &mut report.of("address")).await;
    progress.says("looking at the store");
    examine_store(&loaded, running, &mut report).await;
    progress.says("looking at signals");
    signals::examine(&loaded, &mut report.of("signals")).await;
    progress.says("looking at agents and models");
    if let Some(registry) = agents::examine(&loaded, &mut report) {
        models::examine(&loaded, &registry, &mut report.of("models")).await;
        progress.says("starting MCP servers");
        mcp::examine(&loaded, &mut report).await;
    }
    machine::examine(&loaded, &mut report.of("limits"));
    report
}

async fn examine_store(loaded: &Loaded, running: Running, report: &mut Report) {
    match loaded.store_url() {
        Ok(StoreUrl::Memory) => report.of("store").warning(
            "it is in memory: everything is gone when the server ends",
            "set store.url to sqlite://PATH or postgres://… to keep it",
        ),
        Ok(StoreUrl::Sqlite(path)) => sqlite::examine(&path, running, report),
        Ok(StoreUrl::Postgres(url)) => {
            postgres::examine(loaded, &url, report).await;
        }
        // Reading the configuration has found it already.
        Err(_) => {}
    }
}
