//! Some seeds, as part of the ordinary tests; `cargo run -p postroom-sim --release` runs many.

use postroom_sim::{Counts, Options, run};

#[test]
fn invariants_hold_and_everything_is_reached() {
    let mut counts = Counts::default();
    for seed in 1..=100 {
        let outcome = run(seed, Options::default());
        if let Some(failure) = outcome.failure {
            panic!("{failure}");
        }
        counts.add(&outcome.counts);
    }
    assert_eq!(counts.unlisted(), [""; 0], "a word that is not on the list");
    assert_eq!(counts.missing(), [""; 0], "what the simulation is for, and does not reach");
}

#[test]
fn a_seed_repeats_its_run() {
    for seed in [1, 7, 42, 1_000] {
        let (one, two) = (run(seed, Options::default()), run(seed, Options::default()));
        assert_eq!(one.hash, two.hash, "seed {seed} came out differently");
        assert_eq!((one.counts, one.lasted, one.calls), (two.counts, two.lasted, two.calls));
    }
}

#[test]
fn seeds_differ() {
    assert_ne!(run(1, Options::default()).hash, run(2, Options::default()).hash);
}
