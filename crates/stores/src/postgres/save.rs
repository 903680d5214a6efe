//! Writes what a transaction's commands have changed: the rows of one kind in one statement, all
//! statements in a row, and the commit behind them.

use std::future::Future;
use std::pin::Pin;

use futures::future::join_all;
use postroom_core::dispatch::DispatchState;
use postroom_core::error::StoreError;
use postroom_core::id::ThreadId;

use super::changes::Dirty;
use super::column::Rows;
use super::error::Fault;
use super::queries::Query;
use super::row::RowReader;
use super::session::Session;
use super::sheet::Sheet;
use super::slot::Slot;
use super::together;
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
    /// What the callers are told.
    pub(super) fn answer(&self) -> StoreError {
        match self {
            Self::Inside(fault) => fault.nothing_written(),
            Self::AtCommit(fault) => fault.at_commit(),
        }
    }
}

/// Rows of one kind, and the statement that writes them.
pub(super) type Written<'r> = (Query, &'r Rows);

type Sent<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;

impl Sheet {
    /// Writes what was changed and commits, in one round trip. `durable` says whether the commit
    /// waits for the disk already.
    pub(super) async fn save(
        &self,
        session: &Session,
        dirty: &Dirty,
        durable: bool,
    ) -> Result<(), Failed> {
        let mut depth = dirty.depth.clone();
        for no in &dirty.deleted {
            delete_thread(session, *no, &mut depth).await?;
        }
        let writes = self.writes(dirty)?;
        let writes: Vec<Written<'_>> =
            writes.iter().map(|(query, rows)| (*query, rows)).chain(dirty.appended()).collect();
        let joins = session.prepares() && !self.takes_keys(dirty) && together::pays(&writes);
        let (joined, single): (Vec<_>, Vec<_>) =
            writes.into_iter().partition(|(query, _)| joins && together::takes(*query));
        // Sent in a row, without waiting for each other. The counters come last: their row is what
        // another transaction may wait for.
        let mut sent: Vec<Sent<'_>> = Vec::with_capacity(single.len() + 4);
        for (query, rows) in single {
            sent.push(Box::pin(write(session, query, rows)));
        }
        if joins {
            sent.push(Box::pin(together::write(session, joined, depth.total)));
        } else if depth.total != [0; 6] {
            sent.push(Box::pin(session.add_depth(&depth.total)));
        }
        if !depth.tenants.is_empty() {
            sent.push(Box::pin(session.add_tenant_depth(&depth)));
        }
        if !durable && dirty.has_events() {
            // Whoever has seen an event goes on after its number: after a crash that number must not
            // be another event's.
            sent.push(Box::pin(session.wait_for_disk()));
        }
        sent.push(Box::pin(session.commit()));
        match join_all(sent).await.into_iter().find_map(Result::err) {
            None => Ok(()),
            // A statement failed, and with it the server has undone all of them.
            Some(fault @ Fault::Postgres(_)) if fault.is_of_statement() => {
                Err(Failed::Inside(fault))
            }
            Some(fault) => Err(Failed::AtCommit(fault)),
        }
    }

    /// The rows to be written, by statement, in an order that no unique index objects to: what lets
    /// go of a key comes before what takes it.
    fn writes(&self, dirty: &Dirty) -> Result<Vec<(Query, Rows)>, Fault> {
        let mut inserted = Rows::default();
        let mut updated = Rows::default();
        let mut metadata = Rows::default();
        let mut let_go = Rows::default();
        let mut claimed = Rows::default();
        for slot in dirty.threads.iter().filter_map(|id| self.threads.get(id)) {
            let Some(thread) = &slot.thread else { continue };
            let version = slot.version + 1;
            if slot.stored.exists {
                Row::into(updated.row()).with(&slot.no)?.with(&version)?.with_thread(thread)?;
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
            self.claim(slot, dirty, &mut let_go, &mut claimed)?;
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
            (Query::ClaimsRemove, let_go),
            (Query::ThreadsInsert, inserted),
            (Query::ThreadsUpdate, updated),
            (Query::ThreadsUpdateMetadata, metadata),
            (Query::DispatchesUpdate, dispatches),
            (Query::DispatchesInsert, new_dispatches),
            (Query::ClaimsInsert, claimed),
            (Query::RunsRemove, gone_runs),
            (Query::RunsInsert, new_runs),
            (Query::RunsUpdate, runs),
            (Query::PendingRemove, removed),
            (Query::PendingPut, put),
        ];
        Ok(writes.into_iter().filter(|(_, rows)| !rows.is_empty()).collect())
    }

    /// What becomes of a thread's claim: a changed one is let go of and taken anew, so that the
    /// primary key refuses a second one.
    fn claim(
        &self,
        slot: &Slot,
        dirty: &Dirty,
        let_go: &mut Rows,
        claimed: &mut Rows,
    ) -> Result<(), Fault> {
        let stored = slot.stored.claimed;
        let now = slot.thread.as_ref().and_then(|thread| thread.claimed_dispatch_id);
        let is_changed = |id| dirty.dispatches.contains(&id);
        if stored == now && !now.is_some_and(is_changed) {
            return Ok(());
        }
        if let Some(id) = stored {
            Row::into(let_go.row()).with(&slot.no)?.with(&id)?;
        }
        if let Some(dispatch) = now.and_then(|id| self.dispatches.get(&id)?.as_deref()) {
            Row::into(claimed.row()).with(&slot.no)?.with(&dispatch.id)?.with_claim(dispatch)?;
        }
        Ok(())
    }

    /// Whether a new dispatch takes a key: another one may have to let go of it first.
    fn takes_keys(&self, dirty: &Dirty) -> bool {
        let mut new =
            dirty.dispatches.new.iter().filter_map(|id| self.dispatches.get(id)?.as_ref());
        new.any(|dispatch| dispatch.dedupe_key.is_some())
    }

    fn no_of(&self, thread_id: &ThreadId) -> Result<i64, Fault> {
        let missing = || Fault::Damaged("a row of another thread was to be written".to_owned());
        self.threads.get(thread_id).map(|slot| slot.no).ok_or_else(missing)
    }
}

async fn write(session: &Session, query: Query, rows: &Rows) -> Result<(), Fault> {
    check_length(rows)?;
    let written = session.execute(query, &rows.values()).await?;
    if query == Query::PendingRemove { Ok(()) } else { check_written(query, rows, written) }
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
