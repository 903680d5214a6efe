//! What the commands so far have brought about, so that the next ones can name it.

use postroom_core::command::{Begun, Cancelled, Delivered, Reply, Submitted};
use postroom_core::dispatch::{Claim, Dispatch};
use postroom_core::id::{DispatchId, MessageId, RunId, ThreadId};

use super::answer::Answer;
use crate::ids::Random;
use crate::world::thread;

/// How many of each kind are remembered: the newest are the most interesting.
const KEPT: usize = 12;

pub(super) struct Seen {
    pub(super) threads: Vec<ThreadId>,
    pub(super) claims: Vec<(ThreadId, Claim)>,
    pub(super) dispatches: Vec<(ThreadId, DispatchId)>,
    pub(super) runs: Vec<(ThreadId, RunId)>,
    pub(super) messages: Vec<(ThreadId, MessageId)>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            threads: ["a", "b", "c"].map(thread).to_vec(),
            claims: Vec::new(),
            dispatches: Vec::new(),
            runs: Vec::new(),
            messages: Vec::new(),
        }
    }
}

/// One of what was seen in the thread, the newest most often; now and then one of another thread.
pub(super) fn one_of<T: Clone>(
    random: &Random,
    seen: &[(ThreadId, T)],
    thread_id: &ThreadId,
) -> Option<T> {
    if random.once_in(20) {
        return random.pick(seen).map(|(_, one)| one.clone());
    }
    let own: Vec<&T> = seen.iter().filter(|(of, _)| of == thread_id).map(|(_, one)| one).collect();
    let one = if random.once_in(3) { random.pick(&own).copied() } else { own.last().copied() };
    one.cloned()
}

impl Seen {
    pub(super) fn learn(&mut self, answer: &Answer) {
        match answer {
            Answer::Applied(answers) => {
                for applied in answers.iter().flatten() {
                    self.learn_reply(&applied.reply);
                    for event in &applied.events {
                        if let Some(run_id) = &event.run_id {
                            keep(&mut self.runs, &event.thread_id, run_id.clone());
                        }
                    }
                }
            }
            Answer::Ready(Ok((claimed, ..))) => {
                claimed.iter().for_each(|delivered| self.delivered(delivered));
            }
            Answer::Reclaimed(Ok((dispatches, _))) => {
                dispatches.iter().for_each(|dispatch| self.dispatch(dispatch));
            }
            _ => {}
        }
    }

    fn learn_reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Submitted(submitted) => self.submitted(submitted),
            Reply::Enqueued(dispatch)
            | Reply::Superseded(dispatch)
            | Reply::Reclaimed(Some(dispatch))
            | Reply::Cancelled(Cancelled::Dispatch(dispatch)) => self.dispatch(dispatch),
            Reply::Claimed(Some(delivered)) => self.delivered(delivered),
            Reply::Begun(Begun::Started(active)) => self.dispatch(&active.dispatch),
            Reply::Settled(settled) => {
                self.dispatch(&settled.dispatch);
                settled.next.iter().for_each(|delivered| self.delivered(delivered));
            }
            Reply::Decided(decided) => {
                decided.claimed.iter().for_each(|delivered| self.delivered(delivered));
            }
            _ => {}
        }
    }

    fn submitted(&mut self, submitted: &Submitted) {
        let thread_id = &submitted.thread_id;
        keep(&mut self.runs, thread_id, submitted.run_id.clone());
        if let Some(dispatch_id) = submitted.dispatch_id {
            keep(&mut self.dispatches, thread_id, dispatch_id);
        }
        for message_id in &submitted.message_ids {
            keep(&mut self.messages, thread_id, message_id.clone());
        }
        submitted.claimed.iter().for_each(|delivered| self.delivered(delivered));
    }

    fn delivered(&mut self, delivered: &Delivered) {
        self.dispatch(&delivered.dispatch);
    }

    fn dispatch(&mut self, dispatch: &Dispatch) {
        let thread_id = &dispatch.thread_id;
        keep(&mut self.dispatches, thread_id, dispatch.id);
        keep(&mut self.runs, thread_id, dispatch.run_id.clone());
        if let Some(claim) = dispatch.claim() {
            keep(&mut self.claims, thread_id, claim.clone());
        }
    }
}

fn keep<T: PartialEq>(seen: &mut Vec<(ThreadId, T)>, thread_id: &ThreadId, one: T) {
    let one = (thread_id.clone(), one);
    seen.retain(|other| *other != one);
    seen.push(one);
    if seen.len() > 3 * KEPT {
        seen.remove(0);
    }
}
