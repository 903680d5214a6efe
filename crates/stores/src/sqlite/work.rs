//! What the writer is asked to do, and one unit of it done inside a transaction.

use std::time::Duration;

use postroom_core::access::ApiKey;
use postroom_core::command::{ClaimRequest, Envelope};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::StoreError;
use postroom_core::id::{KeyId, TenantId};
use postroom_core::mailbox::Mailbox;
use postroom_core::ports::{
    Applied, ClaimedReady, Clock, IdSource, PurgedEvents, ReclaimScope, Reclaimed,
};
use postroom_core::time::Timestamp;

use super::access;
use super::error::Fault;
use super::queries::Statements;
use super::rows::MailboxRows;
use crate::depth::Depth;

/// What is carried out whole or not at all.
#[derive(Debug)]
pub(super) enum Unit {
    /// A command.
    Command(Envelope),
    /// See [`postroom_core::ports::MailboxStore::claim_ready`].
    ClaimReady {
        /// Who claims, for how long.
        request: ClaimRequest,
        /// How many.
        limit: usize,
    },
    /// See [`postroom_core::ports::MailboxStore::reclaim`].
    Reclaim {
        /// Which claims.
        scope: ReclaimScope,
        /// When they may be claimed again.
        retry_in: Duration,
        /// How many.
        limit: usize,
    },
    /// See [`postroom_core::ports::MailboxStore::purge_terminal`].
    Purge {
        /// Whose; all.
        tenant: Option<TenantId>,
        /// In which state; in any terminal one.
        state: Option<DispatchState>,
        /// What is older.
        older_than: Timestamp,
        /// How many.
        limit: usize,
    },
    /// See [`postroom_core::ports::MailboxStore::purge_events`].
    PurgeEvents {
        /// What is older.
        older_than: Timestamp,
        /// The number of the first thread.
        from: i64,
        /// How much.
        limit: usize,
    },
    /// See [`postroom_core::ports::AccessStore::add_key`].
    AddKey(ApiKey),
    /// See [`postroom_core::ports::AccessStore::revoke_key`].
    RevokeKey(KeyId, Timestamp),
    /// See [`postroom_core::ports::AccessStore::keys_used`].
    KeysUsed(Vec<(KeyId, Timestamp)>),
    /// See [`postroom_core::ports::AccessStore::secret`].
    Secret(String, [u8; 32]),
}

impl Unit {
    /// The word for it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Command(envelope) => envelope.command.name(),
            Self::ClaimReady { .. } => "claim_ready",
            Self::Reclaim { .. } => "reclaim",
            Self::Purge { .. } => "purge_terminal",
            Self::PurgeEvents { .. } => "purge_events",
            Self::AddKey(_) => "add_key",
            Self::RevokeKey(..) => "revoke_key",
            Self::KeysUsed(_) => "keys_used",
            Self::Secret(..) => "secret",
        }
    }

    /// Whether its answer must survive a power failure.
    pub(super) fn is_promise(&self) -> bool {
        match self {
            Self::Command(envelope) => envelope.command.is_promise(),
            Self::ClaimReady { .. }
            | Self::Purge { .. }
            | Self::PurgeEvents { .. }
            | Self::KeysUsed(_) => false,
            Self::Reclaim { .. } | Self::AddKey(_) | Self::RevokeKey(..) | Self::Secret(..) => true,
        }
    }
}

/// What a [`Unit`] brought.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all are the large one")]
pub(super) enum Answer {
    /// A command's reply.
    Applied(Applied),
    /// What was claimed.
    Claimed(ClaimedReady),
    /// What was taken back.
    Reclaimed(Reclaimed),
    /// How many dispatches were deleted.
    Purged(u64),
    /// How many events were deleted, and where to go on.
    PurgedEvents(PurgedEvents),
    /// It was done.
    Done,
    /// Whether it is there.
    Found(bool),
    /// A secret.
    Secret([u8; 32]),
}

/// An answer, or why there is none.
pub(super) type Outcome = Result<Answer, StoreError>;

/// A transaction under way.
pub(super) struct Transaction<'t, 'c> {
    pub(super) statements: &'t mut Statements<'c>,
    pub(super) clock: &'t dyn Clock,
    pub(super) ids: &'t dyn IdSource,
    /// What the transaction does to the number of dispatches in each state.
    pub(super) depth: &'t mut Depth,
}

impl Transaction<'_, '_> {
    /// Carries `unit` out. An error means that the transaction must not be committed.
    pub(super) fn carry_out(&mut self, unit: &Unit) -> Result<Outcome, Fault> {
        match unit {
            Unit::Command(envelope) => Ok(self.apply(envelope)?.map(Answer::Applied)),
            Unit::ClaimReady { request, limit } => {
                self.claim_ready(request, *limit).map(Answer::Claimed).map(Ok)
            }
            Unit::Reclaim { scope, retry_in, limit } => {
                self.reclaim(scope, *retry_in, *limit).map(Answer::Reclaimed).map(Ok)
            }
            Unit::Purge { tenant, state, older_than, limit } => {
                let purged = self.purge_terminal(tenant.as_ref(), *state, *older_than, *limit)?;
                Ok(Ok(Answer::Purged(purged)))
            }
            Unit::PurgeEvents { older_than, from, limit } => {
                self.purge_events(*older_than, *from, *limit).map(Answer::PurgedEvents).map(Ok)
            }
            Unit::AddKey(key) => Ok(access::add_key(self.statements, key)?.map(|()| Answer::Done)),
            Unit::RevokeKey(id, at) => {
                access::revoke_key(self.statements, id, *at).map(Answer::Found).map(Ok)
            }
            Unit::KeysUsed(used) => {
                access::keys_used(self.statements, used).map(|()| Ok(Answer::Done))
            }
            Unit::Secret(name, proposed) => {
                access::secret(self.statements, name, *proposed).map(Answer::Secret).map(Ok)
            }
        }
    }

    /// Loads a mailbox, lets it decide, and writes the changes. An error inside the result has
    /// written nothing and endangers nobody else.
    pub(super) fn apply(
        &mut self,
        envelope: &Envelope,
    ) -> Result<Result<Applied, StoreError>, Fault> {
        let now = self.clock.now();
        let mut rows = MailboxRows::of(self.statements, &envelope.thread_id);
        let mailbox = match Mailbox::load(&mut rows, envelope, now) {
            Ok(mailbox) => mailbox,
            Err(fault @ Fault::Damaged(_)) => return Ok(Err(fault.nothing_written())),
            Err(fault) => return Err(fault),
        };
        let command = envelope.command.clone();
        match mailbox.decide(command, now, self.ids) {
            Ok(decision) => {
                rows.save(&decision.changes, now, self.depth)?;
                let events = decision.changes.events;
                Ok(Ok(Applied { reply: decision.reply, events }))
            }
            Err(refusal) => Ok(Err(refusal.into())),
        }
    }
}
