//! Deleting what nobody needs any more, a bounded piece at a time.

use postroom_core::dispatch::DispatchState;
use postroom_core::time::Timestamp;

use super::error::Fault;
use super::queries::Query;
use super::work::Transaction;

impl Transaction<'_, '_> {
    /// Deletes up to `limit` dispatches that were terminal before `older_than`, and as many answers
    /// to submissions that are as old; says how many dispatches.
    pub(super) fn purge_terminal(
        &mut self,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, Fault> {
        let mut purged = 0;
        let values =
            self.statements.get(Query::DispatchesPurge)?.with(&older_than)?.with(&limit)?;
        let depth = &mut *self.depth;
        values.each(|row| {
            let state: DispatchState = row.take()?;
            depth[state as usize] -= 1;
            purged += 1;
            Ok(true)
        })?;
        let values = self.statements.get(Query::SubmissionsPurge)?.with(&older_than)?;
        values.with(&limit)?.execute()?;
        Ok(purged)
    }
}
