//! Runs seeds, and shows how to see a failure again.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use parking_lot::Mutex;
use postroom_sim::{Counts, Options, Outcome, run};
use tokio::time::Instant;

/// So many failures are shown with their traces.
const SHOWN_MAX: u64 = 5;

/// Simulates many nodes on one store, from seeds.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Print the trace as it comes (with --seed).
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Run seeds for so many minutes, however many they are.
    #[arg(long)]
    minutes: Option<u64>,
    /// How many seeds run side by side.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

#[derive(Default)]
struct Sum {
    passed: u64,
    failed: u64,
    counts: Counts,
    lasted: Duration,
    calls: u64,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.counts.add(&outcome.counts);
        self.lasted += outcome.lasted;
        self.calls += outcome.calls;
        match &outcome.failure {
            None => self.passed += 1,
            Some(failure) => {
                self.failed += 1;
                if self.failed <= SHOWN_MAX {
                    println!("{failure}\n");
                } else {
                    println!("seed {} breaks {}", failure.seed, failure.violation);
                }
            }
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let began = Instant::now();
    let sum = match arguments.seed {
        Some(seed) => alone(seed, arguments.trace),
        None => many(&arguments, began),
    };
    let took = began.elapsed();
    println!("{}", sum.counts);
    let seeds = u128::from(sum.passed + sum.failed);
    println!(
        "{:.1} s, {:.1} h simulated, {} calls of the store, {} seeds a second",
        took.as_secs_f64(),
        sum.lasted.as_secs_f64() / 3_600.0,
        sum.calls,
        seeds * 1_000 / took.as_millis().max(1),
    );
    println!("{} passed, {} failed", sum.passed, sum.failed);
    if sum.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn alone(seed: u64, printed: bool) -> Sum {
    let outcome = run(seed, Options { printed, ..Options::default() });
    println!("seed {seed}, trace {:016x}", outcome.hash);
    let mut sum = Sum::default();
    sum.add(&outcome);
    sum
}

/// Each worker has its own runtimes: seeds have nothing in common.
fn many(arguments: &Arguments, began: Instant) -> Sum {
    let next = AtomicU64::new(arguments.from);
    let sum = Mutex::new(Sum::default());
    let ends_at = arguments.minutes.map(|minutes| began + Duration::from_secs(minutes * 60));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let goes_on = match ends_at {
                Some(ends_at) => Instant::now() < ends_at,
                None => seed - arguments.from < arguments.seeds,
            };
            if !goes_on {
                return;
            }
            let outcome = run(seed, Options::default());
            sum.lock().add(&outcome);
        }
    };
    std::thread::scope(|scope| {
        for number in 0..arguments.workers.max(1) {
            let worker = std::thread::Builder::new().name(format!("worker {number}"));
            worker.spawn_scoped(scope, work).expect("a thread");
        }
    });
    sum.into_inner()
}
