//! Reports: what the end of a run owes to others, whoever brings that end about; and what its waits owe
//! to somebody outside who wants to hear of them.
//!
//! A run's end and its debt are written together, so that a crash between them loses nothing; what
//! is owed is made good afterwards, by any node, as often as it takes.

use serde::{Deserialize, Serialize};

use uuid::Uuid;

use crate::id::{DispatchId, RunId, ThreadId};
use crate::run::{Run, WaitReason};

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
    /// The run ended, or began to wait where that is wanted too, and the report is still to be made.
    Owed,
}

/// Which of its reports a run owes: by the time that one is made, it may owe another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportId {
    /// The dispatch in which it came about.
    pub dispatch_id: Option<DispatchId>,
    /// Whether it is about the run's end.
    pub is_end: bool,
    /// How many tickets the run had raised by then.
    pub tickets: usize,
}

/// Names the ids of reports.
const REPORTS: Uuid = Uuid::from_u128(0x8a41_0c5e_f2b3_4d67_9e18_2b90_6cd4_71fa);

impl ReportId {
    /// The one that the run owes as it stands, if it owes any.
    pub fn of(run: &Run) -> Self {
        Self { dispatch_id: run.dispatch_id, is_end: run.is_done(), tickets: run.tickets.len() }
    }

    /// A name for it among all reports of all runs.
    pub fn uuid(&self, run_id: &RunId) -> Uuid {
        let Self { dispatch_id, is_end, tickets } = self;
        let dispatch = dispatch_id.map_or_else(Uuid::nil, DispatchId::uuid);
        let name = format!("{dispatch} {is_end} {tickets} {run_id}");
        Uuid::new_v5(&REPORTS, name.as_bytes())
    }
}

/// Whether somebody outside can end such a wait, and so wants to hear of it.
pub(crate) fn is_of_interest(reason: WaitReason) -> bool {
    match reason {
        WaitReason::ToolPermission
        | WaitReason::UserInput
        | WaitReason::ExternalEvent
        | WaitReason::ManualPause => true,
        WaitReason::BackgroundTasks | WaitReason::RateLimit => false,
    }
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
