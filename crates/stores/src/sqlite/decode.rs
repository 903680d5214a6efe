//! Rows that only SQLite has to nouns; the others are as in [`crate::sql::decode`].

use std::sync::Arc;

use postroom_core::event::{Event, EventBody, SharedEvent};
use postroom_core::id::ThreadId;

use super::columns::Columns;
use crate::sql::{Columns as _, Damaged};

/// A row of `events`, as one of `thread_id`.
pub(super) fn event(
    row: &mut Columns<'_, '_>,
    thread_id: &ThreadId,
) -> Result<SharedEvent, Damaged> {
    row.skip(1);
    let (seq, run_id, at) = (row.take()?, row.take()?, row.take()?);
    let kind = row.text()?.unwrap_or_default();
    let data = row.text()?.unwrap_or_default();
    let body = EventBody::from_parts(kind, data)
        .map_err(|error| Damaged(format!("event {seq} is not readable: {error}")))?;
    Ok(Arc::new(Event { seq, thread_id: thread_id.clone(), run_id, at, body }))
}
