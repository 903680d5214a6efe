//! Deleting what nobody needs any more, a bounded piece at a time.

use postroom_core::dispatch::DispatchState;
use postroom_core::time::Timestamp;

use super::error::Fault;
use super::queries::Query;
use super::work::Transaction;

impl Transaction<'_, '_> {
    /// Deletes up to `limit` dispatches that are in `state` since before `older_than`; without one,
    /// in any terminal state, and as many answers to submissions that are as old. Says how many
    /// dispatches.
    pub(super) fn purge_terminal(
        &mut self,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, Fault> {
        let Some(state) = state else {
            let mut purged = 0;
            for state in DispatchState::TERMINAL {
                let left = limit.saturating_sub(usize::try_from(purged).unwrap_or(limit));
                purged += self.purge_state(state, older_than, left)?;
            }
            self.purge_submissions(older_than, limit)?;
            return Ok(purged);
        };
        if !state.is_terminal() {
            return Ok(0);
        }
        self.purge_state(state, older_than, limit)
    }

    fn purge_state(
        &mut self,
        state: DispatchState,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, Fault> {
        let values = self.statements.get(Query::DispatchesPurge)?.with(&state)?;
        let purged = values.with(&older_than)?.with(&limit)?.execute()?;
        self.depth[state as usize] -= i64::try_from(purged).unwrap_or(i64::MAX);
        Ok(purged as u64)
    }

    fn purge_submissions(&mut self, older_than: Timestamp, limit: usize) -> Result<(), Fault> {
        let values = self.statements.get(Query::SubmissionsPurge)?.with(&older_than)?;
        values.with(&limit)?.execute()?;
        Ok(())
    }
}
