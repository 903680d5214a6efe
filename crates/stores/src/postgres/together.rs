//! The rows of most transactions in one statement: most of what a statement costs, it costs once,
//! here and on the server.

use postroom_core::time::Timestamp;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::column::{Alone, Column, Rows};
use super::error::Fault;
use super::needs::number;
use super::optimistic::TIME_OFF_MAX;
use super::queries::Query;
use super::row::RowReader;
use super::save::{Written, check_length, check_written};
use super::session::Session;
use crate::sql::Columns;

/// The statements that it is made of, in the order of its values; first those whose rows it counts.
pub(super) const PARTS: [Query; 10] = [
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

/// What writes rows of which there is one of each kind: with plain values instead of arrays it costs a
/// third. Nothing where there are more. It is asked for beforehand, so that nothing waits for it among
/// the statements that are sent in a row.
pub(super) async fn of_one(
    session: &Session,
    writes: &[Written<'_>],
) -> Result<Option<Statement>, Fault> {
    let kinds: Vec<Query> = kinds(writes).map(|(kind, _)| kind).collect();
    // Without its threads it would be another statement: they come first in it.
    let is_of_one = kinds.first() == Some(&Query::ThreadsUpdate)
        && writes.iter().all(|(_, rows)| rows.len() == 1);
    if is_of_one { session.together_of_one(&kinds).await.map(Some) } else { Ok(None) }
}

/// What there is of each part, in the order of the values.
fn kinds<'w>(writes: &'w [Written<'_>]) -> impl Iterator<Item = (Query, &'w Rows)> {
    let of_part = |part| writes.iter().find(move |(query, _)| *query == part);
    PARTS.into_iter().filter_map(move |part| of_part(part).map(|(query, rows)| (*query, *rows)))
}

/// Writes `writes`, all of kinds that it takes, and adds to the number of dispatches in each state; with
/// the statement [of one](of_one), if it is that. No row may have to be written before another one. It
/// fails where a thread is not as it was read, or the server's time is far from what was `believed`; it
/// says the server's time.
pub(super) async fn write(
    session: &Session,
    writes: &[Written<'_>],
    of_one: Option<&Statement>,
    depth: [i64; 6],
    believed: Option<Timestamp>,
) -> Result<Timestamp, Fault> {
    kinds(writes).try_for_each(|(_, rows)| check_length(rows))?;
    let threads = writes.iter().find(|(query, _)| *query == Query::ThreadsUpdate);
    let threads = number(threads.map_or(0, |(_, rows)| rows.len() as u64));
    let believed = believed.map_or(0, |time| time.0);
    let off_max = number(u64::try_from(TIME_OFF_MAX.as_millis()).unwrap_or(u64::MAX));
    let at_the_end = depth.iter().chain([&threads, &believed, &off_max]);
    let at_the_end = at_the_end.map(|number| number as &(dyn ToSql + Sync));

    let counts = match of_one {
        Some(statement) => {
            let alone: Vec<Alone<'_>> = kinds(writes).flat_map(|(_, rows)| rows.alone()).collect();
            let alone = alone.iter().map(|value| value as &(dyn ToSql + Sync));
            let values: Vec<_> = alone.chain(at_the_end).collect();
            session.query_prepared(statement, &values).await?
        }
        None => {
            let nothing = Column::default();
            let mut values: Vec<&(dyn ToSql + Sync)> = Vec::new();
            for part in PARTS {
                match writes.iter().find(|(query, _)| *query == part) {
                    Some((_, rows)) => values.extend(rows.values()),
                    None => {
                        let missing = &nothing as &(dyn ToSql + Sync);
                        values.extend(std::iter::repeat_n(missing, session.values_of(part)));
                    }
                }
            }
            values.extend(at_the_end);
            session.query(Query::SaveTogether, &values).await?
        }
    };
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
