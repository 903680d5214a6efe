//! Transactions in one round trip. What is [known](super::known) of the mailboxes is taken for what is
//! stored, the core decides on it, and the statement that writes locks the threads and checks that each
//! is as it was known; if one is not, nothing is written, and all goes the longer way.
//!
//! The time is believed too: the server checks that its own, with the locks held, is at most a second
//! off, and nothing is decided so where a second matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use postroom_core::command::Envelope;
use postroom_core::dispatch::DispatchStatus;
use postroom_core::time::Timestamp;

use super::drawn::Drawn;
use super::error::Fault;
use super::known::Known;
use super::lane::{is_durable, thread_ids};
use super::save::Failed;
use super::shared::Shared;
use super::transaction::{Outcome, Tools, Transaction};

/// How far the server's time may be from what it is believed to be.
pub(super) const TIME_OFF_MAX: Duration = Duration::from_secs(1);

/// So many batches at most go the longer way before the short one is tried again.
const PAUSE_MAX: u32 = 256;

/// Whether what is believed has proved true lately. Where it has not (other nodes write the same
/// threads, a client sends everything twice), trying costs more than it brings.
#[derive(Debug, Default)]
pub(super) struct Optimism {
    /// How many batches still go the longer way.
    pause: AtomicU32,
    /// How many will, if it proves wrong again.
    next_pause: AtomicU32,
}

impl Optimism {
    /// Whether to believe this time.
    pub(super) fn may_try(&self) -> bool {
        let less_one = |pause: u32| pause.checked_sub(1);
        self.pause.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less_one).is_err()
    }

    /// Whether it has proved wrong lately.
    pub(super) fn was_wrong(&self) -> bool {
        self.next_pause.load(Ordering::Relaxed) > 0
    }

    /// Notes whether what was believed was right.
    pub(super) fn proved(&self, right: bool) {
        let next = self.next_pause.load(Ordering::Relaxed);
        if right {
            self.next_pause.store(next / 2, Ordering::Relaxed);
        } else {
            self.pause.store(next, Ordering::Relaxed);
            self.next_pause.store((next * 2).clamp(1, PAUSE_MAX), Ordering::Relaxed);
        }
    }
}

/// What came of a try.
pub(super) enum Tried {
    /// The outcomes of all commands.
    Done(Vec<Outcome>),
    /// Something was not as it was believed to be, and what was written is undone: this refused it.
    Wrong(Fault),
    /// There was too little to go by, or nothing would check it.
    Not,
}

/// Carries `envelopes` out on what is known, if that will do; it `believes` that names are new that
/// should be.
pub(super) async fn carry_out(
    shared: &Shared,
    envelopes: &[Envelope],
    ids: &Drawn,
    believes: bool,
) -> Tried {
    let known = thread_ids(envelopes).into_iter().map(|id| shared.cache.get(id));
    let Some(known) = known.collect::<Option<Vec<Arc<Known>>>>() else { return Tried::Not };
    // Who gets no connection is told so where it is needed for sure.
    let Ok(session) = shared.sessions.get().await else { return Tried::Not };
    if !session.prepares() {
        return Tried::Not;
    }
    let Some(decided) = decide(shared.tools(&session, ids), &known, envelopes, believes) else {
        return Tried::Not;
    };
    match shared.finish(&session, Ok(decided)).await {
        Ok(outcomes) => {
            shared.versions_known.proved(true);
            Tried::Done(outcomes)
        }
        Err(Failed::Inside(fault)) => {
            shared.versions_known.proved(!fault.is_outdated());
            Tried::Wrong(fault)
        }
        Err(failed @ Failed::AtCommit(_)) => {
            let error = failed.answer();
            Tried::Done(envelopes.iter().map(|_| Err(error.clone())).collect())
        }
    }
}

/// Has the core decide on what is known; nothing where that is too little, or can't be checked.
fn decide<'t>(
    tools: Tools<'t>,
    known: &[Arc<Known>],
    envelopes: &[Envelope],
    believes: bool,
) -> Option<(Transaction<'t>, Vec<Outcome>)> {
    let now = match tools.clock {
        Some(clock) => clock.now(),
        None => {
            // It is told a little slow, and must not seem to go back.
            let about = tools.server_time.about()?;
            known.iter().map(|known| known.thread.updated_at).fold(about, Timestamp::max)
        }
    };
    if !known.iter().all(|known| stays(known, now)) {
        return None;
    }
    let mut transaction = Transaction::of_known(tools, is_durable(envelopes), known, now);
    transaction.sheet.believes = believes;
    for envelope in envelopes {
        transaction.expect(envelope);
    }
    if !transaction.sheet.needs.is_empty() {
        return None;
    }
    let apply = |envelope| transaction.apply(envelope).ok().flatten();
    let outcomes: Vec<Outcome> = envelopes.iter().map(apply).collect::<Option<_>>()?;
    transaction.checks_all().then_some((transaction, outcomes))
}

/// Whether a mailbox is the same at any moment from `now` on while the time may be off: no claim ends
/// in it, and nothing becomes due.
fn stays(known: &Known, now: Timestamp) -> bool {
    let end = now + TIME_OFF_MAX;
    known.delayed.is_whole()
        && known.dispatches.iter().all(|dispatch| match dispatch.status {
            DispatchStatus::Claimed { lease_until, .. } => lease_until > end,
            DispatchStatus::Queued { due: false } => {
                dispatch.available_at <= now || dispatch.available_at > end
            }
            _ => true,
        })
}
