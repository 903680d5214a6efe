//! The simulation can fail: each deliberate fault is noticed, by seeds that pass without it.

use postroom_core::sabotage::Fault as Core;
use postroom_sim::{Fault, Options, StoreFault, run};

/// A fault must be noticed within so many seeds.
const SEEDS: u64 = 300;

fn is_noticed(fault: Fault) {
    let broken = Options { fault: Some(fault), ..Options::default() };
    let found = (1..=SEEDS).find_map(|seed| run(seed, broken).failure);
    let failure = found.unwrap_or_else(|| panic!("{fault:?} is not noticed in {SEEDS} seeds"));
    println!("{fault:?}: seed {}: {}", failure.seed, failure.violation);
    let whole = run(failure.seed, Options::default());
    assert!(whole.failure.is_none(), "seed {} fails without {fault:?} too", failure.seed);
}

#[test]
fn a_stale_claim_that_writes() {
    is_noticed(Fault::Core(Core::NoFence));
}

#[test]
fn a_second_claim_of_a_thread() {
    is_noticed(Fault::Core(Core::ClaimWhileBusy));
}

#[test]
fn steering_that_is_dropped() {
    is_noticed(Fault::Core(Core::SettleDropsSteering));
}

#[test]
fn a_queue_that_outlives_its_epoch() {
    is_noticed(Fault::Core(Core::InterruptKeepsQueue));
}

#[test]
fn attempts_that_are_not_counted() {
    is_noticed(Fault::Core(Core::AttemptsNotCounted));
}

#[test]
fn a_start_in_a_later_epoch() {
    is_noticed(Fault::Core(Core::OldEpochStarts));
}

#[test]
fn messages_that_are_doubled() {
    is_noticed(Fault::Core(Core::MessagesTwice));
}

#[test]
fn a_gap_in_the_events() {
    is_noticed(Fault::Core(Core::EventGap));
}

#[test]
fn a_promise_before_it_is_durable() {
    is_noticed(Fault::Store(StoreFault::ReplyBeforeDurable));
}
