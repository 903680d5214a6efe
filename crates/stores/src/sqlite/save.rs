//! Writes what a mailbox decided: a statement a row.

use std::sync::Arc;

use postroom_core::dispatch::{Attempt, Dispatch, DispatchState, DispatchStatus};
use postroom_core::event::SharedEvent;
use postroom_core::mailbox::{Changes, PendingWrite, Write};
use postroom_core::message::{Content, LogMessage, Message};
use postroom_core::pending::Pending;
use postroom_core::run::{Run, RunSpec, RunStatus, Termination};
use postroom_core::thread::{Readiness, Thread};
use postroom_core::time::Timestamp;

use super::columns::Values;
use super::error::Fault;
use super::queries::Query;
use super::rows::MailboxRows;
use crate::depth::Depth;
use crate::sql::{Columns as _, Damaged};

impl MailboxRows<'_, '_> {
    /// Writes `changes`, and adds up in `depth` what they do to the number of dispatches.
    pub(super) fn save(
        &mut self,
        changes: &Changes,
        now: Timestamp,
        depth: &mut Depth,
    ) -> Result<(), Fault> {
        // Where a dispatch changes its state, its thread changes its counters or pointers.
        let tenant = changes.thread.as_ref().map(|write| write.row().tenant.clone());
        depth.add(&tenant.unwrap_or_default(), changes.depth.0);
        if changes.delete_thread {
            return self.delete_thread(depth);
        }
        if let Some(thread) = &changes.thread {
            self.save_thread(thread)?;
        }
        let Some(no) = self.own_no()? else {
            let missing = || Fault::Damaged("the thread to change is not there".to_owned());
            return if changes.is_empty() { Ok(()) } else { Err(missing()) };
        };
        changes.runs.iter().try_for_each(|run| self.save_run(no, run))?;
        for run_id in &changes.collected_runs {
            self.statements.get(Query::RunDelete)?.with(run_id)?.write_one("run")?;
        }
        changes.dispatches.iter().try_for_each(|dispatch| self.save_dispatch(no, dispatch))?;
        changes.messages.iter().try_for_each(|message| self.insert_message(no, message))?;
        changes.pending.iter().try_for_each(|write| self.save_pending(no, write))?;
        changes.events.iter().try_for_each(|event| self.insert_event(no, event))?;
        if let Some((key, answer)) = &changes.submission {
            let values = self.statements.get(Query::SubmissionInsert)?.with(&no)?.with(key)?;
            values.with_json(Some(answer))?.with(&now)?.execute()?;
        }
        Ok(())
    }

    fn save_thread(&mut self, write: &Write<Arc<Thread>>) -> Result<(), Fault> {
        match write {
            Write::Insert(thread) => {
                let values = self.statements.get(Query::ThreadInsert)?;
                let values = values.with(&thread.id)?.with(&thread.parent)?;
                let values = values.with(&thread.created_at)?;
                let metadata = (!thread.metadata.is_empty()).then_some(&thread.metadata);
                let values = thread_values(values.with_json(metadata)?, thread)?;
                values.with(&thread.tenant)?.execute()?;
                let no = self.statements.connection().last_insert_rowid();
                self.inserted_as(no);
            }
            Write::Update(thread) => {
                let no = self.own_no()?;
                let values = self.statements.get(Query::ThreadUpdate)?.with(&no)?;
                thread_values(values, thread)?.write_one("thread")?;
                if self.metadata.as_ref() != Some(&thread.metadata) {
                    let values = self.statements.get(Query::ThreadUpdateMetadata)?.with(&no)?;
                    let metadata = (!thread.metadata.is_empty()).then_some(&thread.metadata);
                    values.with_json(metadata)?.execute()?;
                }
            }
        }
        Ok(())
    }

