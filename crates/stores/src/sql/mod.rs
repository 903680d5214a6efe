//! What the stores on SQL databases share: the core's nouns as rows, and rows as nouns.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod old_runs;
mod value;

pub(crate) use value::{Put, Sink, Take, Value};

use serde::de::DeserializeOwned;

/// A row is not what this version writes, or a value can't be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) String);

impl Damaged {
    /// What is missing in a row that the schema's checks should have kept whole.
    fn incomplete(what: &'static str) -> Self {
        Self(format!("a row is incomplete: {what}"))
    }

    /// A value has no JSON form.
    #[expect(clippy::needless_pass_by_value, reason = "to be given to map_err")]
    pub(crate) fn unwritable(error: serde_json::Error) -> Self {
        Self(format!("a value can't be written as JSON: {error}"))
    }
}

/// A row's columns, read one after the other.
pub(crate) trait Columns {
    /// The next column.
    fn next(&mut self) -> Result<Value<'_>, Damaged>;

    /// The name of the column that was read last, for messages.
    fn last_name(&self) -> String;

    /// The next column as a value of the core.
    fn take<T: Take>(&mut self) -> Result<T, Damaged> {
        let value = T::take(self.next()?);
        value.ok_or_else(|| Damaged(format!("column {} is not readable", self.last_name())))
    }

    /// The next column, where it holds JSON or NULL.
    fn take_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Damaged> {
        let read = match self.next()? {
            Value::Null => Ok(None),
            Value::Text(json) => serde_json::from_str(&json).map(Some).map_err(|e| e.to_string()),
            other => Err(format!("{other:?} is not JSON")),
        };
        read.map_err(|e| Damaged(format!("column {} is not readable: {e}", self.last_name())))
    }

    /// Passes over `count` columns.
    fn skip(&mut self, count: usize);
}

/// Whether `text` is how somebody would write the value: as JSON, or, for a string, as it is.
pub(crate) fn is_written(value: &serde_json::Value, text: &str) -> bool {
    value.as_str() == Some(text)
        || serde_json::from_str::<serde_json::Value>(text).is_ok_and(|v| v == *value)
}
