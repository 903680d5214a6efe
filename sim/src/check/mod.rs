//! Each write is looked at: who presented which claim before it, and what the thread is after it.

pub mod end;
mod events;
mod told;
mod watch;

use std::time::Duration;

use postroom_conformance::front::at_once;
use postroom_core::command::{
    ClaimRequest, Command, Delivered, Envelope, Extended, Reply, Submitted, SubmittedStatus,
};
use postroom_core::dispatch::{Claim, Dispatch};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::{EventBody, SharedEvent};
use postroom_core::id::ThreadId;
use postroom_core::ports::{
    Applied, ClaimedReady, IdSource, MailboxStore, ReclaimScope, Reclaimed,
};

pub(crate) use watch::look_at_all;
pub use watch::{Watch, look, look_at_letters};

use crate::trace::Brief;
use crate::world::{StoreFault, World};

/// Carries one command out.
pub(crate) fn apply(world: &World, who: &str, envelope: Envelope) -> Result<Applied, StoreError> {
    let thread_id = envelope.thread_id.clone();
    let name = envelope.command.name();
    if let Some(applied) = swallowed(world, &envelope) {
        world.note(who, format_args!("{name} {thread_id}: answered, and dropped"));
        return Ok(applied);
    }
    let presented = presented(&envelope.command).cloned();
    let releases = matches!(envelope.command, Command::Release { .. });
    let held = presented.as_ref().and_then(|_| held(world, &thread_id));
    let mut answers = at_once(world.store.apply(vec![envelope]));
    let answer = answers.pop().unwrap_or_else(|| {
        Err(StoreError::Corrupt { reason: "the store gave no answer".to_owned() })
    });
    match &answer {
        Ok(applied) => {
            if let Some(presented) = &presented {
                fenced(world, name, presented, held.as_ref(), &applied.reply);
            }
            if releases && let Some(held) = &held {
                world.ledger.lock().released(held.id);
            }
            replied(world, &applied.reply);
            world.note(who, format_args!("{name} {thread_id}{}", Told(&applied.events)));
            look(world, &thread_id);
        }
        Err(error) => failed(world, who, name, &thread_id, error),
    }
    answer
}

/// Claims ready heads.
pub(crate) fn claim_ready(
    world: &World,
    who: &str,
    request: ClaimRequest,
    limit: usize,
) -> Result<ClaimedReady, StoreError> {
    let answer = at_once(world.store.claim_ready(request, limit));
    match &answer {
        Ok(ready) => {
            ready.claimed.iter().for_each(|delivered| granted(world, delivered));
            if !ready.claimed.is_empty() || !ready.events.is_empty() {
                world.note(who, format_args!("claim_ready{}", Told(&ready.events)));
            }
            let threads = ready.claimed.iter().map(|delivered| &delivered.dispatch.thread_id);
            let mut threads: Vec<_> =
                threads.chain(ready.events.iter().map(|event| &event.thread_id)).collect();
            threads.sort();
            threads.dedup();
            threads.iter().for_each(|thread_id| look(world, thread_id));
        }
        Err(error) => broken_store(world, "claim_ready", error),
    }
    answer
}

/// Takes claims back.
pub(crate) fn reclaim(
    world: &World,
    who: &str,
    scope: ReclaimScope,
    retry_in: Duration,
    limit: usize,
) -> Result<Reclaimed, StoreError> {
    let answer = at_once(world.store.reclaim(scope, retry_in, limit));
    match &answer {
        Ok(reclaimed) => {
            for dispatch in &reclaimed.dispatches {
                world.mark("lease expired");
                let (id, thread_id) = (Brief(dispatch.id), &dispatch.thread_id);
                world.note(who, format_args!("reclaims {id} {thread_id}"));
                look(world, thread_id);
            }
        }
        Err(error) => broken_store(world, "reclaim", error),
    }
    answer
}

