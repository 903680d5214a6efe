//! The log of transitions: what must hold of every change, and of every commit.

mod commit;
mod mailbox;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use mailbox::Mailbox;

use super::Findings;
use crate::transitions::Transition;

/// Follows each thread from its first row on, transaction by transaction. A transaction holds the
/// lock of the thread, so its changes stand together among those of the thread.
pub fn check(transitions: &[Transition], findings: &mut Findings) {
    let mut mailboxes: BTreeMap<u64, Mailbox> = BTreeMap::new();
    for transition in transitions {
        let thread_no = transition.change.thread_no();
        let mailbox = mailboxes.entry(thread_no).or_insert_with(|| Mailbox::new(thread_no));
        mailbox.follow(transition, findings);
    }
    for mailbox in mailboxes.values_mut() {
        mailbox.close(findings);
    }
}
