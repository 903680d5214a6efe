//! Ids that are Postroom's own.

use std::fmt::Display;

use postroom_automation::RESERVED;

use crate::problem::{Problem, Result};

/// Refuses an id that only Postroom itself may give; `field` is named where it is one.
///
/// # Errors
/// `reserved_id`.
pub(crate) fn not_reserved(field: &str, id: impl Display) -> Result<()> {
    if !id.to_string().starts_with(RESERVED) {
        return Ok(());
    }
    let detail =
        format!("{field}: ids that begin with `{RESERVED}` are Postroom's own: take another");
    Err(Problem::bad_request("reserved_id", detail))
}