/// The claim that a command presents.
fn presented(command: &Command) -> Option<&Claim> {
    match command {
        Command::Begin { claim, .. }
        | Command::Commit { claim, .. }
        | Command::RecordStart { claim, .. }
        | Command::RecordResult { claim, .. }
        | Command::ExtendLease { claim, .. }
        | Command::Release { claim }
        | Command::SupersedeClaimed { claim } => Some(claim),
        Command::Settle(settle) => Some(&settle.claim),
        _ => None,
    }
}

/// What is claimed in the thread.
fn held(world: &World, thread_id: &ThreadId) -> Option<Dispatch> {
    let thread = at_once(world.store.thread(thread_id)).ok()??;
    at_once(world.store.dispatch(thread.claimed_dispatch_id?)).ok()?
}

/// 3: whoever presents a claim that is not the current one writes nothing.
fn fenced(world: &World, name: &str, presented: &Claim, held: Option<&Dispatch>, reply: &Reply) {
    if matches!(reply, Reply::Extended(Extended { held: false, .. })) {
        world.mark("stale claim refused");
        return;
    }
    let current = held.and_then(Dispatch::claim);
    if current != Some(presented) {
        let facts = format!("{name} with claim {presented} was carried out, current: {current:?}");
        world.broken(3, facts);
    }
}

fn replied(world: &World, reply: &Reply) {
    let claimed = match reply {
        Reply::Submitted(submitted) => submitted.claimed.as_deref(),
        Reply::Claimed(claimed) => claimed.as_deref(),
        Reply::Settled(settled) => {
            if settled.follow_up.is_some() {
                world.mark("steering became a dispatch");
            }
            settled.next.as_deref()
        }
        Reply::Decided(decided) => decided.claimed.as_deref(),
        _ => None,
    };
    if let Some(delivered) = claimed {
        granted(world, delivered);
    }
}

/// 3: the numbers of a thread's claims only grow.
fn granted(world: &World, delivered: &Delivered) {
    let dispatch = &delivered.dispatch;
    let Some(claim) = dispatch.claim() else { return };
    let before = world.ledger.lock().granted(&dispatch.thread_id, claim.number);
    if before >= claim.number {
        let facts = format!("claim {claim} of {} was given after {before}", dispatch.thread_id);
        world.broken(3, facts);
    }
}

fn failed(world: &World, who: &str, name: &str, thread_id: &ThreadId, error: &StoreError) {
    if let Some(Refusal::StaleClaim { .. }) = error.refusal() {
        world.mark("stale claim refused");
    }
    world.note(who, format_args!("{name} {thread_id}: {error}"));
    broken_store(world, name, error);
}

/// The store has found that it was about to be damaged.
fn broken_store(world: &World, name: &str, error: &StoreError) {
    if let StoreError::Corrupt { reason } = error {
        world.broken(9, format!("{name}: {reason}"));
    }
}

/// The deliberate fault of the store itself: it promises, and does not keep it.
fn swallowed(world: &World, envelope: &Envelope) -> Option<Applied> {
    let Command::Submit(submit) = &envelope.command else { return None };
    if world.fault != Some(StoreFault::ReplyBeforeDurable) || !world.chance.one_in(20) {
        return None;
    }
    let reply = Reply::Submitted(Submitted {
        thread_id: envelope.thread_id.clone(),
        run_id: submit.run_id.clone().unwrap_or_else(|| world.ids.new_uuid().into()),
        dispatch_id: None,
        status: SubmittedStatus::Queued,
        message_ids: submit.messages.iter().filter_map(|message| message.id.clone()).collect(),
        replayed: false,
        event_seq_before: 0,
        claimed: None,
    });
    Some(Applied { reply, events: Vec::new() })
}

/// What happened, for the trace.
struct Told<'e>(&'e [SharedEvent]);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for event in self.0 {
            write!(f, ", {} {}", event.seq, event.body.type_name())?;
            if let Some(run_id) = &event.run_id {
                write!(f, " {}", Brief(run_id))?;
            }
            match &event.body {
                EventBody::MessageCommitted { message_id, message_seq, .. } => {
                    write!(f, " ({} at {message_seq})", Brief(message_id))?;
                }
                EventBody::MessagePending { message_id, .. } => {
                    write!(f, " ({})", Brief(message_id))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}
