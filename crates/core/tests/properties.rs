//! Any sequence of commands keeps the design's invariants, and the state equals the fold of the
//! events that were emitted.

mod support;

use std::collections::BTreeMap;

use postroom_core::command::Reply;
use proptest::prelude::*;
use support::Tables;
use support::story::{Seed, command};

fn play(seeds: &[Seed], mut after: impl FnMut(&str, bool, &Tables)) {
    let mut tables = Tables::default();
    tables.now.set(1_000_000);
    let mut trace = Trace::default();
    for seed in seeds {
        // Mostly nothing; sometimes long enough for delays and leases to end; sometimes backwards,
        // as clocks do.
        let jump = match seed[0] / 40 {
            0..=3 => i64::from(seed[5] % 3),
            4 => 40_000,
            5 => 700_000,
            _ => -5_000,
        };
        tables.now.set(tables.now.get() + jump);
        let (thread, command) = command(&tables, *seed);
        let name = command.name();
        let before = snapshot(&tables);
        trace.0.push(format!("{} {thread}: {command:?}", tables.now.get()));
        let reply = tables.apply(&thread, command);
        trace.0.push(format!("  -> {reply:?}"));
        if let Some(activation) = reply.as_ref().ok().and_then(support::begun) {
            support::invariants::check_activation(&tables, activation);
        }
        match &reply {
            Ok(Reply::Claimed(None) | Reply::Reclaimed(None)) => after(name, false, &tables),
            Ok(_) => after(name, true, &tables),
            Err(_) => {
                assert_eq!(before, snapshot(&tables), "a refusal writes nothing");
                after(name, false, &tables);
            }
        }
        support::invariants::check(&tables);
    }
}

/// What was asked and answered; shown when a check fails.
#[derive(Default)]
struct Trace(Vec<String>);

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() && self.0.len() <= 60 {
            eprintln!("{}", self.0.join("\n"));
        }
    }
}

fn snapshot(tables: &Tables) -> (usize, usize, usize, usize, usize) {
    (
        tables.events.len(),
        tables.messages.len(),
        tables.runs.len(),
        tables.dispatches.len(),
        tables.pending.len(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_commands_keeps_the_invariants(
        seeds in prop::collection::vec(any::<Seed>(), 1..200)
    ) {
        play(&seeds, |_, _, _| {});
    }
}

/// A run waits for input, and a barrier that is for another run keeps a message from it. The other
/// run ends with nothing queued behind it.
#[test]
fn what_a_barrier_kept_from_a_waiting_run_reaches_it() {
    play(
        &[
            [203, 55, 0, 157, 0, 20],
            [243, 161, 215, 38, 6, 162],
            [43, 91, 95, 34, 1, 2],
            [43, 5, 41, 1, 11, 25],
            [160, 0, 0, 0, 0, 0],
            [153, 13, 0, 37, 0, 0],
            [203, 55, 185, 61, 52, 235],
            [0, 0, 0, 0, 0, 0],
            [83, 7, 65, 26, 6, 113],
            [0, 0, 0, 0, 0, 0],
            [34, 19, 0, 0, 0, 0],
            [182, 31, 1, 0, 0, 50],
            [203, 125, 215, 124, 244, 35],
            [102, 7, 1, 122, 46, 44],
            [123, 89, 157, 4, 1, 2],
            [102, 1, 25, 0, 0, 50],
            [182, 5, 1, 33, 0, 0],
            [0, 0, 0, 0, 0, 0],
        ],
        |_, _, _| {},
    );
}

/// A property is worth what its inputs reach: every command must be seen to succeed.
#[test]
fn random_commands_reach_every_verb() {
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    let mut state = 0x9e37_79b9_u64;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).unwrap()
    };
    for _ in 0..300 {
        let seeds: Vec<Seed> = (0..100).map(|_| std::array::from_fn(|_| next())).collect();
        play(&seeds, |name, succeeded, _| {
            if succeeded {
                *done.entry(name.to_owned()).or_default() += 1;
            }
        });
    }
    let verbs = [
        "create_thread",
        "patch_thread",
        "delete_thread",
        "submit",
        "enqueue",
        "claim",
        "claim_dispatch",
        "begin",
        "commit",
        "settle",
        "record_dispatch_start",
        "record_run_result",
        "extend_lease",
        "release",
        "cancel",
        "interrupt",
        "supersede_claimed",
        "reclaim",
        "requeue",
        "deliver",
        "edit_pending",
        "retract_pending",
        "reorder_pending",
        "decide",
        "finish_task",
        "reported",
    ];
    for verb in verbs {
        assert!(done.get(verb).copied().unwrap_or(0) >= 20, "{verb}: {done:?}");
    }
}
