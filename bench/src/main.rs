//! Measures Postroom on this machine: parts of it and the whole, each figure beside the yardstick
//! that it depends on. Every figure of the README comes from here.

mod agents;
mod churn;
mod counters;
mod fixture;
mod growth;
mod idle;
mod load;
mod lone;
mod nodes;
mod postgres;
mod resident;
mod store;
mod yardstick;

use clap::{Parser, Subcommand};

/// Measures Postroom on this machine.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Full lifecycles through the memory store on one core: submit, claim and begin, settle.
    Store {
        /// How many runs.
        #[arg(long, default_value_t = 1_000_000)]
        runs: u64,
    },
    /// Runs through the service with an executor that returns at once, in memory.
    Service {
        /// How many runs.
        #[arg(long, default_value_t = 400_000)]
        runs: u64,
    },
    /// The same on SQLite, durable: 64 submitters over 500 threads.
    Sqlite {
        /// How many runs.
        #[arg(long, default_value_t = 60_000)]
        runs: u64,
        /// How many submit at once.
        #[arg(long, default_value_t = 64)]
        submitters: u64,
        /// Over how many threads.
        #[arg(long, default_value_t = 500)]
        threads: u64,
        /// Where to put the database; left out, the folder for temporary files.
        #[arg(long)]
        directory: Option<std::path::PathBuf>,
    },
    /// The same on PostgreSQL, beside `pgbench`: one message each, then a backlog.
    Postgres {
        /// The server; its default settings, and nothing else to do.
        #[arg(long)]
        url: String,
        /// How many runs.
        #[arg(long, default_value_t = 100_000)]
        runs: u64,
        /// How many submit at once.
        #[arg(long, default_value_t = 64)]
        submitters: u64,
        /// Over how many threads.
        #[arg(long, default_value_t = 1_000)]
        threads: u64,
        /// How many lanes the store has; left out, its default.
        #[arg(long)]
        lanes: Option<usize>,
        /// How long `pgbench` runs, in seconds.
        #[arg(long, default_value_t = 10)]
        yardstick: u64,
        /// Only this part of it.
        #[arg(long, value_enum)]
        only: Option<postgres::Part>,
    },
    /// Several nodes on one PostgreSQL: together, and when one of them is full.
    Nodes {
        /// The PostgreSQL server; its default settings, and nothing else to do.
        #[arg(long)]
        url: String,
        /// The NATS server, if it is to carry what the nodes tell each other.
        #[arg(long)]
        nats: Option<String>,
        /// How many runs.
        #[arg(long, default_value_t = 50_000)]
        runs: u64,
        /// How many lanes the store of each node has; left out, its default.
        #[arg(long)]
        lanes: Option<usize>,
    },
    /// What a claim on PostgreSQL costs after a time at full rate, as a ratio to an empty database.
    Churn {
        /// The server; its default settings, and nothing else to do.
        #[arg(long)]
        url: String,
        /// How long it runs at full rate before.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
    /// One lone submission on SQLite, in commits.
    Lone {
        /// How many: enough that the log's file has its size, and is written over again.
        #[arg(long, default_value_t = 5_000)]
        submissions: u64,
    },
    /// What an operation costs on a grown mailbox, as a ratio to an empty one.
    Growth {
        /// Only `memory` or `sqlite`.
        #[arg(long)]
        store: Option<String>,
        /// Only what grows by this.
        #[arg(long, value_enum)]
        by: Option<growth::By>,
        /// How many samples of each.
        #[arg(long, default_value_t = growth::SAMPLES)]
        samples: usize,
    },
    /// Agents: the loop's own cost, runs that wait, and thousands that speak at once.
    Agents {
        /// How many speak at once.
        #[arg(long, default_value_t = 2_000)]
        streams: u64,
        /// How many wait.
        #[arg(long, default_value_t = 10_000)]
        waiting: u64,
    },
    /// Resident memory: idle, for each idle thread, and over many runs.
    Resident {
        /// How many runs.
        #[arg(long, default_value_t = 1_000_000)]
        runs: u64,
    },
}

fn main() -> anyhow::Result<()> {
    yardstick::print_machine()?;
    let all = || {
        vec![
            What::Store { runs: 1_000_000 },
            What::Service { runs: 400_000 },
            What::Sqlite { runs: 60_000, submitters: 64, threads: 500, directory: None },
            What::Lone { submissions: 5_000 },
            What::Growth { store: None, by: None, samples: growth::SAMPLES },
            What::Resident { runs: 1_000_000 },
            What::Agents { streams: 2_000, waiting: 10_000 },
        ]
    };
    for what in Arguments::parse().what.map_or_else(all, |what| vec![what]) {
        match what {
            What::Store { runs } => store::measure(runs)?,
            What::Service { runs } => load::in_memory(runs)?,
            What::Sqlite { runs, submitters, threads, directory } => {
                load::on_sqlite(runs, submitters, threads, directory.as_deref())?;
            }
            What::Postgres { url, runs, submitters, threads, lanes, yardstick, only } => {
                let plan = load::Plan { runs, submitters, threads };
                postgres::measure(&url, plan, lanes, yardstick, only)?;
            }
            What::Nodes { url, nats, runs, lanes } => {
                let place = nodes::Place { url: &url, nats: nats.as_deref(), lanes };
                nodes::measure(place, runs)?;
            }
            What::Churn { url, minutes } => churn::measure(&url, minutes)?,
            What::Lone { submissions } => lone::measure(submissions)?,
            What::Growth { store, by, samples } => growth::measure(store.as_deref(), by, samples)?,
            What::Resident { runs } => resident::measure(runs)?,
            What::Agents { streams, waiting } => agents::measure(streams, waiting)?,
        }
    }
    Ok(())
}
