//! Values as a database keeps them, and how each of the core's types becomes one and comes back.

use std::borrow::Cow;
use std::str::FromStr;

use postroom_core::access::{Scope, SecretHash};
use postroom_core::dispatch::{AttemptStatus, DispatchState, Priority};
use postroom_core::id::{
    AgentId, DedupeKey, DispatchId, Epoch, IdempotencyKey, InstanceId, KeyId, MessageId, NodeId,
    RunId, TenantId, ThreadId,
};
use postroom_core::message::{Role, Visibility};
use postroom_core::pending::{Boundary, Granularity};
use postroom_core::report::Report;
use postroom_core::run::{AgentState, Origin, RunState, WaitReason};
use postroom_core::time::Timestamp;
use uuid::Uuid;

use super::Damaged;

/// A value in a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'r> {
    /// None.
    Null,
    /// A number.
    Integer(i64),
    /// Text, or JSON as text.
    Text(Cow<'r, str>),
    /// A UUID, where the database has a type for it.
    Uuid(Uuid),
    /// Yes or no, where the database has a type for it.
    Bool(bool),
}

/// Takes one value after the other: a row to be written.
pub(crate) trait Sink {
    /// No value.
    fn null(&mut self);
    /// A number.
    fn integer(&mut self, number: i64);
    /// Text.
    fn text(&mut self, text: &str);
    /// A UUID.
    fn uuid(&mut self, uuid: Uuid);
    /// Yes or no.
    fn boolean(&mut self, yes: bool);
}

/// What can be written into a column.
pub(crate) trait Put {
    /// Writes it.
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged>;
}

/// What can be read from a column.
pub(crate) trait Take: Sized {
    /// Reads it; `None` if it is nothing of this type.
    fn take(value: Value<'_>) -> Option<Self>;
}

impl<T: Put> Put for Option<T> {
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
        match self {
            Some(value) => value.put(sink)?,
            None => sink.null(),
        }
        Ok(())
    }
}

impl<T: Take> Take for Option<T> {
    fn take(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::take(value).map(Some),
        }
    }
}

impl<T: Put + ?Sized> Put for &T {
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
        (**self).put(sink)
    }
}

impl Put for str {
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
        sink.text(self);
        Ok(())
    }
}

impl Put for String {
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
        self.as_str().put(sink)
    }
}

impl Take for String {
    fn take(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.into_owned()),
            _ => None,
        }
    }
}

impl Put for i64 {
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
        sink.integer(*self);
        Ok(())
    }
}

impl Take for i64 {
    fn take(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }
}

/// Numbers that a database keeps as an `i64`.
macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Put for $type {
            fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
                let number = i64::try_from(*self)
                    .map_err(|_| Damaged(format!("{self} is beyond what a column can hold")))?;
                number.put(sink)
            }
        }

        impl Take for $type {
            fn take(value: Value<'_>) -> Option<Self> {
                i64::take(value)?.try_into().ok()
            }
        }
    )*};
}

numbers!(u8, u32, u64);

/// How many rows, at most: more than a database can count is all of them.
impl Put for usize {
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
        i64::try_from(*self).unwrap_or(i64::MAX).put(sink)
    }
}

impl Put for bool {
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
        sink.boolean(*self);
        Ok(())
    }
}

impl Take for bool {
    fn take(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Bool(yes) => Some(yes),
            Value::Integer(0) => Some(false),
            Value::Integer(1) => Some(true),
            _ => None,
        }
    }
}

/// Types around one number.
macro_rules! wrapped {
    ($($type:ident),*) => {$(
        impl Put for $type {
            fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
                self.0.put(sink)
            }
        }

        impl Take for $type {
            fn take(value: Value<'_>) -> Option<Self> {
                Take::take(value).map(Self)
            }
        }
    )*};
}

wrapped!(Timestamp, Epoch, Priority);

/// Ids that users may choose.
macro_rules! text_ids {
    ($($type:ident),*) => {$(
        impl Put for $type {
            fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
                self.with_str(|text| text.put(sink))
            }
        }

        impl Take for $type {
            fn take(value: Value<'_>) -> Option<Self> {
                match value {
                    Value::Text(text) => Self::parse(&text).ok(),
                    _ => None,
                }
            }
        }
    )*};
}

text_ids!(ThreadId, RunId, MessageId, AgentId, NodeId, DedupeKey, IdempotencyKey, KeyId);

/// The default tenant is none: it takes no room in a row, and is in no index.
impl Put for TenantId {
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
        if self.is_default() {
            sink.null();
            return Ok(());
        }
        self.with_str(|text| text.put(sink))
    }
}

impl Take for TenantId {
    fn take(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Null => Some(Self::default()),
            Value::Text(text) => Self::parse(&text).ok(),
            _ => None,
        }
    }
}

/// In hexadecimal digits.
impl Put for SecretHash {
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
        self.to_hex().put(sink)
    }
}

impl Take for SecretHash {
    fn take(value: Value<'_>) -> Option<Self> {
        Self::from_hex(&String::take(value)?)
    }
}

/// Ids that are UUIDs.
macro_rules! uuid_ids {
    ($($type:ident),*) => {$(
        impl Put for $type {
            fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
                sink.uuid(self.uuid());
                Ok(())
            }
        }

        impl Take for $type {
            fn take(value: Value<'_>) -> Option<Self> {
                match value {
                    Value::Uuid(uuid) => Some(Self::from(uuid)),
                    Value::Text(text) => Self::from_str(&text).ok(),
                    _ => None,
                }
            }
        }
    )*};
}

uuid_ids!(DispatchId, InstanceId);

impl Take for Report {
    fn take(value: Value<'_>) -> Option<Self> {
        let word = String::take(value)?;
        [Self::Wanted, Self::Owed].into_iter().find(|report| report.as_word() == Some(&word))
    }
}

impl Put for AgentState {
    fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
        self.as_json().put(sink)
    }
}

impl Take for AgentState {
    fn take(value: Value<'_>) -> Option<Self> {
        Self::from_json(String::take(value)?).ok()
    }
}

/// Types that are one word of a few. The words are the API's.
macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),* })*) => {$(
        impl Put for $type {
            fn put(&self, sink: &mut impl Sink) -> Result<(), Damaged> {
                let word = match self {
                    $(Self::$variant => $word,)*
                };
                word.put(sink)
            }
        }

        impl Take for $type {
            fn take(value: Value<'_>) -> Option<Self> {
                let Value::Text(word) = value else { return None };
                match word.as_bytes() {
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
    Scope { Read = "read", Write = "write", Admin = "admin" }
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
