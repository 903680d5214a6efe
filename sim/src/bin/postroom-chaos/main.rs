//! Chaos on real processes: nodes of the real binary, PostgreSQL with a standby, NATS, and faults
//! from a seed; and a checker that reads what everybody recorded and decides the invariants.

mod check;
mod clients;
mod fate;
mod model;
mod plan;
mod prove;
mod report;
mod run;
mod site;
mod store;
mod told;
mod transitions;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use postroom_core::sabotage::Fault;

use site::{Backend, Binary};

/// Breaks everything around real nodes, and checks that nothing was lost, doubled or stuck.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// For how many minutes faults happen.
    #[arg(long, conflicts_with = "seconds")]
    minutes: Option<u64>,
    /// For how many seconds faults happen [default: 45]
    #[arg(long)]
    seconds: Option<u64>,
    /// What the plan of faults and the load are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many nodes.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Where mailboxes are kept; with sqlite there is one node.
    #[arg(long, value_enum, default_value = "postgres")]
    store: Backend,
    /// Leave NATS out: the nodes then use PostgreSQL alone.
    #[arg(long)]
    without_nats: bool,
    /// How many clients send letters.
    #[arg(long, default_value_t = 4)]
    senders: usize,
    /// To how many threads.
    #[arg(long, default_value_t = 12)]
    threads: usize,
    /// A binary that is built already.
    #[arg(long)]
    postroom: Option<PathBuf>,
    /// A deliberate fault that the nodes have, to see that it is noticed: `NoFence`, `EventGap` …
    #[arg(long, value_parser = fault_named)]
    sabotage: Option<Fault>,
    /// Run once with each deliberate fault, and fail if one goes unnoticed.
    #[arg(long, conflicts_with_all = ["sabotage", "postroom"])]
    prove: bool,
    /// Where logs go if an invariant is broken.
    #[arg(long, default_value = "target/chaos")]
    logs: PathBuf,
}

impl Arguments {
    fn length(&self) -> Duration {
        let minutes = self.minutes.map(|minutes| Duration::from_secs(minutes * 60));
        minutes.unwrap_or(Duration::from_secs(self.seconds.unwrap_or(45)))
    }
}

fn fault_named(name: &str) -> Result<Fault, String> {
    Fault::named(name).ok_or_else(|| format!("there are {:?}", Fault::ALL))
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        if arguments.prove {
            Box::pin(prove::prove(&arguments)).await
        } else {
            Box::pin(once(arguments)).await
        }
    });
    runtime.shutdown_background();
    ended
}

async fn once(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let binary = match &arguments.postroom {
        Some(path) => Binary::at(path)?,
        None => Binary::build(arguments.sabotage.is_some())?,
    };
    let report = Box::pin(run::run(arguments, binary)).await?;
    println!("{report}");
    Ok(if report.is_broken() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
