//! The list of nodes.

use postroom_core::id::NodeId;
use postroom_core::node::{Heartbeat, NodeRecord};
use postroom_core::time::Timestamp;
use tokio_postgres::Row;

use super::error::Fault;
use super::needs::number;
use super::queries::Query;
use super::row::RowReader;
use super::session::Session;
use crate::sql::Columns;

/// A node that was not seen for so long, in milliseconds, does no work.
const SEEN_WITHIN: i64 = 60_000;

/// Notes what a node says of itself; `time` is the time, where it is not the server's. Says how many nodes
/// there are with it.
pub(super) async fn heartbeat(
    session: &Session,
    beat: &Heartbeat,
    time: Option<i64>,
) -> Result<usize, Fault> {
    let up_for = i64::try_from(beat.up_for.as_millis()).unwrap_or(i64::MAX);
    let (active, room) = (number(beat.active_runs), number(beat.max_concurrent_runs));
    let id = beat.id.to_string();
    let rows = session
        .query(
            Query::NodeBeat,
            &[
                &time,
                &id,
                &beat.version,
                &beat.address,
                &up_for,
                &active,
                &room,
                &beat.is_draining,
                &SEEN_WITHIN,
            ],
        )
        .await?;
    let told = rows.first().ok_or_else(|| Fault::Damaged("a heartbeat says nothing".to_owned()))?;
    let others: u64 = RowReader::of(told).take()?;
    Ok(usize::try_from(others).unwrap_or(usize::MAX).saturating_add(1))
}

/// All nodes, by id.
pub(super) async fn all(session: &Session) -> Result<Vec<NodeRecord>, Fault> {
    session.query(Query::Nodes, &[]).await?.iter().map(record).collect()
}

fn record(row: &Row) -> Result<NodeRecord, Fault> {
    let mut row = RowReader::of(row);
    Ok(NodeRecord {
        id: row.take()?,
        version: row.take()?,
        address: row.take()?,
        started_at: row.take()?,
        seen_at: row.take()?,
        active_runs: row.take()?,
        max_concurrent_runs: row.take()?,
        is_draining: row.take()?,
    })
}

/// Takes a node off the list.
pub(super) async fn forget(session: &Session, id: &NodeId) -> Result<(), Fault> {
    session.execute(Query::NodeForget, &[&id.to_string()]).await?;
    Ok(())
}

/// Takes the nodes off the list that were last seen before `unseen_since`; says how many.
pub(super) async fn forget_unseen(
    session: &Session,
    unseen_since: Timestamp,
) -> Result<u64, Fault> {
    session.execute(Query::NodesForget, &[&unseen_since.0]).await
}
