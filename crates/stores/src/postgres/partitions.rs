//! The partitions of the events: one for each day, made some days ahead.

use postroom_core::time::Timestamp;

use super::error::Fault;
use super::queries::in_schema;
use super::session::Session;

/// How many days ahead there are partitions.
const DAYS_AHEAD: i64 = 3;
/// A day, in milliseconds.
const DAY: i64 = 86_400_000;

const MAKE: &str = include_str!("queries/partition.sql");

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
