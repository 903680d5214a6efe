//! Nouns to rows: the columns of each, in the order in which `decode` reads them. What never changes
//! comes first and apart from what does, so that an update writes only the latter.

use postroom_core::access::ApiKey;
use postroom_core::dispatch::{Attempt, Dispatch, DispatchStatus};
use postroom_core::event::{EventBody, SharedEvent};
use postroom_core::id::TenantId;
use postroom_core::message::{Content, LogMessage, Message};
use postroom_core::pending::Pending;
use postroom_core::run::{Run, RunSpec, RunStatus, Termination};
use postroom_core::thread::{Readiness, Thread};
use serde::Serialize;

use super::{Damaged, Put, Sink};

/// A row that is given its values one after the other.
pub(crate) struct Row<'s, S>(&'s mut S);

impl<'s, S: Sink> Row<'s, S> {
    /// A row that is written into `sink`, without values.
    pub(crate) fn into(sink: &'s mut S) -> Self {
        Self(sink)
    }

    /// Gives the next value.
    pub(crate) fn with(self, value: &(impl Put + ?Sized)) -> Result<Self, Damaged> {
        value.put(self.0)?;
        Ok(self)
    }

    /// Gives the next value as JSON, or NULL.
    pub(crate) fn with_json<T: Serialize>(self, value: Option<&T>) -> Result<Self, Damaged> {
        let json = value.map(serde_json::to_string).transpose().map_err(Damaged::unwritable)?;
        self.with(&json.as_deref())
    }

    /// What of a thread never changes.
    pub(crate) fn with_thread_head(self, thread: &Thread) -> Result<Self, Damaged> {
        self.with(&thread.id)?.with(&thread.parent)?.with(&thread.created_at)
    }

    /// A thread's metadata.
    pub(crate) fn with_metadata(self, thread: &Thread) -> Result<Self, Damaged> {
        self.with_json((!thread.metadata.is_empty()).then_some(&thread.metadata))
    }

    /// Whose it is; of what is new, behind all else.
    pub(crate) fn with_tenant(self, tenant: &TenantId) -> Result<Self, Damaged> {
        self.with(tenant)
    }

    /// An API key.
    pub(crate) fn with_key(self, key: &ApiKey) -> Result<Self, Damaged> {
        self.with(&key.id)?
            .with(&key.tenant)?
            .with(&key.scope)?
            .with(&key.label)?
            .with(&key.secret)?
            .with(&key.created_at)?
            .with(&key.expires_at)?
            .with(&key.revoked_at)?
            .with(&key.last_used_at)
    }

    /// What of a thread changes, but for its metadata.
    pub(crate) fn with_thread(self, thread: &Thread) -> Result<Self, Damaged> {
        let (state, head, until) = match &thread.readiness {
            Readiness::Idle => ("idle", None, None),
            Readiness::Busy => ("busy", None, None),
            Readiness::Ready { priority, since, agent_id } => {
                ("ready", Some((agent_id, priority, since)), None)
            }
            Readiness::Delayed { until } => ("delayed", None, Some(until)),
        };
        self.with(&thread.epoch)?
            .with(&thread.claim_number)?
            .with(&thread.claimed_dispatch_id)?
            .with(&thread.active_run_id)?
            .with(&thread.open_run_id)?
            .with(&thread.latest_run_id)?
            .with(&thread.ended_run_id)?
            .with(&thread.message_seq)?
            .with(&thread.event_seq)?
            .with(&thread.dispatch_ordinal)?
            .with(&thread.pending_position)?
            .with(&thread.queued)?
            .with(&thread.pending)?
            .with(state)?
            .with(&head.map(|(agent_id, ..)| agent_id))?
            .with(&head.map(|(_, priority, _)| priority))?
            .with(&head.map(|(.., since)| since))?
            .with(&until)?
            .with(&thread.updated_at)
    }

    /// What of a run never changes.
    pub(crate) fn with_run_head(self, run: &Run) -> Result<Self, Damaged> {
        self.with(&run.id)?
            .with(&run.origin)?
            .with(&run.parent_run_id)?
            .with_json((*run.spec != RunSpec::default()).then_some(&run.spec))?
            .with(&run.events_after)?
            .with(&run.created_at)?
            .with(&run.agent_id)
    }

