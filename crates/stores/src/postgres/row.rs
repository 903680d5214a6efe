//! Rows as they come from the server, read column by column.

use std::error::Error;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use super::text;
use crate::sql::{Columns, Damaged, Value};

/// A row, read from its first column on.
pub(super) struct RowReader<'r> {
    row: &'r Row,
    next: usize,
}

impl<'r> RowReader<'r> {
    /// `row`, nothing of it read yet.
    pub(super) fn of(row: &'r Row) -> Self {
        Self { row, next: 0 }
    }
}

impl Columns for RowReader<'_> {
    fn next(&mut self) -> Result<Value<'_>, Damaged> {
        let index = self.next;
        self.next += 1;
        let read = self.row.try_get::<_, Read<'_>>(index);
        read.map(|read| read.0)
            .map_err(|e| Damaged(format!("column {} is not readable: {e}", self.last_name())))
    }

    fn last_name(&self) -> String {
        let column = self.next.checked_sub(1).and_then(|index| self.row.columns().get(index));
        column.map_or("?", |column| column.name()).to_owned()
    }

    fn skip(&mut self, count: usize) {
        self.next += count;
    }
}

struct Read<'r>(Value<'r>);

impl<'r> FromSql<'r> for Read<'r> {
    fn from_sql(ty: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let value = match *ty {
            Type::INT8 => Value::Integer(i64::from_sql(ty, raw)?),
            Type::INT4 => Value::Integer(i32::from_sql(ty, raw)?.into()),
            Type::INT2 => Value::Integer(i16::from_sql(ty, raw)?.into()),
            Type::BOOL => Value::Bool(bool::from_sql(ty, raw)?),
            Type::UUID => Value::Uuid(Uuid::from_slice(raw)?),
            // JSON text has neither a U+0000 nor the mark.
            Type::JSON => Value::Text(std::str::from_utf8(raw)?.into()),
            Type::TEXT => {
                let text = text::given(std::str::from_utf8(raw)?);
                Value::Text(text.ok_or("a text is marked as JSON and is none")?)
            }
            _ => return Err(format!("nothing is read as {ty}").into()),
        };
        Ok(Self(value))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
