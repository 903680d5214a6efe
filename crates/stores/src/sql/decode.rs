//! Rows to nouns. Each reads its columns in the order in which `encode` writes them.

use std::sync::Arc;

use postroom_core::access::ApiKey;
use postroom_core::dispatch::{
    Attempt, AttemptStatus, Claim, Dispatch, DispatchState, DispatchStatus,
};
use postroom_core::event::{Event, EventBody, SharedEvent};
use postroom_core::id::{InstanceId, RunId, TenantId, ThreadId};
use postroom_core::message::{Content, LogMessage, Message};
use postroom_core::pending::Pending;
use postroom_core::ports::DepthByState;
use postroom_core::report::Report;
use postroom_core::run::{
    Reason, Run, RunState, RunStatus, SeqRange, Termination, Usage, WaitReason,
};
use postroom_core::thread::{Readiness, Thread};
use postroom_core::time::Timestamp;

use super::{Columns, Damaged};

/// A row of `threads`, and the number it goes by.
pub(crate) fn thread(row: &mut impl Columns) -> Result<(i64, Thread), Damaged> {
    let no = row.take()?;
    let id = row.take()?;
    let parent = row.take()?;
    let created_at = row.take()?;
    let thread = Thread {
        id,
        parent,
        created_at,
        metadata: row.take_json()?.unwrap_or_default(),
        epoch: row.take()?,
        claim_number: row.take()?,
        claimed_dispatch_id: row.take()?,
        active_run_id: row.take()?,
        open_run_id: row.take()?,
        latest_run_id: row.take()?,
        ended_run_id: row.take()?,
        message_seq: row.take()?,
        event_seq: row.take()?,
        dispatch_ordinal: row.take()?,
        pending_position: row.take()?,
        queued: row.take()?,
        pending: row.take()?,
        readiness: readiness(row)?,
        updated_at: row.take()?,
        tenant: row.take()?,
    };
    Ok((no, thread))
}

fn readiness(row: &mut impl Columns) -> Result<Readiness, Damaged> {
    let state: Option<String> = row.take()?;
    let (agent, priority, since) = (row.take()?, row.take()?, row.take()?);
    let until: Option<Timestamp> = row.take()?;
    match (state.as_deref(), agent, priority, since, until) {
        (Some("idle"), ..) => Ok(Readiness::Idle),
        (Some("busy"), ..) => Ok(Readiness::Busy),
        (Some("ready"), Some(agent_id), Some(priority), Some(since), _) => {
            Ok(Readiness::Ready { priority, since, agent_id })
        }
        (Some("delayed"), .., Some(until)) => Ok(Readiness::Delayed { until }),
        _ => Err(Damaged::incomplete("a thread's readiness")),
    }
}

/// A row of `runs` after its `run_no` and `thread_no`, as one of `thread_id`.
pub(crate) fn run(row: &mut impl Columns, thread_id: ThreadId) -> Result<Run, Damaged> {
    let id = row.take()?;
    let origin = row.take()?;
    let parent_run_id = row.take()?;
    let spec = row.take_json()?.unwrap_or_default();
    let events_after = row.take()?;
    let created_at = row.take()?;
    let mut run = Run {
        id,
        thread_id,
        origin,
        parent_run_id,
        spec,
        events_after,
        created_at,
        agent_id: row.take()?,
        agent_version: row.take()?,
        input: input(row)?,
        status: run_status(row)?,
        dispatch_id: row.take()?,
        tickets: row.take_json()?.unwrap_or_default(),
        ended_tasks: row.take_json()?.unwrap_or_default(),
        stop_requested: row.take()?,
        hidden: row.take()?,
        output: shared(row.take()?),
        error: shared(row.take()?),
        usage: Usage { input_tokens: row.take()?, output_tokens: row.take()?, cached_tokens: 0 },
        steps: row.take()?,
        attempt: row.take()?,
        started_at: row.take()?,
        state: row.take()?,
        report: Report::None,
        tenant: TenantId::default(),
    };
    run.report = row.take::<Option<Report>>()?.unwrap_or_default();
    run.usage.cached_tokens = row.take::<Option<u64>>()?.unwrap_or_default();
    run.tenant = row.take()?;
    Ok(run)
}

