//! Values to columns and back: one place that knows how each type is kept.

use std::fmt::Display;
use std::str::FromStr;

use postroom_core::dispatch::{AttemptStatus, DispatchState, Priority};
use postroom_core::id::{
    AgentId, DedupeKey, DispatchId, Epoch, IdempotencyKey, InstanceId, MessageId, NodeId, RunId,
    ThreadId,
};
use postroom_core::message::{Role, Visibility};
use postroom_core::pending::{Boundary, Granularity};
use postroom_core::run::{AgentState, Origin, RunState, WaitReason};
use postroom_core::time::Timestamp;
use rusqlite::types::{Null, ValueRef};
use rusqlite::{Row, Statement};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Fault;

/// A statement that is given its values one after the other, without copies on the heap.
pub(super) struct Values<'s, 'c> {
    statement: &'s mut Statement<'c>,
    given: usize,
}

impl<'s, 'c> Values<'s, 'c> {
    /// `statement` without values.
    pub(super) fn of(statement: &'s mut Statement<'c>) -> Self {
        Self { statement, given: 0 }
    }

    /// Gives the next value.
    pub(super) fn with<T: Put + ?Sized>(mut self, value: &T) -> Result<Self, Fault> {
        self.given += 1;
        value.put(self.statement, self.given)?;
        Ok(self)
    }

    /// Gives the next value as JSON, or NULL.
    pub(super) fn with_json<T: Serialize>(self, value: Option<&T>) -> Result<Self, Fault> {
        let json = value.map(serde_json::to_string).transpose().map_err(Fault::unwritable)?;
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
        read: impl FnOnce(&mut Columns<'_, '_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        debug_assert_eq!(self.given, self.statement.parameter_count());
        let mut rows = self.statement.raw_query();
        rows.next()?.map(|row| read(&mut Columns::of(row))).transpose()
    }

    /// All rows.
    pub(super) fn all<T>(
        self,
        mut read: impl FnMut(&mut Columns<'_, '_>) -> Result<T, Fault>,
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
        mut read: impl FnMut(&mut Columns<'_, '_>) -> Result<bool, Fault>,
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

    /// The next column.
    pub(super) fn take<T: Take>(&mut self) -> Result<T, Fault> {
        let index = self.next;
        self.next += 1;
        let value = self.row.get_ref(index)?;
        T::take(value).ok_or_else(|| self.unreadable(index, &value.data_type()))
    }

    /// The next column, where it holds JSON or NULL.
    pub(super) fn take_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Fault> {
        let index = self.next;
        self.next += 1;
        match self.row.get_ref(index)? {
            ValueRef::Null => Ok(None),
            ValueRef::Text(json) => {
                serde_json::from_slice(json).map(Some).map_err(|e| self.unreadable(index, &e))
            }
            other => Err(self.unreadable(index, &other.data_type())),
        }
    }

    /// The next column as it stands in the file, to be looked at only.
    pub(super) fn text(&mut self) -> Result<Option<&'r str>, Fault> {
        let index = self.next;
        self.next += 1;
        let value = self.row.get_ref(index)?;
        value.as_str_or_null().map_err(|e| self.unreadable(index, &e))
    }

    /// A column further on, without going there.
    pub(super) fn peek<T: Take>(&self, ahead: usize) -> Result<T, Fault> {
        Self { row: self.row, next: self.next + ahead }.take()
    }

    /// Passes over `count` columns.
    pub(super) fn skip(&mut self, count: usize) {
        self.next += count;
    }

    fn unreadable(&self, index: usize, found: &dyn Display) -> Fault {
        let column = self.row.as_ref().column_name(index).unwrap_or("?").to_owned();
        Fault::Damaged(format!("column {column} is not readable: {found}"))
    }
}

/// The one column of a row.
pub(super) fn only<T: Take>(row: &mut Columns<'_, '_>) -> Result<T, Fault> {
    row.take()
}

/// The one column of a row, where it holds JSON or NULL.
pub(super) fn only_json<T: DeserializeOwned>(
    row: &mut Columns<'_, '_>,
) -> Result<Option<T>, Fault> {
    row.take_json()
}

/// What can be given to a statement.
pub(super) trait Put {
    /// Gives it as the `index`th value.
    fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()>;
}

/// What can be read from a column.
pub(super) trait Take: Sized {
    /// Reads it; `None` if it is nothing of this type.
    fn take(value: ValueRef<'_>) -> Option<Self>;
}

impl<T: Put> Put for Option<T> {
    fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        match self {
            Some(value) => value.put(statement, index),
            None => statement.raw_bind_parameter(index, Null),
        }
    }
}

impl<T: Take> Take for Option<T> {
    fn take(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            value => T::take(value).map(Some),
        }
    }
}

