//! `/v1/schedules`: submissions that are made again and again, at the times of a cron expression.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json as Answer;
use futures::StreamExt;
use postroom_automation::schedule::{self, Control, Missed, Schedule, Task, Times};
use postroom_core::command::{Cancelled, Mode};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::EventBody;
use postroom_core::id::{AgentId, IdempotencyKey, ThreadId};
use postroom_core::message::Metadata;
use postroom_core::ports::RunFilter;
use postroom_core::run::Run;
use postroom_service::Error;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::page::Limit;
use crate::api::{Created, NoContent, Routes, about};
use crate::app::App;
use crate::extract::{Json, Path, Query};
use crate::object::Object;
use crate::problem::{Problem, Result};
use crate::wire::{Messages, PageView, ScheduleView, check_count, check_webhook, not_reserved};

/// How long an answer waits for a schedule that is executing just now to hear what it was told.
const HEARING: Duration = Duration::from_secs(5);

/// One creation for each schedule: a second one at the same moment is answered as the first.
const CREATION: &str = "postroom:create";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/v1/schedules", list, about("list_schedules", "Schedules, newest first."))
        .post("/v1/schedules", create, about("create_schedule", "Makes a schedule."))
        .get("/v1/schedules/{schedule_id}", show, about("get_schedule", "A schedule."))
        .delete("/v1/schedules/{schedule_id}", remove, about("delete_schedule", "Ends a schedule."))
        .post(
            "/v1/schedules/{schedule_id}/pause",
            pause,
            about("pause_schedule", "Pauses a schedule."),
        )
        .post(
            "/v1/schedules/{schedule_id}/resume",
            resume,
            about("resume_schedule", "Lets a paused schedule go on."),
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewSchedule {
    #[serde(default)]
    schedule_id: Option<String>,
    cron: String,
    #[serde(default)]
    time_zone: Option<String>,
    #[serde(default)]
    missed: Missed,
    run: Object<ScheduledRun>,
}

/// What is submitted: a submission's body, without what makes sense only once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ScheduledRun {
    #[serde(default)]
    thread_id: Option<ThreadId>,
    #[serde(default)]
    agent_id: Option<AgentId>,
    messages: Messages,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    priority: Option<u8>,
    #[serde(default)]
    max_attempts: Option<u32>,
    #[serde(default)]
    overrides: Option<Map<String, Value>>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    webhook: Option<String>,
}

impl ScheduledRun {
    fn into_task(self, default_max_attempts: u32) -> Result<Task> {
        let mut messages = self.messages.0;
        check_count(messages.len())?;
        if messages.is_empty() {
            return Err(invalid("run.messages: give at least one message"));
        }
        // Each time has messages of its own.
        for message in &mut messages {
            message.id = None;
        }
        let max_attempts = self.max_attempts.unwrap_or(default_max_attempts);
        if max_attempts == 0 {
            return Err(invalid("run.max_attempts: it must be at least 1"));
        }
        if let Some(thread_id) = &self.thread_id {
            not_reserved("run.thread_id", thread_id)?;
        }
        if let Some(agent_id) = &self.agent_id {
            not_reserved("run.agent_id", agent_id)?;
        }
        Ok(Task {
            thread_id: self.thread_id,
            agent_id: self.agent_id,
            mode: self.mode.unwrap_or_default(),
            messages,
            priority: self.priority.map(postroom_core::dispatch::Priority).unwrap_or_default(),
            max_attempts,
            overrides: self.overrides.map(Value::Object).unwrap_or_default(),
            metadata: self.metadata.unwrap_or_default(),
            webhook: self.webhook.map(check_webhook).transpose()?,
        })
    }
}

fn invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::bad_request("invalid_schedule", detail)
}

async fn create(app: App, Json(body): Json<NewSchedule>) -> Result<Created<ScheduleView>> {
    let postroom = app.postroom();
    let given = body.schedule_id.filter(|id| !id.trim().is_empty());
    let id = given.unwrap_or_else(|| postroom.new_id().to_string());
    let thread_id = thread_of(&app, &id)?;
    let time_zone = body.time_zone.unwrap_or_else(|| "UTC".to_owned());
    let times = Times::parse(&body.cron, &time_zone).map_err(|error| invalid(error.to_string()))?;
    let now = postroom.store().now().await?;
    if times.next_after(now).is_none() {
        let never = schedule::InvalidTimes::Never { cron: body.cron };
        return Err(invalid(never.to_string()));
    }
    let task = body.run.0.into_task(postroom.config().mailbox.default_max_attempts)?;
    app.check_webhook(task.webhook.as_deref())?;
    let schedule = Schedule { cron: body.cron, time_zone, missed: body.missed, task };

    if unfinished(&app, &thread_id).await?.is_some() {
        return Err(exists(&id));
    }
    let mut submit = schedule::submission(&schedule);
    submit.idempotency_key = IdempotencyKey::parse(CREATION).ok();
    let submitted = match postroom.submit(Some(thread_id), submit).await {
        Ok(submitted) if !submitted.replayed => submitted,
        Ok(_) => return Err(exists(&id)),
        Err(error) => return Err(error.into()),
    };
    let run = super::runs::known_run(&app, &submitted.run_id).await?;
    Ok(Created(ScheduleView::of(&run).ok_or_else(|| unknown(&id))?))
}

