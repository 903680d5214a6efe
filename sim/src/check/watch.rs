//! The watch: looks at a thread after each write.

use std::collections::BTreeMap;

use postroom_conformance::front::at_once;
use postroom_conformance::invariants::{Violations, Watcher};
use postroom_conformance::snapshot::Snapshot;
use postroom_core::id::ThreadId;
use postroom_core::ports::MailboxStore;

use super::events::Told;
use super::told;
use crate::world::World;

/// A thread with more dispatches than this is not looked at as a whole each time.
const SMALL: u64 = 12;
/// But once in so many writes.
const SOME: u64 = 6;

/// What was seen so far.
#[derive(Default)]
pub struct Watch {
    watcher: Watcher,
    threads: BTreeMap<ThreadId, Told>,
    writes: u64,
}

/// Looks at a thread that was written to.
pub fn look(world: &World, thread_id: &ThreadId) {
    let thread = at_once(world.store.thread(thread_id)).ok().flatten();
    let Some(thread) = thread else { return };
    let mut watch = world.watch.lock();
    watch.writes += 1;
    watch.threads.entry(thread_id.clone()).or_default().follow(world, &thread);
    if thread.dispatch_ordinal <= SMALL || watch.writes.is_multiple_of(SOME) {
        look_whole(world, &mut watch, thread_id);
    }
}

/// Looks at what the thread's senders were told.
pub fn look_at_letters(world: &World, thread_id: &ThreadId) {
    if let Ok(snapshot) = at_once(Snapshot::read(&world.store, thread_id)) {
        told::compare(world, thread_id, &snapshot);
    }
}

/// Looks at all of every thread.
pub fn look_at_all(world: &World) {
    let mut watch = world.watch.lock();
    let threads: Vec<ThreadId> = watch.threads.keys().cloned().collect();
    for thread_id in threads {
        look_whole(world, &mut watch, &thread_id);
    }
}

fn look_whole(world: &World, watch: &mut Watch, thread_id: &ThreadId) {
    let snapshot = match at_once(Snapshot::read(&world.store, thread_id)) {
        Ok(snapshot) => snapshot,
        Err(error) => return world.broken(9, format!("thread {thread_id}: {error}")),
    };
    told::compare(world, thread_id, &snapshot);
    report(world, watch.watcher.look(snapshot));
}

/// The violations name their invariant first: `thread t: 5: …`.
fn report(world: &World, violations: Violations) {
    for violation in violations {
        let number = violation.split(": ").find_map(|part| part.parse().ok());
        world.broken(number.unwrap_or(9), violation);
    }
}
