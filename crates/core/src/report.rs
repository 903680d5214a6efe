//! Reports: what the end of a run owes to others, whoever brings that end about.
//!
//! A run's end and its debt are written together, so that a crash between them loses nothing; what
//! is owed is made good afterwards, by any node, as often as it takes.

use serde::{Deserialize, Serialize};

use crate::id::{RunId, ThreadId};

/// Whether the end of a run is reported.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Nobody is owed anything: it is not to be reported, or was.
    #[default]
    None,
    /// The run is unfinished; its end shall be reported.
    Wanted,
    /// The run ended, and the report is still to be made.
    Owed,
}

impl Report {
    /// The word for it, as it is stored; nothing where nobody is owed anything.
    pub fn as_word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Wanted => Some("wanted"),
            Self::Owed => Some("owed"),
        }
    }
}

/// Who is told that a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportTo {
    /// The thread that is told.
    pub thread_id: ThreadId,
    /// In what form.
    #[serde(rename = "as")]
    pub as_: ReportAs,
}

/// In what form the end of a run is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ReportAs {
    /// As the end of the background task [`crate::id::TaskId::of_run`], which a run waits for. The
    /// run that reports is that one's child: it is cancelled when that one ends.
    Task {
        /// The run that waits, in the thread that is told.
        run_id: RunId,
    },
    /// As an internal message, which wakes the thread. The run that reports may outlive whoever
    /// asked for it.
    Message,
}
