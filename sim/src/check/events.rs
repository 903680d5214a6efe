//! What a thread's events tell, checked as they come.

use std::collections::BTreeSet;

use postroom_conformance::front::at_once;
use postroom_core::event::{Event, EventBody};
use postroom_core::id::{DispatchId, MessageId, RunId};
use postroom_core::ports::MailboxStore;
use postroom_core::thread::Thread;

use crate::trace::Brief;
use crate::world::World;

/// What one thread's events have told so far.
#[derive(Default)]
pub(super) struct Told {
    seq: u64,
    committed: BTreeSet<MessageId>,
    ended: BTreeSet<RunId>,
    buried: BTreeSet<RunId>,
}

impl Told {
    /// Reads on.
    pub(super) fn follow(&mut self, world: &World, thread: &Thread) {
        let events = at_once(world.store.events(&thread.id, self.seq, usize::MAX));
        for event in events.unwrap_or_default() {
            if event.seq != self.seq + 1 {
                let facts = format!("{}: event {} after {}", thread.id, event.seq, self.seq);
                world.broken(7, facts);
            }
            self.seq = event.seq;
            self.take(world, thread, &event);
        }
        if self.seq != thread.event_seq {
            let (id, seq, known) = (&thread.id, thread.event_seq, self.seq);
            world.broken(7, format!("{id} says {seq} events, and has {known}"));
        }
    }

    fn take(&mut self, world: &World, thread: &Thread, event: &Event) {
        match &event.body {
            EventBody::MessageCommitted { message_id, .. }
                if !self.committed.insert(message_id.clone()) =>
            {
                let facts = format!("{}: message {message_id} is committed twice", thread.id);
                world.broken(1, facts);
            }
            EventBody::RunQueued { .. } => {
                // 4: what has ended stays so, but for a dead letter that somebody requeues.
                if let Some(run_id) = &event.run_id
                    && self.ended.remove(run_id)
                    && !self.buried.remove(run_id)
                {
                    let facts = format!("run {} had ended, and is queued again", Brief(run_id));
                    world.broken(4, facts);
                }
            }
            EventBody::RunStarted { dispatch_id, .. } => {
                self.started(world, thread, event, *dispatch_id);
            }
            EventBody::RunFinished { termination, .. } => {
                world.mark(match termination.as_str() {
                    "natural_end" => "run ended: natural_end",
                    "cancelled" => "run ended: cancelled",
                    "stopped" => "run ended: stopped",
                    _ => "run ended: error",
                });
                let run_id = event.run_id.clone();
                if let Some(run_id) = run_id.filter(|run_id| !self.ended.insert(run_id.clone())) {
                    world.broken(4, format!("run {} has ended twice", Brief(&run_id)));
                }
            }
            EventBody::DispatchDeadLettered { .. } => {
                world.mark("dead letter");
                self.buried.extend(event.run_id.clone());
            }
            EventBody::RunInterrupted { superseded, .. } if *superseded > 0 => {
                world.mark("superseded");
            }
            EventBody::AttemptReset { .. } => world.mark("attempt reset"),
            _ => {}
        }
    }

    /// 5: nothing of an epoch that is over starts, and nothing that has ended.
    fn started(&self, world: &World, thread: &Thread, event: &Event, dispatch_id: DispatchId) {
        let id = Brief(dispatch_id);
        if let Some(run_id) = event.run_id.as_ref().filter(|run_id| self.ended.contains(run_id)) {
            world.broken(5, format!("run {} had ended, and {id} starts it", Brief(run_id)));
        }
        if let Ok(Some(dispatch)) = at_once(world.store.dispatch(dispatch_id))
            && dispatch.epoch != thread.epoch
        {
            let (epoch, now) = (dispatch.epoch, thread.epoch);
            world.broken(5, format!("{id} of epoch {epoch} starts in epoch {now}"));
        }
    }
}