impl<T: Put + ?Sized> Put for &T {
    fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        (**self).put(statement, index)
    }
}

impl Put for str {
    fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(index, self)
    }
}

impl Put for String {
    fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        self.as_str().put(statement, index)
    }
}

impl Take for String {
    fn take(value: ValueRef<'_>) -> Option<Self> {
        value.as_str().ok().map(str::to_owned)
    }
}

impl Put for i64 {
    fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(index, *self)
    }
}

impl Take for i64 {
    fn take(value: ValueRef<'_>) -> Option<Self> {
        value.as_i64().ok()
    }
}

/// Numbers that SQLite keeps as an `i64`.
macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Put for $type {
            fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
                let number = i64::try_from(*self)
                    .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
                statement.raw_bind_parameter(index, number)
            }
        }

        impl Take for $type {
            fn take(value: ValueRef<'_>) -> Option<Self> {
                value.as_i64().ok()?.try_into().ok()
            }
        }
    )*};
}

numbers!(u8, u32, u64);

/// How many rows, at most: more than SQLite can count is all of them.
impl Put for usize {
    fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        i64::try_from(*self).unwrap_or(i64::MAX).put(statement, index)
    }
}

impl Put for bool {
    fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        statement.raw_bind_parameter(index, i64::from(*self))
    }
}

impl Take for bool {
    fn take(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Integer(0) => Some(false),
            ValueRef::Integer(1) => Some(true),
            _ => None,
        }
    }
}

/// Types around one number.
macro_rules! wrapped {
    ($($type:ident),*) => {$(
        impl Put for $type {
            fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
                self.0.put(statement, index)
            }
        }

        impl Take for $type {
            fn take(value: ValueRef<'_>) -> Option<Self> {
                Take::take(value).map(Self)
            }
        }
    )*};
}

wrapped!(Timestamp, Epoch, Priority);

/// Ids that users may choose: text.
macro_rules! text_ids {
    ($($type:ident),*) => {$(
        impl Put for $type {
            fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
                self.with_str(|text| text.put(statement, index))
            }
        }

        impl Take for $type {
            fn take(value: ValueRef<'_>) -> Option<Self> {
                Self::parse(value.as_str().ok()?).ok()
            }
        }
    )*};
}

text_ids!(ThreadId, RunId, MessageId, AgentId, NodeId, DedupeKey, IdempotencyKey);

/// Ids that are UUIDs: text too, so that a person finds them.
macro_rules! uuid_ids {
    ($($type:ident),*) => {$(
        impl Put for $type {
            fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
                let mut buffer = uuid::Uuid::encode_buffer();
                self.uuid().hyphenated().encode_lower(&mut buffer).put(statement, index)
            }
        }

        impl Take for $type {
            fn take(value: ValueRef<'_>) -> Option<Self> {
                Self::from_str(value.as_str().ok()?).ok()
            }
        }
    )*};
}

uuid_ids!(DispatchId, InstanceId);

impl Put for AgentState {
    fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
        self.as_json().put(statement, index)
    }
}

impl Take for AgentState {
    fn take(value: ValueRef<'_>) -> Option<Self> {
        Self::from_json(value.as_str().ok()?.to_owned()).ok()
    }
}

/// Types that are one word of a few. The words are the API's.
macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),* })*) => {$(
        impl Put for $type {
            fn put(&self, statement: &mut Statement<'_>, index: usize) -> rusqlite::Result<()> {
                let word = match self {
                    $(Self::$variant => $word,)*
                };
                word.put(statement, index)
            }
        }

        impl Take for $type {
            fn take(value: ValueRef<'_>) -> Option<Self> {
                match value.as_bytes().ok()? {
                    $(word if word == $word.as_bytes() => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    )*};
}

words! {
    Role { User = "user", Assistant = "assistant", System = "system", Tool = "tool" }
    Visibility { All = "all", Internal = "internal" }
    Boundary { NextStep = "next_step", OnNaturalEnd = "on_natural_end", NewRun = "new_run" }
    Granularity { One = "one", Batch = "batch" }
    Origin { User = "user", A2a = "a2a", Internal = "internal", Schedule = "schedule" }
    RunState { Created = "created", Running = "running", Waiting = "waiting", Done = "done" }
    WaitReason {
        ToolPermission = "tool_permission", UserInput = "user_input",
        BackgroundTasks = "background_tasks", ExternalEvent = "external_event",
        RateLimit = "rate_limit", ManualPause = "manual_pause"
    }
    AttemptStatus { Running = "running", Waiting = "waiting", Done = "done", Failed = "failed" }
    DispatchState {
        Queued = "queued", Claimed = "claimed", Acked = "acked", Cancelled = "cancelled",
        Superseded = "superseded", DeadLetter = "dead_letter"
    }
}
