//! Writes what a transaction's commands have changed: the rows of one kind in one statement, which are
//! [sent](super::sending) in a row.

use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::StoreError;
use postroom_core::id::{DispatchId, ThreadId};
use postroom_core::time::Timestamp;

use super::changes::Dirty;
use super::column::Rows;
use super::error::Fault;
use super::queries::Query;
use super::row::RowReader;
use super::sending::Sending;
use super::session::Session;
use super::sheet::Sheet;
use super::slot::Slot;
use super::transaction::Tools;
use crate::depth::Depth;
use crate::sql::Columns;
use crate::sql::encode::Row;

/// Why a transaction that was to be committed was not, or may not have been.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing was written.
    Inside(Fault),
    /// It was on its way to be committed.
    AtCommit(Fault),
}

impl<F: Into<Fault>> From<F> for Failed {
    fn from(fault: F) -> Self {
        Self::Inside(fault.into())
    }
}

impl Failed {
    /// Why.
    pub(super) fn fault(&self) -> &Fault {
        match self {
            Self::Inside(fault) | Self::AtCommit(fault) => fault,
        }
    }

    /// What the callers are told.
    pub(super) fn answer(&self) -> StoreError {
        match self {
            Self::Inside(fault) => fault.nothing_written(),
            Self::AtCommit(fault) => fault.at_commit(),
        }
    }
}

/// How often a transaction was tried that another one was in the way of.
#[derive(Debug, Default)]
pub(super) struct Races(usize);

impl Races {
    /// Whether to try again what failed so: as it is, and not for ever.
    pub(super) fn go_on(&mut self, failed: &Failed) -> bool {
        self.0 += 1;
        matches!(failed, Failed::Inside(fault) if fault.is_race()) && self.0 <= RACES_MAX
    }
}

/// How often a transaction that another one was in the way of is tried again.
const RACES_MAX: usize = 3;

/// Rows of one kind, and the statement that writes them.
pub(super) type Written<'r> = (Query, &'r Rows);

/// How a transaction ends.
#[derive(Clone, Copy)]
pub(super) struct Save<'s> {
    pub(super) tools: Tools<'s>,
    pub(super) dirty: &'s Dirty,
    /// The version of the threads that it writes.
    pub(super) version: i64,
    /// Its commit waits for the disk, whatever it writes.
    pub(super) durable: bool,
    /// The time that it was decided for, if nothing was begun and locked: the server checks it.
    pub(super) believed: Option<Timestamp>,
}

impl Sheet {
    /// Writes what was changed and commits, in one round trip.
    pub(super) async fn save(&self, save: Save<'_>) -> Result<(), Failed> {
        let session = save.tools.session;
        let mut depth = save.dirty.depth.clone();
        for no in &save.dirty.deleted {
            delete_thread(session, *no, &mut depth).await?;
        }
        let rows = self.writes(save.dirty, save.version)?;
        let rows = rows.iter().map(|(query, rows)| (*query, rows));
        let writes: Vec<Written<'_>> = rows.chain(save.dirty.appended()).collect();
        let may_join = !self.takes_keys(save.dirty);
        let sending = Sending::of(&save, writes, may_join, &depth).await?;
        match sending.send().await {
            Ok(()) => Ok(()),
            // A statement failed, and with it the server has undone all of them.
            Err(fault @ Fault::Postgres(_)) if fault.is_of_statement() => {
                Err(Failed::Inside(fault))
            }
            Err(fault) => Err(Failed::AtCommit(fault)),
        }
    }

