//! What a mailbox answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dispatch::{Claim, Dispatch};
use crate::id::{DispatchId, Epoch, MessageId, RunId, ThreadId};
use crate::message::{LogMessage, Metadata};
use crate::run::Run;

/// What a mailbox answers. Rows in it are shared with what is written: they are not copied for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To commands that only do: create, patch, delete, record, release, edit, retract, reorder,
    /// reported.
    Done,
    /// To `submit` and `deliver`.
    Submitted(Submitted),
    /// To `enqueue` and `requeue`.
    Enqueued(Arc<Dispatch>),
    /// To `claim` and `claim_dispatch`; `None` if there was nothing to claim.
    Claimed(Option<Box<Delivered>>),
    /// To `begin`.
    Begun(Begun),
    /// To `commit`.
    Committed(Committed),
    /// To `settle`.
    Settled(Box<Settled>),
    /// To `extend_lease`.
    Extended(Extended),
    /// To `cancel`.
    Cancelled(Cancelled),
    /// To `interrupt`.
    Interrupted(Interrupted),
    /// To `supersede_claimed`.
    Superseded(Arc<Dispatch>),
    /// To `reclaim`; `None` if the lease had not expired.
    Reclaimed(Option<Arc<Dispatch>>),
    /// To `decide`.
    Decided(Decided),
    /// To `finish_task`: the dispatch that continues the run, if it now does.
    TaskFinished(Option<DispatchId>),
    /// To `collect_run`: whether the run is gone.
    Collected(bool),
}

/// Where a submission stands when it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SubmittedStatus {
    /// Its run executes.
    Running,
    /// Its run waits for its turn.
    Queued,
    /// Its run waits for decisions; the messages are kept for its next step.
    Waiting,
    /// Its run has ended: the answer to a repeated submission.
    Done,
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// The thread.
    pub thread_id: ThreadId,
    /// The run that the messages are for.
    pub run_id: RunId,
    /// Its delivery, unless it waits for decisions.
    pub dispatch_id: Option<DispatchId>,
    /// Where it stands.
    pub status: SubmittedStatus,
    /// The ids of the messages, in order, given or made.
    pub message_ids: Vec<MessageId>,
    /// Whether this is the answer of an earlier, equal submission, and nothing was written.
    pub replayed: bool,
    /// `seq` of the thread's last event before this submission: following from here shows all of it.
    pub event_seq_before: u64,
    /// The claim, where the submission was to be claimed at once and could be.
    #[serde(skip)]
    pub claimed: Option<Box<Delivered>>,
}

/// A claimed dispatch, and what its executor needs if it has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// The dispatch, claimed.
    pub dispatch: Arc<Dispatch>,
    /// What `begin` gave, if it was asked for in the same transaction.
    pub begun: Option<Begun>,
}

/// The answer to `begin`.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// The executor shall run this.
    Started(Box<Activation>),
    /// The executor must not start: the dispatch was superseded or cancelled, or its run has ended.
    NotStarted,
}

/// What an executor is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Activation {
    /// The fence of this attempt.
    pub claim: Claim,
    /// The thread's metadata.
    pub thread_metadata: Arc<Metadata>,
    /// The run as it stands.
    pub run: Arc<Run>,
    /// The delivery.
    pub dispatch: Arc<Dispatch>,
    /// The run's input, from the log.
    pub input: Vec<LogMessage>,
}

/// The answer to `commit`.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// The messages that were written, numbered.
    pub written: Vec<LogMessage>,
    /// The pending messages that were taken in, numbered: the run must read them.
    pub taken: Vec<LogMessage>,
    /// Somebody asked the run to stop.
    pub stop_requested: bool,
}

/// The answer to `settle`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The dispatch as it is now.
    pub dispatch: Arc<Dispatch>,
    /// The run as it is now.
    pub run: Arc<Run>,
    /// What the thread goes on with because of this end, the next in its queue aside: the settled run itself
    /// where it waited and goes on, another run that waited for a message that was kept from it, or a
    /// new run of steering that nobody had taken in.
    pub follow_up: Option<DispatchId>,
    /// The thread's next dispatch, claimed.
    pub next: Option<Box<Delivered>>,
    /// Whether more of the thread is due and was not claimed.
    pub more_due: bool,
}

/// The answer to `extend_lease`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// Whether the claim still holds.
    pub held: bool,
    /// Somebody asked the run to stop.
    pub stop_requested: bool,
}

/// The answer to `cancel`.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// A queued dispatch and its run.
    Dispatch(Arc<Dispatch>),
    /// A waiting run.
    WaitingRun(RunId),
    /// It executes on this claim; whether it was asked to stop is as the command said.
    Executing {
        /// The run.
        run_id: RunId,
        /// Its delivery.
        dispatch_id: DispatchId,
        /// Who executes it.
        claim: Claim,
    },
}

/// The answer to `interrupt`.
#[derive(Debug, Clone, PartialEq)]
pub struct Interrupted {
    /// The new epoch.
    pub epoch: Epoch,
    /// What was queued.
    pub superseded: Vec<Arc<Dispatch>>,
    /// What executes.
    pub active: Option<Arc<Dispatch>>,
}

/// The answer to `decide`.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// How the decisions reach the run.
    pub via: DecidedVia,
    /// The resume dispatch, claimed, where it was to be claimed at once and could be.
    pub claimed: Option<Box<Delivered>>,
}

/// How decisions reach their run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedVia {
    /// It executes, suspended in memory: it will look.
    Live,
    /// A resume dispatch is queued.
    Queued(DispatchId),
    /// Other tickets are still open.
    Partly,
}
