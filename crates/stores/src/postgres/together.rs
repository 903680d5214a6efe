//! The rows of most transactions in one statement: most of what a statement costs, it costs once,
//! here and on the server.

use postroom_core::time::Timestamp;
use tokio_postgres::types::ToSql;

use super::column::Column;
use super::error::Fault;
use super::needs::number;
use super::queries::Query;
use super::row::RowReader;
use super::save::{Written, check_length, check_written};
use super::session::Session;
use crate::sql::Columns;

/// The statements that it is made of, in the order of its values; first those whose rows it counts.
const PARTS: [Query; 10] = [
    Query::ThreadsUpdate,
    Query::DispatchesUpdate,
    Query::RunsUpdate,
    Query::ClaimsUpdate,
    Query::ClaimsRemove,
    Query::DispatchesInsert,
    Query::ClaimsInsert,
    Query::RunsInsert,
    Query::MessagesInsert,
    Query::EventsInsert,
];

/// Those that say how many rows they found. An insertion writes what it is given, or fails; of the
/// threads the server checks it.
const COUNTED: std::ops::Range<usize> = 1..5;

/// So many kinds of rows must be there: those that are not cost a little all the same.
const KINDS_MIN: usize = 4;

/// Whether rows that this statement writes can be written together with others.
pub(super) fn takes(query: Query) -> bool {
    PARTS.contains(&query)
}

/// Whether it is cheaper than a statement for each kind.
pub(super) fn pays(writes: &[Written<'_>]) -> bool {
    writes.iter().filter(|(query, _)| takes(*query)).count() >= KINDS_MIN
}

/// Writes `writes`, all of kinds that it takes, and adds to the number of dispatches in each state.
/// No row may have to be written before another one. It fails where a thread is not as it was read, or
/// the server's time is far from what was `believed`; it says the server's time.
pub(super) async fn write(
    session: &Session,
    writes: Vec<Written<'_>>,
    depth: [i64; 6],
    believed: Option<Timestamp>,
) -> Result<Timestamp, Fault> {
    let nothing = Column::default();
    let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
    for part in PARTS {
        match writes.iter().find(|(query, _)| *query == part) {
            Some((_, rows)) => {
                check_length(rows)?;
                values.extend(rows.values());
            }
            None => {
                let missing = &nothing as &(dyn ToSql + Sync);
                values.extend(std::iter::repeat_n(missing, session.values_of(part)));
            }
        }
    }
    values.extend(depth.iter().map(|delta| delta as &(dyn ToSql + Sync)));
    let threads = writes.iter().find(|(query, _)| *query == Query::ThreadsUpdate);
    let threads = number(threads.map_or(0, |(_, rows)| rows.len() as u64));
    let believed = believed.map_or(0, |time| time.0);
    values.extend([&threads as &(dyn ToSql + Sync), &believed]);

    let counts = session.query(Query::SaveTogether, &values).await?;
    let told = counts.first().ok_or_else(|| Fault::Damaged("no rows were counted".to_owned()))?;
    let mut told = RowReader::of(told);
    told.skip(2);
    let now = told.take()?;
    for part in &PARTS[COUNTED] {
        let written: i64 = told.take()?;
        if let Some((_, rows)) = writes.iter().find(|(query, _)| query == part) {
            check_written(*part, rows, u64::try_from(written).unwrap_or_default())?;
        }
    }
    Ok(now)
}