    /// What of a run changes.
    pub(crate) fn with_run(self, run: &Run) -> Result<Self, Damaged> {
        let input: Vec<(u64, u64)> =
            run.input.iter().map(|range| (range.first, range.last)).collect();
        let tasks = match &run.status {
            RunStatus::Waiting { tasks, .. } if !tasks.is_empty() => Some(tasks),
            _ => None,
        };
        self.with(&run.agent_version)?
            .with_json(Some(&input))?
            .with(&run.run_state())?
            .with(&run.wait_reason())?
            .with_json(tasks)?
            .with_termination(run.termination())?
            .with(&run.finished_at())?
            .with(&run.dispatch_id)?
            .with_json((!run.tickets.is_empty()).then_some(&run.tickets))?
            .with_json((!run.ended_tasks.is_empty()).then_some(&run.ended_tasks))?
            .with(&run.stop_requested)?
            .with(&run.hidden)?
            .with(&run.output.as_deref())?
            .with(&run.error.as_deref())?
            .with(&run.usage.input_tokens)?
            .with(&run.usage.output_tokens)?
            .with(&run.steps)?
            .with(&run.attempt)?
            .with(&run.started_at)?
            .with(&run.state)?
            .with(&run.report.as_word())?
            .with(&Some(run.usage.cached_tokens).filter(|tokens| *tokens > 0))
    }

    fn with_termination(self, termination: Option<&Termination>) -> Result<Self, Damaged> {
        let reason = termination.and_then(Termination::reason);
        let (code, message) = (reason.map(|why| &why.code), reason.map(|why| &why.message));
        self.with(&termination.map(Termination::as_str))?.with(&code)?.with(&message)
    }

    /// What of a dispatch never changes.
    pub(crate) fn with_dispatch_head(self, dispatch: &Dispatch) -> Result<Self, Damaged> {
        self.with(&dispatch.id)?.with(&dispatch.run_id)?.with(&dispatch.created_at)
    }

    /// What of a dispatch changes, but for its claim.
    pub(crate) fn with_dispatch(self, dispatch: &Dispatch) -> Result<Self, Damaged> {
        let due = match dispatch.status {
            DispatchStatus::Queued { due } => Some(due),
            _ => None,
        };
        let requeued_as = match dispatch.status {
            DispatchStatus::DeadLetter { requeued_as } => requeued_as,
            _ => None,
        };
        self.with(&dispatch.agent_id)?
            .with(&dispatch.priority)?
            .with(&dispatch.ordinal)?
            .with(&dispatch.dedupe_key)?
            .with(&dispatch.epoch)?
            .with(&dispatch.state())?
            .with(&due)?
            .with(&requeued_as)?
            .with(&dispatch.available_at)?
            .with(&dispatch.attempt_count)?
            .with(&dispatch.max_attempts)?
            .with(&dispatch.last_error)?
            .with_attempt(dispatch.attempt.as_ref())?
            .with(&dispatch.updated_at)
    }

    fn with_attempt(self, attempt: Option<&Attempt>) -> Result<Self, Damaged> {
        self.with(&attempt.map(|attempt| attempt.instance_id))?
            .with(&attempt.map(|attempt| attempt.run_status))?
            .with_termination(attempt.and_then(|attempt| attempt.termination.as_ref()))?
            .with(&attempt.and_then(|attempt| attempt.run_response.as_deref()))?
            .with(&attempt.and_then(|attempt| attempt.run_error.as_deref()))?
            .with(&attempt.and_then(|attempt| attempt.completed_at))
    }

    /// The claim that holds a dispatch: its number, its node, the end of its lease.
    pub(crate) fn with_claim(self, dispatch: &Dispatch) -> Result<Self, Damaged> {
        let claim = dispatch.claim();
        self.with(&claim.map(|claim| claim.number))?
            .with(&claim.map(|claim| &claim.node))?
            .with(&dispatch.lease_until())
    }

    /// A message in the log.
    pub(crate) fn with_log_message(self, message: &LogMessage) -> Result<Self, Damaged> {
        self.with(&message.seq)?
            .with(&message.run_id)?
            .with(&message.created_at)?
            .with_message(&message.message)
    }

    /// A pending message.
    pub(crate) fn with_pending(self, pending: &Pending) -> Result<Self, Damaged> {
        self.with(&pending.position)?
            .with(&pending.boundary)?
            .with(&pending.granularity)?
            .with(&pending.barrier)?
            .with(&pending.target_run_id)?
            .with(&pending.created_at)?
            .with_message(&pending.message)
    }

    fn with_message(self, message: &Message) -> Result<Self, Damaged> {
        let (text, blocks) = match &message.content {
            Content::Text(text) => (Some(text), None),
            Content::Blocks(blocks) => (None, Some(blocks)),
        };
        self.with(&message.id)?
            .with(&message.role)?
            .with(&message.visibility)?
            .with(&text)?
            .with_json(blocks)?
            .with_json((!message.tool_calls.is_empty()).then_some(&message.tool_calls))?
            .with_json((!message.metadata.is_empty()).then_some(&message.metadata))
    }

    /// Events that follow one another, of one run and one moment.
    pub(crate) fn with_events(self, events: &[SharedEvent]) -> Result<Self, Damaged> {
        let last = events.last().ok_or_else(|| Damaged("no events are no row".to_owned()))?;
        let bodies: Vec<&EventBody> = events.iter().map(|event| &event.body).collect();
        self.with(&last.seq)?.with(&last.run_id)?.with(&last.at)?.with_json(Some(&bodies))
    }
}
