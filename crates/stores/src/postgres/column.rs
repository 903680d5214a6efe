//! Columns of rows to be written, each an array that `unnest` takes apart on the server, or, of a row
//! that is alone, a value: encoded as they are gathered, without a copy of every value on the heap.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};
use uuid::Uuid;

use super::text;
use crate::sql::Sink;

/// The length that stands for NULL.
const NULL: i32 = -1;

/// One column: the values of all rows, as the array's binary form wants them.
#[derive(Debug, Default)]
pub(super) struct Column {
    values: Vec<u8>,
    count: i32,
    nulls: i32,
}

impl Column {
    fn put(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.values.put_i32(i32::try_from(bytes.len()).map_err(|_| TooLong)?);
        self.values.extend_from_slice(bytes);
        self.count += 1;
        Ok(())
    }

    fn put_null(&mut self) {
        self.values.put_i32(NULL);
        self.nulls += 1;
        self.count += 1;
    }
}

/// A value is longer than the protocol can say.
#[derive(Debug)]
struct TooLong;

/// The array form of the protocol: dimensions, whether there are NULLs, the type of the elements,
/// their number, the first index; then each with its length.
/// Source: PostgreSQL's `array_recv` and `array_send`.
impl ToSql for Column {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Kind::Array(element) = ty.kind() else {
            return Err(format!("a column is given for {ty}, which is no array").into());
        };
        // `unnest` fills a shorter column up with NULLs: one that has nothing else needs no elements.
        let is_empty = self.nulls == self.count;
        out.put_i32(i32::from(!is_empty));
        out.put_i32(i32::from(self.nulls > 0));
        out.put_u32(element.oid());
        if !is_empty {
            out.put_i32(self.count);
            out.put_i32(1);
            out.put_slice(&self.values);
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(ty.kind(), Kind::Array(_))
    }

    to_sql_checked!();
}

/// The value of a column that has one.
#[derive(Debug)]
pub(super) struct Alone<'c>(&'c Column);

impl ToSql for Alone<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Self(Column { values, count: 1, nulls }) = self else {
            return Err("a column of several values is given for one".into());
        };
        if *nulls > 0 {
            return Ok(IsNull::Yes);
        }
        // Behind its length, which is said once more around it.
        out.put_slice(values.get(size_of_val(&NULL)..).unwrap_or_default());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        !matches!(ty.kind(), Kind::Array(_))
    }

    to_sql_checked!();
}

/// Rows of one kind that are to be written.
#[derive(Debug, Default)]
pub(super) struct Rows {
    columns: Vec<Column>,
    /// The column that the next value is for.
    next: usize,
    count: usize,
    too_long: bool,
}

impl Rows {
    /// Begins a row: the values that follow are its.
    pub(super) fn row(&mut self) -> &mut Self {
        self.next = 0;
        self.count += 1;
        self
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a value was too long to be written: the rows are not whole.
    pub(super) fn is_too_long(&self) -> bool {
        self.too_long
    }

    /// The columns, as a statement's values.
    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.columns.iter().map(|column| column as &(dyn ToSql + Sync)).collect()
    }

    /// The values of the row that is alone.
    pub(super) fn alone(&self) -> impl Iterator<Item = Alone<'_>> {
        self.columns.iter().map(Alone)
    }

    fn column(&mut self) -> &mut Column {
        if self.next == self.columns.len() {
            self.columns.push(Column::default());
        }
        self.next += 1;
        &mut self.columns[self.next - 1]
    }

    fn put(&mut self, bytes: &[u8]) {
        let put = self.column().put(bytes);
        self.too_long |= put.is_err();
    }
}

impl Sink for Rows {
    fn null(&mut self) {
        self.column().put_null();
    }

    fn integer(&mut self, number: i64) {
        self.put(&number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.put(text::stored(text).as_bytes());
    }

    fn uuid(&mut self, uuid: Uuid) {
        self.put(uuid.as_bytes());
    }

    fn boolean(&mut self, yes: bool) {
        self.put(&[u8::from(yes)]);
    }
}