    fn save_run(&mut self, no: i64, write: &Write<Arc<Run>>) -> Result<(), Fault> {
        match write {
            Write::Insert(run) => {
                let values = self.statements.get(Query::RunInsert)?.with(&no)?.with(&run.id)?;
                let values = values.with(&run.origin)?.with(&run.parent_run_id)?;
                let spec = (*run.spec != RunSpec::default()).then_some(&run.spec);
                let values = values.with_json(spec)?.with(&run.events_after)?;
                let values = values.with(&run.created_at)?.with(&run.agent_id)?;
                run_values(values, run)?.with(&run.tenant)?.write_one("run")
            }
            Write::Update(run) => {
                let values = self.statements.get(Query::RunUpdate)?.with(&run.id)?;
                run_values(values, run)?.write_one("run")
            }
        }
    }

    fn save_dispatch(&mut self, no: i64, write: &Write<Arc<Dispatch>>) -> Result<(), Fault> {
        let values = match write {
            Write::Insert(dispatch) => {
                let values = self.statements.get(Query::DispatchInsert)?.with(&no)?;
                let values = values.with(&dispatch.id)?.with(&dispatch.run_id)?;
                dispatch_values(values.with(&dispatch.created_at)?, dispatch)?
                    .with(&dispatch.tenant)?
            }
            Write::Update(dispatch) => {
                let values = self.statements.get(Query::DispatchUpdate)?.with(&dispatch.id)?;
                dispatch_values(values, dispatch)?
            }
        };
        values.write_one("dispatch")
    }

    fn insert_message(&mut self, no: i64, message: &LogMessage) -> Result<(), Fault> {
        let values = self.statements.get(Query::MessageInsert)?.with(&no)?.with(&message.seq)?;
        let values = values.with(&message.run_id)?.with(&message.created_at)?;
        message_values(values, &message.message)?.write_one("message")
    }

    fn save_pending(&mut self, no: i64, write: &PendingWrite) -> Result<(), Fault> {
        match write {
            PendingWrite::Put(pending) => {
                let values = self.statements.get(Query::PendingPut)?.with(&no)?;
                let values = pending_values(values, pending)?;
                message_values(values, &pending.message)?.execute()?;
            }
            PendingWrite::Remove(id) => {
                self.statements.get(Query::PendingRemove)?.with(&no)?.with(id)?.execute()?;
            }
        }
        Ok(())
    }

    fn insert_event(&mut self, no: i64, event: &SharedEvent) -> Result<(), Fault> {
        let data = event.body.data_json().map_err(Damaged::unwritable)?;
        let values = self.statements.get(Query::EventInsert)?.with(&no)?.with(&event.seq)?;
        let values = values.with(&event.run_id)?.with(&event.at)?;
        values.with(event.body.type_name())?.with(&data)?.write_one("event")
    }

    /// Removes the thread and all that belongs to it.
    fn delete_thread(&mut self, depth: &mut Depth) -> Result<(), Fault> {
        let no = self.own_no()?;
        self.statements.get(Query::DispatchesDelete)?.with(&no)?.each(|row| {
            let state: DispatchState = row.take()?;
            if state.is_terminal() {
                depth.gone(&row.take()?, state);
            }
            Ok(true)
        })?;
        for query in [
            Query::EventsDelete,
            Query::MessagesDelete,
            Query::PendingDelete,
            Query::SubmissionsDelete,
            Query::RunsDelete,
            Query::ThreadDelete,
        ] {
            self.statements.get(query)?.with(&no)?.execute()?;
        }
        Ok(())
    }
}

