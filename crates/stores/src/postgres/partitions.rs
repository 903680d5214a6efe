//! The partitions of the events: one for each day, made some days ahead and dropped when they are old.

use postroom_core::time::Timestamp;

use super::error::Fault;
use super::queries::in_schema;
use super::session::Session;

/// How many days ahead there are partitions.
const DAYS_AHEAD: i64 = 3;
/// A day, in milliseconds.
const DAY: i64 = 86_400_000;

const MAKE: &str = include_str!("queries/partition.sql");
const DROP: &str = include_str!("queries/drop_days.sql");

/// Makes the partitions of the day of `now` and of those after it, where they are not there.
pub(super) async fn make(session: &Session, schema: &str, now: Timestamp) -> Result<(), Fault> {
    let today = now.0.div_euclid(DAY);
    for day in today..=today + DAYS_AHEAD {
        let sql = in_schema(MAKE, schema)
            .replace("{day}", &day.to_string())
            .replace("{from}", &(day * DAY).to_string())
            .replace("{to}", &((day + 1) * DAY).to_string());
        session.run_script(&sql).await?;
    }
    Ok(())
}

/// Drops partitions of days that ended before `older_than`, some of them at a time. What somebody is
/// at stays until the next time.
pub(super) async fn drop_old(session: &Session, schema: &str, older_than: Timestamp) {
    let day = older_than.0.div_euclid(DAY);
    let sql = in_schema(DROP, schema).replace("{day}", &day.to_string());
    if let Err(fault) = session.run_script(&sql).await {
        tracing::debug!(reason = fault.said(), "old days of events were not dropped");
    }
}
