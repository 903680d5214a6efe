//! What the run of a schedule does: hears what it is told, submits what is due, and waits for the next
//! time.

use postroom_core::command::{Step, Submit, Wait};
use postroom_core::error::StoreError;
use postroom_core::event::EventBody;
use postroom_core::id::{IdempotencyKey, TenantId, ThreadId};
use postroom_core::ports::{CancelReason, ContextError, RunContext, RunOutcome};
use postroom_core::run::{Origin, Run, RunSpec, WaitReason};
use postroom_core::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::state::VERSION;
use super::{Control, Schedule, ScheduleState, Task, Times, id_of};

/// Names the ids of what schedules submit.
const SUBMISSIONS: Uuid = Uuid::from_u128(0x6f2a_91d4_3c7b_4e58_a0e6_57b1_4d09_c3f8);

/// How many missed times are submitted for before the run gives way.
const AT_ONCE: usize = 50;

/// Executes the run of a schedule until there is nothing to do before its next time.
pub(crate) async fn execute(run: &Run, context: &dyn RunContext) -> RunOutcome {
    match go_on(run, context).await {
        Ok(outcome) => outcome,
        Err(ContextError::Cancelled(CancelReason::Requested)) => RunOutcome::cancelled(),
        Err(error) => RunOutcome::TransientError { error: error.to_string() },
    }
}

async fn go_on(run: &Run, context: &dyn RunContext) -> Result<RunOutcome, ContextError> {
    let (Some(schedule), Some(id)) = (Schedule::of(run), id_of(&run.thread_id)) else {
        let error = "the run has no schedule that this version can read".to_owned();
        return Ok(RunOutcome::PermanentError { code: "invalid_schedule".to_owned(), error });
    };
    let times = match Times::parse(&schedule.cron, &schedule.time_zone) {
        Ok(times) => times,
        Err(error) => {
            let (code, error) = ("invalid_schedule".to_owned(), error.to_string());
            return Ok(RunOutcome::PermanentError { code, error });
        }
    };
    let mut state = ScheduleState::of(run);
    let now = context.now().await?;
    hear(run, context, &mut state).await?;
    if state.paused {
        state.next_at = None;
        return Ok(waiting(&state, Wait::new(WaitReason::ManualPause)));
    }
    // It counts from when it was made, however late it is executed first.
    let first = match state.next_at {
        None if ScheduleState::is_new(run) => times.next_after(run.created_at),
        None => times.next_after(now),
        next => next,
    };
    let due = first.map(|first| times.due(first, now, schedule.missed)).unwrap_or_default();
    for slot in due.iter().take(AT_ONCE) {
        submit(run, &id, &schedule.task, *slot, context, &mut state).await?;
        state.next_at = times.next_after(*slot);
        context.commit(step(&state)).await?;
    }
    if due.len() <= AT_ONCE {
        state.next_at = first.filter(|first| *first > now).or_else(|| times.next_after(now));
    }
    Ok(match state.next_at {
        Some(next) => {
            let resume_in = Some(next.since(now));
            waiting(&state, Wait { resume_in, ..Wait::new(WaitReason::ExternalEvent) })
        }
        None => RunOutcome::natural_end(Some("There is no further time.".to_owned())),
    })
}

/// Hears what it was told since it last listened.
async fn hear(
    run: &Run,
    context: &dyn RunContext,
    state: &mut ScheduleState,
) -> Result<(), ContextError> {
    for logged in context.prompt().await? {
        if logged.run_id != run.id || logged.seq <= state.heard {
            continue;
        }
        state.heard = logged.seq;
        match Control::of(&logged.message) {
            Some(Control::Pause) => state.paused = true,
            Some(Control::Resume) => state.paused = false,
            None => {}
        }
    }
    Ok(())
}

/// Submits for one time. What is refused is no reason to stop: it is said, and the next time comes.
async fn submit(
    run: &Run,
    id: &str,
    task: &Task,
    slot: Timestamp,
    context: &dyn RunContext,
    state: &mut ScheduleState,
) -> Result<(), ContextError> {
    let (thread_id, submit) = submission(&run.tenant, id, task, slot);
    state.last_at = Some(slot);
    state.fired += 1;
    match context.submit(thread_id, submit).await {
        Ok(submitted) => {
            state.last_run_id = Some(submitted.run_id);
            state.last_error = None;
            Ok(())
        }
        Err(ContextError::Store(StoreError::Refused(refusal))) => {
            let (code, message) = (refusal.code().to_owned(), refusal.to_string());
            state.last_error = Some(message.clone());
            context.emit(EventBody::Error { code, message }).await
        }
        Err(error) => Err(error),
    }
}

/// What is submitted for a time, under ids that follow from it.
fn submission(tenant: &TenantId, id: &str, task: &Task, slot: Timestamp) -> (ThreadId, Submit) {
    let name = format!("{tenant}:{id}@{}", slot.0);
    let derived = |what: &str| Uuid::new_v5(&SUBMISSIONS, format!("{name} {what}").as_bytes());
    let mut messages = task.messages.clone();
    for (place, message) in messages.iter_mut().enumerate() {
        message.id = Some(derived(&format!("message {place}")).into());
    }
    let thread_id = task.thread_id.clone().unwrap_or_else(|| derived("thread").into());
    let mut metadata = task.metadata.clone();
    metadata.insert("schedule_id".to_owned(), json!(id));
    let at = jiff::Timestamp::from_millisecond(slot.0).map(|at| at.to_string());
    metadata.insert("scheduled_at".to_owned(), json!(at.unwrap_or_default()));
    let spec = RunSpec {
        overrides: task.overrides.clone(),
        metadata,
        webhook: task.webhook.clone(),
        ..RunSpec::default()
    };
    let submit = Submit {
        agent_id: task.agent_id.clone(),
        idempotency_key: IdempotencyKey::parse(&format!("postroom:schedule:{name}")).ok(),
        priority: task.priority,
        max_attempts: task.max_attempts,
        origin: Origin::Schedule,
        spec: spec.into(),
        ..Submit::new(task.mode, messages)
    };
    (thread_id, submit)
}

fn step(state: &ScheduleState) -> Step {
    let agent_version = Some(VERSION.to_owned());
    Step { agent_version, state: state.to_state(), ..Step::default() }
}

fn waiting(state: &ScheduleState, wait: Wait) -> RunOutcome {
    RunOutcome::Waiting { last: step(state).into(), wait }
}
