//! What a tool says when it did not do it.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Why a tool did not do it. The model reads this, so it says what to do differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The arguments are not what the schema says.
    #[error("invalid arguments: {0}")]
    InvalidArguments(String),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
}

/// Reads a call's arguments into a tool's own type.
///
/// # Errors
/// [`ToolError::InvalidArguments`] saying what is wrong.
pub fn read_arguments<T: DeserializeOwned>(arguments: Value) -> Result<T, ToolError> {
    let arguments = if says_nothing(&arguments) { Value::Object(Map::new()) } else { arguments };
    serde_json::from_value(arguments)
        .map_err(|error| ToolError::InvalidArguments(error.to_string()))
}

/// Whether these are the arguments of a model that has none: it often gives nothing at all.
pub(super) fn says_nothing(arguments: &Value) -> bool {
    match arguments {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}