fn shared(text: Option<String>) -> Option<Arc<str>> {
    text.map(Into::into)
}

fn input(row: &mut impl Columns) -> Result<Vec<SeqRange>, Damaged> {
    let ranges: Vec<(u64, u64)> =
        row.take_json()?.ok_or_else(|| Damaged::incomplete("a run's input"))?;
    Ok(ranges.into_iter().map(|(first, last)| SeqRange { first, last }).collect())
}

fn run_status(row: &mut impl Columns) -> Result<RunStatus, Damaged> {
    let state: RunState = row.take()?;
    let reason: Option<WaitReason> = row.take()?;
    let tasks = row.take_json()?.unwrap_or_default();
    let termination = termination(row)?;
    let finished_at: Option<Timestamp> = row.take()?;
    match (state, reason, termination, finished_at) {
        (RunState::Created, ..) => Ok(RunStatus::Created),
        (RunState::Running, ..) => Ok(RunStatus::Running),
        (RunState::Waiting, Some(reason), ..) => Ok(RunStatus::Waiting { reason, tasks }),
        (RunState::Done, _, Some(termination), Some(finished_at)) => {
            Ok(RunStatus::Done { termination, finished_at })
        }
        _ => Err(Damaged::incomplete("a run's status")),
    }
}

fn termination(row: &mut impl Columns) -> Result<Option<Termination>, Damaged> {
    let kind: Option<String> = row.take()?;
    let code: Option<String> = row.take()?;
    let message: Option<String> = row.take()?;
    let reason = || Reason::new(code.unwrap_or_default(), message.unwrap_or_default());
    match kind.as_deref() {
        None => Ok(None),
        Some("natural_end") => Ok(Some(Termination::NaturalEnd)),
        Some("cancelled") => Ok(Some(Termination::Cancelled)),
        Some("blocked") => Ok(Some(Termination::Blocked(reason()))),
        Some("stopped") => Ok(Some(Termination::Stopped(reason()))),
        Some("error") => Ok(Some(Termination::Error(reason()))),
        Some(_) => Err(Damaged::incomplete("a termination's kind")),
    }
}

/// A row of `dispatches` after its `dispatch_no` and `thread_no`, as one of `thread_id`.
pub(crate) fn dispatch(row: &mut impl Columns, thread_id: ThreadId) -> Result<Dispatch, Damaged> {
    let id = row.take()?;
    let run_id = row.take()?;
    let created_at = row.take()?;
    Ok(Dispatch {
        id,
        thread_id,
        run_id,
        created_at,
        agent_id: row.take()?,
        priority: row.take()?,
        ordinal: row.take()?,
        dedupe_key: row.take()?,
        epoch: row.take()?,
        status: dispatch_status(row)?,
        available_at: row.take()?,
        attempt_count: row.take()?,
        max_attempts: row.take()?,
        last_error: row.take()?,
        attempt: attempt(row)?,
        updated_at: row.take()?,
        tenant: row.take()?,
    })
}

fn dispatch_status(row: &mut impl Columns) -> Result<DispatchStatus, Damaged> {
    let state: DispatchState = row.take()?;
    let due: Option<bool> = row.take()?;
    let (number, node, lease_until) = (row.take()?, row.take()?, row.take()?);
    let requeued_as = row.take()?;
    match state {
        DispatchState::Queued => {
            due.map(|due| DispatchStatus::Queued { due }).ok_or_else(|| Damaged::incomplete("due"))
        }
        DispatchState::Claimed => match (number, node, lease_until) {
            (Some(number), Some(node), Some(lease_until)) => {
                Ok(DispatchStatus::Claimed { claim: Claim { number, node }, lease_until })
            }
            _ => Err(Damaged::incomplete("a claim")),
        },
        DispatchState::Acked => Ok(DispatchStatus::Acked),
        DispatchState::Cancelled => Ok(DispatchStatus::Cancelled),
        DispatchState::Superseded => Ok(DispatchStatus::Superseded),
        DispatchState::DeadLetter => Ok(DispatchStatus::DeadLetter { requeued_as }),
    }
}

