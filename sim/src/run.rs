//! One run: a world is made from a seed, troubled, healed, and judged.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::check;
use crate::clients::reader::Reader;
use crate::clients::{Outside, operator, person, sender};
use crate::fate;
use crate::house::House;
use crate::tally::Counts;
use crate::verdict::Violation;
use crate::world::{StoreFault, World, pause};

/// How a run is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Print the trace as it comes.
    pub printed: bool,
    /// What is broken on purpose.
    pub fault: Option<Fault>,
}

/// A deliberate fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Of the simulation's store.
    Store(StoreFault),
    /// Of the core; it needs the feature `sabotage`.
    #[cfg(feature = "sabotage")]
    Core(postroom_core::sabotage::Fault),
}

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The hash of the whole trace: the same for the same seed.
    pub hash: u64,
    /// How often what happened.
    pub counts: Counts,
    /// How long it lasted in its own time.
    pub lasted: Duration,
    /// How many calls of the store it made.
    pub calls: u64,
    /// What was broken.
    pub failure: Option<Failure>,
}

/// A broken invariant and how it came.
#[derive(Debug)]
pub struct Failure {
    /// The seed that shows it again.
    pub seed: u64,
    /// What is broken.
    pub violation: Violation,
    /// The last lines of the trace.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "seed {} breaks {}", self.seed, self.violation)?;
        write!(f, "replay: cargo run -p postroom-sim --release -- --seed {} --trace", self.seed)
    }
}

/// Runs one seed, on this thread.
pub fn run(seed: u64, options: Options) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread");
    break_core(options.fault);
    let outcome = runtime.block_on(live(seed, options));
    break_core(None);
    outcome
}

#[cfg(feature = "sabotage")]
fn break_core(fault: Option<Fault>) {
    postroom_core::sabotage::commit(match fault {
        Some(Fault::Core(fault)) => Some(fault),
        _ => None,
    });
}

#[cfg(not(feature = "sabotage"))]
fn break_core(_fault: Option<Fault>) {}

async fn live(seed: u64, options: Options) -> Outcome {
    #[allow(clippy::match_wildcard_for_single_variants, reason = "there are more with the feature")]
    let fault = match options.fault {
        Some(Fault::Store(fault)) => Some(fault),
        _ => None,
    };
    let world = World::new(seed, options.printed, fault);
    let house = House::open(&world);
    let outside = Outside { world: world.clone(), house: house.clone() };
    tokio::select! {
        biased;
        () = world.verdict.found() => {}
        () = story(&outside) => {}
    }
    house.close();
    let violation = world.verdict.violation();
    let trace = world.trace.tail();
    Outcome {
        seed,
        hash: world.trace.hash(),
        counts: world.tally.counts(),
        lasted: world.clock.elapsed(),
        calls: world.calls(),
        failure: violation.map(|violation| Failure { seed, violation, trace }),
    }
}

async fn story(outside: &Outside) {
    let Outside { world, house } = outside;
    let people = tokio_util::task::TaskTracker::new();
    let senders = (0..world.shape.senders).map(|sender| sender::send_all(outside.clone(), sender));
    for sending in senders {
        world.spawn(people.track_future(sending));
    }
    let meddling = tokio_util::sync::CancellationToken::new();
    let meddler = operator::meddle(outside.clone());
    let stop = meddling.clone();
    world.spawn(async move {
        let _ = stop.run_until_cancelled(meddler).await;
    });
    world.spawn(person::decide_all(outside.clone()));
    let readers = readers(outside);

    fate::strike(world.clone(), house.clone()).await;
    meddling.cancel();
    world.spawn(fate::keep_healthy(house.clone()));
    people.close();
    people.wait().await;
    become_quiet(outside, &readers).await;
    check::end::check(world, &readers);
}

fn readers(outside: &Outside) -> Vec<Arc<Reader>> {
    let world = &outside.world;
    let readers: Vec<Arc<Reader>> =
        (0..world.shape.threads).map(|_| Reader::new(outside, sender::thread(outside))).collect();
    for reader in &readers {
        world.spawn(reader.clone().read(outside.clone()));
    }
    readers
}

/// 4: waits until nothing is under way; that must come.
async fn become_quiet(outside: &Outside, readers: &[Arc<Reader>]) {
    let world = &outside.world;
    let give_up = Instant::now() + fate::HEALED_WITHIN;
    loop {
        let Some(unrest) = check::end::unrest(world, readers) else { return };
        if Instant::now() >= give_up {
            let minutes = fate::HEALED_WITHIN.as_secs() / 60;
            return world.broken(4, format!("{minutes} minutes after all healed: {unrest}"));
        }
        pause(sender::LOOK_AGAIN_AFTER).await;
    }
}