fn thread_of(app: &App, id: &str) -> Result<ThreadId> {
    schedule::thread_of(&app.caller().tenant, id).map_err(Problem::from)
}

fn exists(id: &str) -> Problem {
    let detail = format!("there is a schedule {id} already: delete it first, or take another id");
    Problem::conflict("schedule_exists", detail)
}

fn unknown(id: &str) -> Problem {
    let detail = format!("there is no schedule {id}: GET /v1/schedules lists those there are");
    Problem::not_found("unknown_schedule", detail)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SchedulesQuery {
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

async fn list(
    app: App,
    Query(query): Query<SchedulesQuery>,
) -> Result<Answer<PageView<ScheduleView>>> {
    let filter = RunFilter { parent_run_id: schedule::parent(), ..RunFilter::default() };
    let (limit, cursor) = (query.limit.get(), query.cursor.as_deref());
    let runs = app.postroom().runs(filter, limit, cursor).await?;
    let items = runs.items.iter().filter_map(ScheduleView::of).collect();
    Ok(Answer(PageView { items, next_cursor: runs.next_cursor }))
}

/// The newest run of the thread of a schedule, if it has one.
async fn newest(app: &App, thread_id: &ThreadId) -> Result<Option<Run>> {
    let thread = match app.postroom().thread(thread_id).await {
        Err(Error::Store(StoreError::Refused(Refusal::UnknownThread { .. }))) => return Ok(None),
        thread => thread?,
    };
    match thread.latest_run_id {
        Some(run_id) => Ok(Some(super::runs::known_run(app, &run_id).await?)),
        None => Ok(None),
    }
}

async fn unfinished(app: &App, thread_id: &ThreadId) -> Result<Option<Run>> {
    Ok(newest(app, thread_id).await?.filter(|run| !run.is_done()))
}

async fn view(app: &App, id: &str) -> Result<ScheduleView> {
    let run = newest(app, &thread_of(app, id)?).await?;
    run.as_ref().and_then(ScheduleView::of).ok_or_else(|| unknown(id))
}

async fn show(app: App, Path(id): Path<String>) -> Result<Answer<ScheduleView>> {
    Ok(Answer(view(&app, &id).await?))
}

async fn pause(app: App, Path(id): Path<String>) -> Result<Answer<ScheduleView>> {
    tell(&app, &id, Control::Pause).await
}

async fn resume(app: App, Path(id): Path<String>) -> Result<Answer<ScheduleView>> {
    tell(&app, &id, Control::Resume).await
}

/// Tells a schedule something, and waits until it has heard it.
async fn tell(app: &App, id: &str, control: Control) -> Result<Answer<ScheduleView>> {
    let thread_id = thread_of(app, id)?;
    let run = newest(app, &thread_id).await?.ok_or_else(|| unknown(id))?;
    if run.is_done() {
        let detail = format!("the schedule {id} is over: delete it, and make a new one");
        return Err(Problem::conflict("schedule_ended", detail));
    }
    let postroom = app.postroom();
    let submitted = postroom.submit(Some(thread_id.clone()), control.submission()).await?;
    let heard = async {
        let mut events = postroom.events(&thread_id, submitted.event_seq_before);
        while let Some(Ok(event)) = events.next().await {
            if matches!(event.body, EventBody::RunWaiting { .. } | EventBody::RunFinished { .. }) {
                return;
            }
        }
    };
    // What it was told is durable in any case: at worst the answer shows it as it was.
    let _ = timeout(HEARING, heard).await;
    Ok(Answer(view(app, id).await?))
}

/// Ends the schedule. Runs that it has submitted go on.
async fn remove(app: App, Path(id): Path<String>) -> Result<NoContent> {
    let thread_id = thread_of(&app, &id)?;
    let run = newest(&app, &thread_id).await?.ok_or_else(|| unknown(&id))?;
    let postroom = app.postroom();
    if !run.is_done() {
        let ended = postroom.cancel_run(&run.id).await?;
        if matches!(ended, Cancelled::Executing { .. }) {
            postroom.wait(&run.id, HEARING).await?;
        }
    }
    match postroom.delete_thread(&thread_id).await {
        Err(Error::Store(StoreError::Refused(Refusal::UnknownThread { .. }))) => Err(unknown(&id)),
        deleted => {
            deleted?;
            Ok(NoContent)
        }
    }
}
