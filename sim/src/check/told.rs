//! What senders were told, compared with what the thread holds.

use std::collections::BTreeMap;

use postroom_conformance::snapshot::Snapshot;
use postroom_core::id::ThreadId;

use crate::letters::{Answer, token_of};
use crate::world::World;

/// 1: what was accepted is there once, what was not written is not there, and nothing else is.
pub(super) fn compare(world: &World, thread_id: &ThreadId, snapshot: &Snapshot) {
    let mut found: BTreeMap<usize, u32> = BTreeMap::new();
    let logged = snapshot.messages.iter().map(|row| &row.message);
    for message in logged.chain(snapshot.pending.iter().map(|pending| &pending.message)) {
        if let Some(token) = token_of(message) {
            *found.entry(token).or_default() += 1;
        }
    }
    let letters = world.letters.lock();
    for (token, letter) in letters.of_thread(thread_id) {
        let count = found.remove(&token).unwrap_or_default();
        let holds = match letter.answer {
            Answer::None => count <= 1,
            Answer::Accepted => count == 1,
            Answer::NotWritten | Answer::Retracted => count == 0,
        };
        if !holds {
            let told = letter.answer;
            world.broken(1, format!("{thread_id} has letter m{token} {count} times: {told:?}"));
        }
    }
    if let Some((token, _)) = found.pop_first() {
        world.broken(1, format!("letter m{token} is in {thread_id}, where nobody sent it"));
    }
}
