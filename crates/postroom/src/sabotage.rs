//! Deliberate faults, only in builds that were made to have them: chaos must notice each, and no death
//! may lose anything.

use postroom_core::sabotage::{Fault, Moment, commit_everywhere, die};

/// Names the fault; or the moment at which the process dies, and how often it passes it alive, as in
/// `AfterWrite:3`.
const CHOICE: &str = "POSTROOM_SABOTAGE";

/// Commits the fault that the environment names. One that does not exist must not pass for one that
/// went unnoticed.
pub fn commit_chosen() {
    let Ok(name) = std::env::var(CHOICE) else { return };
    if let Some(fault) = Fault::named(&name) {
        eprintln!("{CHOICE}: this server is wrong on purpose: {fault:?}");
        return commit_everywhere(fault);
    }
    let Some((moment, after)) = death(&name) else {
        eprintln!(
            "{CHOICE}: there is no fault {name}; there are {:?}, and {:?}:NUMBER",
            Fault::ALL,
            Moment::ALL
        );
        std::process::exit(2);
    };
    eprintln!(
        "{CHOICE}: this server dies on purpose: {moment:?}, once it has passed that {after} times"
    );
    die(moment, after);
}

fn death(name: &str) -> Option<(Moment, u64)> {
    let (moment, after) = name.split_once(':')?;
    Some((Moment::named(moment)?, after.parse().ok()?))
}
