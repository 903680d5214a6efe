//! Deleting what nobody needs any more, a bounded piece at a time.

use postroom_core::dispatch::DispatchState;
use postroom_core::id::TenantId;
use postroom_core::ports::PurgedEvents;
use postroom_core::time::Timestamp;

use super::columns::only;
use super::error::Fault;
use super::queries::Query;
use super::work::Transaction;
use crate::sql::Columns as _;

impl Transaction<'_, '_> {
    /// Deletes up to `limit` dispatches of `tenant`, or of all, that are in `state` since before `older_than`; without one,
    /// in any terminal state, and as many answers to submissions that are as old. Says how many
    /// dispatches.
    pub(super) fn purge_terminal(
        &mut self,
        tenant: Option<&TenantId>,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, Fault> {
        let Some(state) = state else {
            let mut purged = 0;
            for state in DispatchState::TERMINAL {
                let left = limit.saturating_sub(usize::try_from(purged).unwrap_or(limit));
                purged += self.purge_state(tenant, state, older_than, left)?;
            }
            if tenant.is_none() {
                self.purge_submissions(older_than, limit)?;
            }
            return Ok(purged);
        };
        if !state.is_terminal() {
            return Ok(0);
        }
        self.purge_state(tenant, state, older_than, limit)
    }

    fn purge_state(
        &mut self,
        tenant: Option<&TenantId>,
        state: DispatchState,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, Fault> {
        let query = match tenant {
            None => Query::DispatchesPurge,
            Some(tenant) if tenant.is_default() => Query::DispatchesPurgeDefault,
            Some(_) => Query::DispatchesPurgeOfTenant,
        };
        let mut values = self.statements.get(query)?.with(&state)?.with(&older_than)?;
        values = values.with(&limit)?;
        if query == Query::DispatchesPurgeOfTenant {
            values = values.with(&tenant)?;
        }
        let mut purged = 0;
        values.each(|row| {
            self.depth.gone(&row.take()?, state);
            purged += 1;
            Ok(true)
        })?;
        Ok(purged)
    }

    /// Deletes old events of up to `limit` threads, and up to `limit` of each. There is no index by
    /// their age, which every event would have to be put into: a look at each thread's oldest costs
    /// less.
    pub(super) fn purge_events(
        &mut self,
        older_than: Timestamp,
        from: i64,
        limit: usize,
    ) -> Result<PurgedEvents, Fault> {
        let values = self.statements.get(Query::EventsThreads)?.with(&from)?;
        let threads: Vec<i64> = values.with(&limit)?.all(only)?;
        let mut purged = PurgedEvents::default();
        for no in &threads {
            let deleted = self.purge_events_of(*no, older_than, limit)?;
            purged.deleted += deleted as u64;
            if purged.deleted >= limit as u64 {
                purged.next_cursor = Some(format!("{no:x}"));
                return Ok(purged);
            }
        }
        let last = threads.last().filter(|_| threads.len() == limit);
        purged.next_cursor = last.map(|no| format!("{:x}", no + 1));
        Ok(purged)
    }

    fn purge_events_of(
        &mut self,
        no: i64,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<usize, Fault> {
        let mut last: Option<i64> = None;
        self.statements.get(Query::EventsOldest)?.with(&no)?.with(&limit)?.each(|row| {
            let (seq, at): (i64, Timestamp) = (row.take()?, row.take()?);
            let is_old = at < older_than;
            if is_old {
                last = Some(seq);
            }
            Ok(is_old)
        })?;
        match last {
            Some(last) => {
                self.statements.get(Query::EventsPurge)?.with(&no)?.with(&last)?.execute()
            }
            None => Ok(0),
        }
    }

    fn purge_submissions(&mut self, older_than: Timestamp, limit: usize) -> Result<(), Fault> {
        let values = self.statements.get(Query::SubmissionsPurge)?.with(&older_than)?;
        values.with(&limit)?.execute()?;
        Ok(())
    }
}
