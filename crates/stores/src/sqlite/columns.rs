//! A statement's values, and a row's columns.

use std::borrow::Cow;

use rusqlite::types::{Null, ValueRef};
use rusqlite::{Row, Statement, ToSql};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::error::Fault;
use crate::sql::{self, Columns as _, Damaged, Put, Sink, Take, Value};

/// A statement that is given its values one after the other, without copies on the heap.
pub(super) struct Values<'s, 'c> {
    statement: &'s mut Statement<'c>,
    given: usize,
    failed: Option<rusqlite::Error>,
}

impl<'s, 'c> Values<'s, 'c> {
    /// `statement` without values.
    pub(super) fn of(statement: &'s mut Statement<'c>) -> Self {
        Self { statement, given: 0, failed: None }
    }

    /// Gives the next value.
    pub(super) fn with<T: Put + ?Sized>(mut self, value: &T) -> Result<Self, Fault> {
        value.put(&mut self)?;
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None => Ok(self),
        }
    }

    fn bind(&mut self, value: impl ToSql) {
        self.given += 1;
        let bound = self.statement.raw_bind_parameter(self.given, value);
        self.failed = self.failed.take().or(bound.err());
    }

    /// Gives the next value as JSON, or NULL.
    pub(super) fn with_json<T: Serialize>(self, value: Option<&T>) -> Result<Self, Fault> {
        let json = value.map(serde_json::to_string).transpose().map_err(Damaged::unwritable)?;
        self.with(&json.as_deref())
    }

    /// Carries it out; says how many rows it wrote.
    pub(super) fn execute(self) -> Result<usize, Fault> {
        debug_assert_eq!(self.given, self.statement.parameter_count());
        Ok(self.statement.raw_execute()?)
    }

    /// Carries it out; it must have written exactly one row.
    pub(super) fn write_one(self, what: &'static str) -> Result<(), Fault> {
        match self.execute()? {
            1 => Ok(()),
            _ => Err(Fault::Damaged(format!("the {what} to change is not there"))),
        }
    }

    /// The first row, if there is one.
    pub(super) fn one<T>(
        self,
        read: impl FnOnce(&mut Columns<'_, '_>) -> Result<T, Damaged>,
    ) -> Result<Option<T>, Fault> {
        debug_assert_eq!(self.given, self.statement.parameter_count());
        let mut rows = self.statement.raw_query();
        Ok(rows.next()?.map(|row| read(&mut Columns::of(row))).transpose()?)
    }

    /// All rows.
    pub(super) fn all<T>(
        self,
        mut read: impl FnMut(&mut Columns<'_, '_>) -> Result<T, Damaged>,
    ) -> Result<Vec<T>, Fault> {
        let mut items = Vec::new();
        self.each(|columns| {
            items.push(read(columns)?);
            Ok(true)
        })?;
        Ok(items)
    }

    /// One row after the other, until there are no more or `read` says `false`.
    pub(super) fn each(
        self,
        mut read: impl FnMut(&mut Columns<'_, '_>) -> Result<bool, Damaged>,
    ) -> Result<(), Fault> {
        debug_assert_eq!(self.given, self.statement.parameter_count());
        let mut rows = self.statement.raw_query();
        while let Some(row) = rows.next()? {
            if !read(&mut Columns::of(row))? {
                break;
            }
        }
        Ok(())
    }
}

/// A row's columns, read one after the other.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    /// The next column as it stands in the file, to be looked at only.
    pub(super) fn text(&mut self) -> Result<Option<&'r str>, Damaged> {
        let index = self.next;
        self.next += 1;
        let value = self.row.get_ref(index).map_err(|error| Damaged(error.to_string()))?;
        value.as_str_or_null().map_err(|_| self.unreadable())
    }

    /// A column further on, without going there.
    pub(super) fn peek<T: Take>(&self, ahead: usize) -> Result<T, Damaged> {
        Self { row: self.row, next: self.next + ahead }.take()
    }

    fn unreadable(&self) -> Damaged {
        Damaged(format!("column {} is not readable", self.last_name()))
    }
}

impl sql::Columns for Columns<'_, '_> {
    fn next(&mut self) -> Result<Value<'_>, Damaged> {
        let index = self.next;
        self.next += 1;
        match self.row.get_ref(index) {
            Ok(ValueRef::Null) => Ok(Value::Null),
            Ok(ValueRef::Integer(number)) => Ok(Value::Integer(number)),
            Ok(ValueRef::Text(text)) => {
                let text = str::from_utf8(text).map_err(|_| self.unreadable())?;
                Ok(Value::Text(Cow::Borrowed(text)))
            }
            Ok(ValueRef::Real(_) | ValueRef::Blob(_)) => Err(self.unreadable()),
            Err(error) => Err(Damaged(error.to_string())),
        }
    }

    fn last_name(&self) -> String {
        let name = self.row.as_ref().column_name(self.next.saturating_sub(1));
        name.unwrap_or("?").to_owned()
    }

    fn skip(&mut self, count: usize) {
        self.next += count;
    }
}

/// There is no type for yes or no, and a UUID is text, so that a person finds it.
impl Sink for Values<'_, '_> {
    fn null(&mut self) {
        self.bind(Null);
    }

    fn integer(&mut self, number: i64) {
        self.bind(number);
    }

    fn text(&mut self, text: &str) {
        self.bind(text);
    }

    fn uuid(&mut self, uuid: Uuid) {
        let mut buffer = Uuid::encode_buffer();
        self.bind(&*uuid.hyphenated().encode_lower(&mut buffer));
    }

    fn boolean(&mut self, yes: bool) {
        self.bind(i64::from(yes));
    }
}

/// The one column of a row.
pub(super) fn only<T: Take>(row: &mut Columns<'_, '_>) -> Result<T, Damaged> {
    row.take()
}

/// The one column of a row, where it holds JSON or NULL.
pub(super) fn only_json<T: DeserializeOwned>(
    row: &mut Columns<'_, '_>,
) -> Result<Option<T>, Damaged> {
    row.take_json()
}
