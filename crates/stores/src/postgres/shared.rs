//! What all parts of a store use.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use postroom_core::ports::Clock;
use tokio::time::timeout;

use super::cache::Cache;
use super::drawn::{Draw, Drawn};
use super::error::Fault;
use super::numbers::Numbers;
use super::optimistic::Optimism;
use super::save::Failed;
use super::server_time::ServerTime;
use super::session::{Session, Sessions};
use super::transaction::{Tools, Transaction};
use crate::system::SystemIds;

pub(super) struct Shared {
    pub(super) sessions: Sessions,
    /// What tells the time, where it is not the server.
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) ids: Draw,
    /// Names writes: at random, whatever ids are made of.
    pub(super) versions: SystemIds,
    pub(super) numbers: Numbers,
    pub(super) cache: Cache,
    pub(super) server_time: ServerTime,
    /// Whether what this node knows of mailboxes is mostly as they are.
    pub(super) versions_known: Optimism,
    /// Whether names that should be new mostly are.
    pub(super) names: Optimism,
    /// How long a round of statements may take.
    pub(super) limit: Duration,
}

impl Shared {
    /// What a transaction on `session` works with: one more try, with the ids of the first.
    pub(super) fn tools<'t>(&'t self, session: &'t Session, ids: &'t Drawn) -> Tools<'t> {
        ids.again();
        Tools {
            session,
            clock: self.clock.as_deref(),
            ids,
            versions: &self.versions,
            numbers: &self.numbers,
            cache: &self.cache,
            server_time: &self.server_time,
        }
    }

    /// `work`'s result, or that it took too long.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        timeout(self.limit, work).await.unwrap_or(Err(Fault::Timeout))
    }

    /// Commits what was decided, or undoes what was begun.
    pub(super) async fn finish<T>(
        &self,
        session: &Session,
        decided: Result<(Transaction<'_>, T), Fault>,
    ) -> Result<T, Failed> {
        let failed = match decided {
            Ok((transaction, answer)) => match timeout(self.limit, transaction.commit()).await {
                Ok(Ok(())) => return Ok(answer),
                Ok(Err(failed)) => failed,
                Err(_) => Failed::AtCommit(Fault::Timeout),
            },
            Err(fault) => Failed::Inside(fault),
        };
        if let Failed::Inside(fault) = &failed
            && fault.is_of_statement()
        {
            // Else, or if this fails too, the connection is not used again.
            let _ = timeout(self.limit, session.roll_back()).await;
        }
        Err(failed)
    }
}