/// What of a thread changes, but for its metadata.
fn thread_values<'s, 'c>(values: Values<'s, 'c>, thread: &Thread) -> Result<Values<'s, 'c>, Fault> {
    let (state, head, until) = match &thread.readiness {
        Readiness::Idle => ("idle", None, None),
        Readiness::Busy => ("busy", None, None),
        Readiness::Ready { priority, since, agent_id } => {
            ("ready", Some((agent_id, priority, since)), None)
        }
        Readiness::Delayed { until } => ("delayed", None, Some(until)),
    };
    values
        .with(&thread.epoch)?
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

/// What of a run changes.
fn run_values<'s, 'c>(values: Values<'s, 'c>, run: &Run) -> Result<Values<'s, 'c>, Fault> {
    let input: Vec<(u64, u64)> = run.input.iter().map(|range| (range.first, range.last)).collect();
    let tasks = match &run.status {
        RunStatus::Waiting { tasks, .. } if !tasks.is_empty() => Some(tasks),
        _ => None,
    };
    let values = values
        .with(&run.agent_version)?
        .with_json(Some(&input))?
        .with(&run.run_state())?
        .with(&run.wait_reason())?
        .with_json(tasks)?;
    termination_values(values, run.termination())?
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

fn termination_values<'s, 'c>(
    values: Values<'s, 'c>,
    termination: Option<&Termination>,
) -> Result<Values<'s, 'c>, Fault> {
    let reason = termination.and_then(Termination::reason);
    let (code, message) = (reason.map(|why| &why.code), reason.map(|why| &why.message));
    values.with(&termination.map(Termination::as_str))?.with(&code)?.with(&message)
}

/// What of a dispatch changes.
fn dispatch_values<'s, 'c>(
    values: Values<'s, 'c>,
    dispatch: &Dispatch,
) -> Result<Values<'s, 'c>, Fault> {
    let due = match dispatch.status {
        DispatchStatus::Queued { due } => Some(due),
        _ => None,
    };
    let requeued_as = match dispatch.status {
        DispatchStatus::DeadLetter { requeued_as } => requeued_as,
        _ => None,
    };
    let claim = dispatch.claim();
    let values = values
        .with(&dispatch.agent_id)?
        .with(&dispatch.priority)?
        .with(&dispatch.ordinal)?
        .with(&dispatch.dedupe_key)?
        .with(&dispatch.epoch)?
        .with(&dispatch.state())?
        .with(&due)?
        .with(&claim.map(|claim| claim.number))?
        .with(&claim.map(|claim| &claim.node))?
        .with(&dispatch.lease_until())?
        .with(&requeued_as)?
        .with(&dispatch.available_at)?
        .with(&dispatch.attempt_count)?
        .with(&dispatch.max_attempts)?
        .with(&dispatch.last_error)?;
    attempt_values(values, dispatch.attempt.as_ref())?.with(&dispatch.updated_at)
}

fn attempt_values<'s, 'c>(
    values: Values<'s, 'c>,
    attempt: Option<&Attempt>,
) -> Result<Values<'s, 'c>, Fault> {
    let values = values
        .with(&attempt.map(|attempt| attempt.instance_id))?
        .with(&attempt.map(|attempt| attempt.run_status))?;
    termination_values(values, attempt.and_then(|attempt| attempt.termination.as_ref()))?
        .with(&attempt.and_then(|attempt| attempt.run_response.as_deref()))?
        .with(&attempt.and_then(|attempt| attempt.run_error.as_deref()))?
        .with(&attempt.and_then(|attempt| attempt.completed_at))
}

fn pending_values<'s, 'c>(
    values: Values<'s, 'c>,
    pending: &Pending,
) -> Result<Values<'s, 'c>, Fault> {
    values
        .with(&pending.position)?
        .with(&pending.boundary)?
        .with(&pending.granularity)?
        .with(&pending.barrier)?
        .with(&pending.target_run_id)?
        .with(&pending.created_at)
}

fn message_values<'s, 'c>(
    values: Values<'s, 'c>,
    message: &Message,
) -> Result<Values<'s, 'c>, Fault> {
    let (text, blocks) = match &message.content {
        Content::Text(text) => (Some(text), None),
        Content::Blocks(blocks) => (None, Some(blocks)),
    };
    values
        .with(&message.id)?
        .with(&message.role)?
        .with(&message.visibility)?
        .with(&text)?
        .with_json(blocks)?
        .with_json((!message.tool_calls.is_empty()).then_some(&message.tool_calls))?
        .with_json((!message.metadata.is_empty()).then_some(&message.metadata))
}