    /// The rows to be written, by statement, in an order that no unique index objects to: what lets
    /// go of a key comes before what takes it.
    fn writes(&self, dirty: &Dirty, version: i64) -> Result<Vec<(Query, Rows)>, Fault> {
        let mut inserted = Rows::default();
        let mut updated = Rows::default();
        let mut metadata = Rows::default();
        let mut claims = ClaimRows::default();
        for slot in dirty.threads.iter().filter_map(|id| self.threads.get(id)) {
            let Some(thread) = &slot.thread else { continue };
            if slot.stored.exists {
                let row = Row::into(updated.row()).with(&slot.no)?.with(&version)?;
                row.with_thread(thread)?.with(&slot.version)?;
                if slot.stored.metadata != thread.metadata {
                    Row::into(metadata.row()).with(&slot.no)?.with_metadata(thread)?;
                }
            } else {
                let row = Row::into(inserted.row()).with(&slot.no)?.with(&version)?;
                row.with_thread_head(thread)?
                    .with_metadata(thread)?
                    .with_thread(thread)?
                    .with_tenant(&thread.tenant)?;
            }
            self.claim(slot, dirty, &mut claims)?;
        }

        let (mut new_runs, mut runs) = (Rows::default(), Rows::default());
        for run in dirty.runs.new.iter().filter_map(|id| self.runs.get(id)?.as_ref()) {
            let no = self.no_of(&run.thread_id)?;
            Row::into(new_runs.row())
                .with(&no)?
                .with_run_head(run)?
                .with_run(run)?
                .with_tenant(&run.tenant)?;
        }
        for run in dirty.runs.changed.iter().filter_map(|id| self.runs.get(id)?.as_ref()) {
            Row::into(runs.row()).with(&run.id)?.with_run(run)?;
        }

        let mut gone_runs = Rows::default();
        for id in &dirty.collected_runs {
            Row::into(gone_runs.row()).with(id)?;
        }

        let (mut new_dispatches, mut dispatches) = (Rows::default(), Rows::default());
        let known = |id| self.dispatches.get(id)?.as_deref();
        for dispatch in dirty.dispatches.new.iter().filter_map(known) {
            let no = self.no_of(&dispatch.thread_id)?;
            let row = Row::into(new_dispatches.row()).with(&no)?;
            row.with_dispatch_head(dispatch)?
                .with_dispatch(dispatch)?
                .with_tenant(&dispatch.tenant)?;
        }
        for dispatch in dirty.dispatches.changed.iter().filter_map(known) {
            Row::into(dispatches.row()).with(&dispatch.id)?.with_dispatch(dispatch)?;
        }

        let (mut put, mut removed) = (Rows::default(), Rows::default());
        for ((no, id), pending) in &dirty.pending {
            match pending {
                Some(pending) => Row::into(put.row()).with(no)?.with_pending(pending)?,
                None => Row::into(removed.row()).with(no)?.with(id)?,
            };
        }

        let writes = [
            (Query::ThreadsInsert, inserted),
            (Query::ThreadsUpdate, updated),
            (Query::ThreadsUpdateMetadata, metadata),
            (Query::DispatchesUpdate, dispatches),
            (Query::DispatchesInsert, new_dispatches),
            (Query::ClaimsRemove, claims.let_go),
            (Query::ClaimsUpdate, claims.changed),
            (Query::ClaimsInsert, claims.taken),
            (Query::RunsRemove, gone_runs),
            (Query::RunsInsert, new_runs),
            (Query::RunsUpdate, runs),
            (Query::PendingRemove, removed),
            (Query::PendingPut, put),
        ];
        Ok(writes.into_iter().filter(|(_, rows)| !rows.is_empty()).collect())
    }

    /// What becomes of a thread's claim. The primary key refuses a second one.
    fn claim(&self, slot: &Slot, dirty: &Dirty, rows: &mut ClaimRows) -> Result<(), Fault> {
        let now = slot.thread.as_ref().and_then(|thread| thread.claimed_dispatch_id);
        let now = now.and_then(|id| self.dispatches.get(&id)?.as_deref());
        let is_same = |stored: DispatchId, now: &Dispatch| {
            stored == now.id && !dirty.dispatches.contains(&stored)
        };
        match (slot.stored.claimed, now) {
            (None, None) => {}
            (Some(stored), Some(now)) if is_same(stored, now) => {}
            (Some(stored), None) => {
                Row::into(rows.let_go.row()).with(&slot.no)?.with(&stored)?;
            }
            (Some(stored), Some(now)) => {
                let row = Row::into(rows.changed.row()).with(&slot.no)?.with(&stored)?;
                row.with(&now.id)?.with_claim(now)?;
            }
            (None, Some(now)) => {
                Row::into(rows.taken.row()).with(&slot.no)?.with(&now.id)?.with_claim(now)?;
            }
        }
        Ok(())
    }

    /// Whether a new dispatch takes a key: another one may have to let go of it first.
    pub(super) fn takes_keys(&self, dirty: &Dirty) -> bool {
        let mut new =
            dirty.dispatches.new.iter().filter_map(|id| self.dispatches.get(id)?.as_ref());
        new.any(|dispatch| dispatch.dedupe_key.is_some())
    }

    fn no_of(&self, thread_id: &ThreadId) -> Result<i64, Fault> {
        let missing = || Fault::Damaged("a row of another thread was to be written".to_owned());
        self.threads.get(thread_id).map(|slot| slot.no).ok_or_else(missing)
    }
}

/// Rows of claims: those that end, those that give way or go on, and new ones.
#[derive(Default)]
struct ClaimRows {
    let_go: Rows,
    changed: Rows,
    taken: Rows,
}

/// Every value was short enough to be sent.
pub(super) fn check_length(rows: &Rows) -> Result<(), Fault> {
    if rows.is_too_long() {
        return Err(Fault::Damaged("a value is longer than a column can be".to_owned()));
    }
    Ok(())
}

/// As many rows were written as were given: all of them were read in this transaction, under their
/// thread's lock.
pub(super) fn check_written(query: Query, rows: &Rows, written: u64) -> Result<(), Fault> {
    if written == rows.len() as u64 {
        return Ok(());
    }
    Err(Fault::Damaged(format!(
        "{} wrote {written} rows of {}: something else than Postroom changes its tables",
        query.name(),
        rows.len()
    )))
}

/// Removes a thread and all that belongs to it.
async fn delete_thread(session: &Session, no: i64, depth: &mut Depth) -> Result<(), Fault> {
    for row in session.query(Query::ThreadDelete, &[&no]).await? {
        let mut row = RowReader::of(&row);
        let state: DispatchState = row.take()?;
        if state.is_terminal() {
            depth.gone(&row.take()?, state);
        }
    }
    Ok(())
}
