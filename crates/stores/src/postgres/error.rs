//! What can go wrong: when the store is opened, and with a statement.

use std::error::Error as _;
use std::fmt;

use postroom_core::error::StoreError;
use tokio_postgres::error::SqlState;

use crate::sql::Damaged;

/// Why a PostgreSQL store was not opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is not understood.
    #[error(
        "the store's address is not understood: {reason}; write it as \
         postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    )]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// The server can't be reached, or lets nobody in.
    #[error(
        "PostgreSQL can't be reached: {reason}; check that it runs, and the address, the user and \
         the password in `store.url`"
    )]
    Unreachable {
        /// What it said.
        reason: String,
    },
    /// The server is older than what this version can work with.
    #[error("PostgreSQL {found} is too old: {oldest} or newer is needed")]
    OldServer {
        /// Its version.
        found: String,
        /// The oldest that will do.
        oldest: u32,
    },
    /// A newer version of Postroom has changed the schema in a way that this one can't work with.
    #[error(
        "schema {schema} was made by a newer version (its migration {found} is unknown here, this \
         version knows {known}): start that version, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The schema.
        schema: String,
        /// Its newest migration.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// Something else is in the schema.
    #[error(
        "schema {schema} has tables that are not Postroom's: give the store a schema or a database \
         of its own"
    )]
    Foreign {
        /// The schema.
        schema: String,
    },
    /// A migration failed, and was undone.
    #[error("migration {number} failed and was undone: {reason}")]
    Migration {
        /// Its number.
        number: i64,
        /// What PostgreSQL said.
        reason: String,
    },
}

/// Why a statement, or the command it was for, failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// PostgreSQL, or the way there, said so.
    Postgres(tokio_postgres::Error),
    /// No connection was to be had.
    NoConnection(String),
    /// Something was believed that nothing would check.
    Unchecked,
    /// It took too long.
    Timeout,
    /// A row is not what this version writes, or can't be written.
    Damaged(String),
    /// The code failed.
    Panicked(&'static str),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<Damaged> for Fault {
    fn from(Damaged(reason): Damaged) -> Self {
        Self::Damaged(reason)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said())
    }
}

impl Fault {
    fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            _ => None,
        }
    }

    /// The first two characters of the code: its class.
    /// Source: PostgreSQL's documentation, appendix "Error Codes".
    fn class(&self) -> Option<&str> {
        self.state()?.code().get(..2)
    }

    /// Whether the same transaction may succeed if it is tried again at once: another one was in its
    /// way (a deadlock, a row that both inserted, a thread that is not as it was read).
    pub(super) fn is_race(&self) -> bool {
        self.class() == Some("40")
            || self.state() == Some(&SqlState::UNIQUE_VIOLATION)
            || self.is_outdated()
            || matches!(self, Self::Unchecked)
    }

    /// Whether a thread was not as it was read, or the time not what it was believed to be: then the
    /// statement divides by zero.
    pub(super) fn is_outdated(&self) -> bool {
        self.state() == Some(&SqlState::DIVISION_BY_ZERO)
    }

    /// Whether the failure is one of a statement on a connection that still works.
    pub(super) fn is_of_statement(&self) -> bool {
        match self {
            Self::Postgres(_) => {
                self.class().is_some_and(|class| !matches!(class, "08" | "57" | "58" | "XX"))
            }
            Self::Damaged(_) | Self::Panicked(_) | Self::Unchecked => true,
            Self::NoConnection(_) | Self::Timeout => false,
        }
    }

    /// What it says, with all that the client knows.
    pub(super) fn said(&self) -> String {
        match self {
            Self::Postgres(error) => said(error),
            Self::NoConnection(reason) | Self::Damaged(reason) => reason.clone(),
            Self::Unchecked => "what was believed would not be checked".to_owned(),
            Self::Timeout => "no answer in time".to_owned(),
            Self::Panicked(command) => {
                format!("{command} failed on a defect and wrote nothing; please report it")
            }
        }
    }

    /// The answer to a caller whose command wrote nothing because of it.
    pub(super) fn nothing_written(&self) -> StoreError {
        let reason = self.said();
        match self {
            Self::Damaged(_) | Self::Panicked(_) => StoreError::Corrupt { reason },
            Self::Postgres(_) => match self.class() {
                _ if self.is_outdated() => StoreError::Unavailable {
                    reason: "others changed the same threads again and again".to_owned(),
                },
                Some("22" | "23") => StoreError::Corrupt {
                    reason: format!(
                        "what was to be written contradicts what is there, and was not written: \
                         {reason}; please report it"
                    ),
                },
                Some("42" | "3F") => StoreError::Corrupt {
                    reason: format!(
                        "the schema is not what this version needs, or this user may not use it: \
                         {reason}"
                    ),
                },
                _ => StoreError::Unavailable { reason },
            },
            Self::NoConnection(_) | Self::Timeout | Self::Unchecked => {
                StoreError::Unavailable { reason }
            }
        }
    }

    /// The answer to a caller whose transaction was sent off to be committed.
    pub(super) fn at_commit(&self) -> StoreError {
        StoreError::OutcomeUnknown {
            reason: format!("the commit was not confirmed: {}", self.said()),
        }
    }
}

/// What an error of the client says, with what the server said, which it keeps in its source.
pub fn said(error: &tokio_postgres::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
