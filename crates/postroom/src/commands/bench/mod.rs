//! `postroom bench`: what this machine and the store can do.
//!
//! It measures beside the configured store, never in it: in a file of its own in the same directory,
//! or in a PostgreSQL schema of its own; both are removed at the end, however that comes.

mod figures;
mod place;
mod service;
mod store;
mod yardstick;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Usage;
use crate::config::{Flags, Loaded};
use crate::output::{Progress, Style, note, print, print_json};
use figures::{Figures, table};
use place::{Part, Place};

/// The shortest time that tells anything.
const SECONDS_MIN: u64 = 5;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: Flags,
    /// How long to measure
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Carries it out, on as many threads as the server has.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.seconds < SECONDS_MIN {
        let problem = format!("--seconds {}: at least {SECONDS_MIN} tell something", args.seconds);
        return Err(Usage(problem).into());
    }
    let loaded = Loaded::read(&args.config, &[])?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        // Listened to before there is anything to remove.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let place = Place::beside(&loaded)?;
        let progress =
            if args.json { Progress::hidden() } else { Progress::of(Some(args.seconds), "begins") };
        let measured = tokio::select! {
            biased;
            _ = interrupt.recv() => None,
            measured = measure(&place, Duration::from_secs(args.seconds), &progress) => Some(measured),
        };
        drop(progress);
        let name = place.name();
        place.remove().await?;
        match measured {
            Some(measured) => show(name, &measured?, args.json),
            None => {
                note("interrupted: nothing is left of it");
                // 128 + SIGINT, as shells say.
                Ok(ExitCode::from(130))
            }
        }
    });
    runtime.shutdown_background();
    code
}

/// What was measured, and how large the process has become.
struct Measured {
    figures: Vec<Figures>,
    idle_kib: u64,
    after_kib: u64,
}

async fn measure(place: &Place, time: Duration, progress: &Progress) -> anyhow::Result<Measured> {
    let mut figures = Vec::new();
    // Most for the whole, which is what people want to know.
    let part = time / 6;
    if let Some(directory) = place.directory() {
        progress.says("the disk");
        figures.push(yardstick::syncs(directory, part, progress).await?);
    }
    let store = place.open(Part::Store).await?;
    let idle_kib = yardstick::resident_kib();
    progress.says("commits, one by one");
    figures.push(store::commits(&store, part, progress).await?);
    progress.says("submissions");
    figures.push(store::submissions(&store, part, progress).await?);
    progress.says("claims and settlements");
    figures.extend(store::claims_and_settlements(&store, part, progress).await?);
    progress.says("the whole service");
    drop(store);
    let store = place.open(Part::Service).await?;
    figures.push(service::end_to_end(store, 2 * part, progress).await?);
    Ok(Measured { figures, idle_kib, after_kib: yardstick::resident_kib() })
}

fn show(store: &str, measured: &Measured, json: bool) -> anyhow::Result<ExitCode> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let Measured { figures, idle_kib, after_kib } = measured;
    if json {
        print_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "store": store,
            "cores": cores,
            "measured": figures.iter().map(Figures::to_json).collect::<Vec<_>>(),
            "memory": {"idle_kib": idle_kib, "after_kib": after_kib},
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let table = table(figures).render(Style::of_stdout(), crate::output::columns());
    print(&format!(
        "{store} on {cores} cores; times in milliseconds\n\n{}\n\
         memory: {} MiB at the start, {} MiB at the end\n",
        table.text,
        idle_kib / 1024,
        after_kib / 1024
    ))?;
    Ok(ExitCode::SUCCESS)
}
