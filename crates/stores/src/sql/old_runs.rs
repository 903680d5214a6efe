//! A look for runs that may be collected: the rows that it brings, and what becomes of them.

use postroom_core::id::{RunId, ThreadId};
use postroom_core::ports::OldRuns;
use postroom_core::time::Timestamp;

use super::{Columns, Damaged};

/// A run that was looked at.
pub(crate) struct Looked {
    number: i64,
    created_at: Timestamp,
    thread_id: ThreadId,
    run_id: RunId,
    may_go: bool,
}

/// Reads a row.
pub(crate) fn looked(row: &mut impl Columns) -> Result<Looked, Damaged> {
    Ok(Looked {
        number: row.take()?,
        created_at: row.take()?,
        thread_id: row.take()?,
        run_id: row.take()?,
        may_go: row.take()?,
    })
}

/// Those of a piece of up to `limit` runs that may go. It ends with the first that is too young.
pub(crate) fn gathered(looked: Vec<Looked>, ended_before: Timestamp, limit: usize) -> OldRuns {
    let old = looked.iter().take_while(|run| run.created_at < ended_before).count();
    let last = looked.get(old.saturating_sub(1)).filter(|_| old > 0 && old == limit);
    let next_cursor = last.map(|run| format!("{:x}", run.number));
    let going = looked.into_iter().take(old).filter(|run| run.may_go);
    OldRuns { runs: going.map(|run| (run.thread_id, run.run_id)).collect(), next_cursor }
}
