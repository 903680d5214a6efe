//! Deliberate faults, only in builds that were made to have them: chaos must notice each.

use postroom_core::sabotage::{Fault, commit_everywhere};

/// Names the fault.
const CHOICE: &str = "POSTROOM_SABOTAGE";

/// Commits the fault that the environment names. One that does not exist must not pass for one that
/// went unnoticed.
pub fn commit_chosen() {
    let Ok(name) = std::env::var(CHOICE) else { return };
    let Some(fault) = Fault::named(&name) else {
        eprintln!("{CHOICE}: there is no fault {name}; there are {:?}", Fault::ALL);
        std::process::exit(2);
    };
    eprintln!("{CHOICE}: this server is wrong on purpose: {fault:?}");
    commit_everywhere(fault);
}