fn attempt(row: &mut impl Columns) -> Result<Option<Attempt>, Damaged> {
    let instance_id: Option<InstanceId> = row.take()?;
    let run_status: Option<AttemptStatus> = row.take()?;
    let termination = termination(row)?;
    let (run_response, run_error) = (shared(row.take()?), shared(row.take()?));
    let completed_at = row.take()?;
    let (Some(instance_id), Some(run_status)) = (instance_id, run_status) else { return Ok(None) };
    Ok(Some(Attempt {
        instance_id,
        run_status,
        termination,
        run_response,
        run_error,
        completed_at,
    }))
}

/// A row of `messages`.
pub(crate) fn log_message(row: &mut impl Columns) -> Result<LogMessage, Damaged> {
    row.skip(1);
    Ok(LogMessage {
        seq: row.take()?,
        run_id: row.take()?,
        created_at: row.take()?,
        message: message(row)?,
    })
}

fn message(row: &mut impl Columns) -> Result<Arc<Message>, Damaged> {
    let (id, role, visibility) = (row.take()?, row.take()?, row.take()?);
    let text: Option<String> = row.take()?;
    let blocks = row.take_json()?;
    let content = text.map(Content::Text).or_else(|| blocks.map(Content::Blocks));
    Ok(Arc::new(Message {
        id,
        role,
        visibility,
        content: content.ok_or_else(|| Damaged::incomplete("a message's content"))?,
        tool_calls: row.take_json()?.unwrap_or_default(),
        metadata: row.take_json()?.unwrap_or_default(),
    }))
}

/// A row of `pending`.
pub(crate) fn pending(row: &mut impl Columns) -> Result<Pending, Damaged> {
    row.skip(1);
    Ok(Pending {
        position: row.take()?,
        boundary: row.take()?,
        granularity: row.take()?,
        barrier: row.take()?,
        target_run_id: row.take()?,
        created_at: row.take()?,
        message: message(row)?,
    })
}

/// A row of `keys`.
pub(crate) fn key(row: &mut impl Columns) -> Result<ApiKey, Damaged> {
    Ok(ApiKey {
        id: row.take()?,
        tenant: row.take()?,
        scope: row.take()?,
        label: row.take()?,
        secret: row.take()?,
        created_at: row.take()?,
        expires_at: row.take()?,
        revoked_at: row.take()?,
        last_used_at: row.take()?,
    })
}

/// A row of counters, by the order of the states.
pub(crate) fn depth(row: &mut impl Columns) -> Result<DepthByState, Damaged> {
    let mut depth = DepthByState::default();
    for count in &mut depth.counts {
        *count = row.take()?;
    }
    Ok(depth)
}

/// A row of `events`, as those of `thread_id` that it holds, in their order.
pub(crate) fn events(
    row: &mut impl Columns,
    thread_id: &ThreadId,
) -> Result<Vec<SharedEvent>, Damaged> {
    row.skip(1);
    let last_seq: u64 = row.take()?;
    let (run_id, at): (Option<RunId>, _) = (row.take()?, row.take()?);
    let bodies: Vec<EventBody> = row.take_json()?.unwrap_or_default();
    let before = last_seq.checked_sub(bodies.len() as u64);
    let first = before.ok_or(Damaged::incomplete("events without numbers"))? + 1;
    let event = |(seq, body)| {
        Arc::new(Event { seq, thread_id: thread_id.clone(), run_id: run_id.clone(), at, body })
    };
    Ok((first..).zip(bodies).map(event).collect())
}
