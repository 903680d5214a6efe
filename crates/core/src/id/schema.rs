//! What ids look like, as JSON Schema.

use schemars::{Schema, json_schema};

use super::TENANT_BYTES_MAX;

/// An id that a user may choose. JSON Schema counts characters where the core counts bytes, and does
/// not say that surrounding white space is taken away: it accepts a few that are refused.
pub(super) fn text_id(bytes_max: usize) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": bytes_max,
        "pattern": r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
    })
}

pub(super) fn uuid_id() -> Schema {
    json_schema!({ "type": "string", "format": "uuid" })
}

pub(super) fn tenant() -> Schema {
    json_schema!({
        "type": "string",
        "pattern": format!("^[a-z0-9_-]{{1,{TENANT_BYTES_MAX}}}$"),
    })
}
