//! `/v1/dispatches`, for operators.

use axum::Json as Answer;
use futures::stream::{self, StreamExt};
use postroom_core::dispatch::{Dispatch, DispatchState, DispatchStatus};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{AgentId, DispatchId, ThreadId};
use postroom_core::ports::DispatchFilter;
use postroom_core::time::Timestamp;
use postroom_service::{Error, Postroom};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::page::{self, Limit};
use crate::api::{Accepted, Routes, about};
use crate::app::App;
use crate::audit;
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, Result};
use crate::wire::{DispatchView, Moment, PageView, parse_moment};

/// How many dispatches are read or deleted at once.
const PAGE: usize = 500;
/// How many dead letters are retried at once: the store makes them durable together.
const RETRIES_AT_ONCE: usize = 64;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/v1/dispatches", list, about("list_dispatches", "Dispatches, newest first."))
        .delete("/v1/dispatches", purge, about("delete_dispatches", "Deletes those that are over."))
        .post(
            "/v1/dispatches/retry",
            retry_many,
            about("retry_dead_letters", "Retries dead letters."),
        )
        .get("/v1/dispatches/{dispatch_id}", show, about("get_dispatch", "A dispatch."))
        .post(
            "/v1/dispatches/{dispatch_id}/retry",
            retry,
            about("retry_dead_letter", "Retries a dead letter."),
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DispatchesQuery {
    status: Option<DispatchState>,
    thread_id: Option<ThreadId>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

async fn list(
    app: App,
    Query(query): Query<DispatchesQuery>,
) -> Result<Answer<PageView<DispatchView>>> {
    let states = query.status.into_iter().collect();
    let filter = DispatchFilter { thread_id: query.thread_id, states, ..DispatchFilter::default() };
    let (limit, cursor) = (query.limit.get(), query.cursor.as_deref());
    let found = app.postroom().dispatches(filter, limit, cursor).await?;
    Ok(Answer(page::shown(found)))
}

async fn show(app: App, Path(dispatch_id): Path<DispatchId>) -> Result<Answer<DispatchView>> {
    Ok(Answer(app.postroom().dispatch(dispatch_id).await?.into()))
}

async fn retry(app: App, Path(dispatch_id): Path<DispatchId>) -> Result<Accepted<DispatchView>> {
    let dispatch = app.postroom().requeue(dispatch_id).await?;
    audit::note(&app, "dispatch_retried", &dispatch_id);
    Ok(Accepted(dispatch.into()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RetryMany {
    status: DispatchState,
    #[serde(default)]
    thread_id: Option<ThreadId>,
    #[serde(default)]
    agent_id: Option<AgentId>,
    #[serde(default)]
    #[schemars(with = "Option<Moment>")]
    before: Option<String>,
    /// Looks at so many of them only; `next_cursor` then says where it stopped.
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RetriedView {
    retried: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Retries every dead letter that there is now and that the filter picks; those that come while it
/// works are newer than the page it is on. If it fails on the way, asking again goes on: what was
/// retried is passed over.
async fn retry_many(app: App, Json(body): Json<RetryMany>) -> Result<Answer<RetriedView>> {
    if body.status != DispatchState::DeadLetter {
        return Err(Problem::bad_request(
            "invalid_body",
            "status: only dead letters can be retried: give dead_letter",
        ));
    }
    let before = body.before.as_deref().map(|text| parse_moment("before", text)).transpose()?;
    let wanted = |dispatch: &Dispatch| {
        matches!(dispatch.status, DispatchStatus::DeadLetter { requeued_as: None })
            && body.agent_id.as_ref().is_none_or(|agent_id| dispatch.agent_id == *agent_id)
            && before.is_none_or(|before| dispatch.updated_at < before)
    };
    let filter = DispatchFilter {
        thread_id: body.thread_id,
        states: vec![DispatchState::DeadLetter],
        ..DispatchFilter::default()
    };
    let postroom = app.postroom();
    let mut retried = 0;
    let (mut left, mut cursor) = (limit(body.limit)?, body.cursor);
    loop {
        let size = left.min(PAGE);
        let page = postroom.dispatches(filter.clone(), size, cursor.as_deref()).await?;
        let ids: Vec<DispatchId> = page
            .items
            .iter()
            .filter(|dispatch| wanted(dispatch))
            .map(|dispatch| dispatch.id)
            .collect();
        let requeues = ids.into_iter().map(|id| requeue_once(postroom, id));
        let mut answers = stream::iter(requeues).buffer_unordered(RETRIES_AT_ONCE);
        while let Some(answer) = answers.next().await {
            retried += u64::from(answer?);
        }
        cursor = page.next_cursor;
        left -= size;
        if cursor.is_none() || left == 0 {
            audit::note(&app, "dead_letters_retried", &retried);
            return Ok(Answer(RetriedView { retried, next_cursor: cursor }));
        }
    }
}

/// How many may be dealt with; all where nothing is said.
fn limit(given: Option<usize>) -> Result<usize> {
    match given {
        Some(0) => Err(Problem::bad_request("invalid_parameter", "limit: it must be at least 1")),
        given => Ok(given.unwrap_or(usize::MAX)),
    }
}

/// Whether the dead letter was retried; `false` if somebody else was quicker.
async fn requeue_once(postroom: &Postroom, id: DispatchId) -> Result<bool, Error> {
    match postroom.requeue(id).await {
        Ok(_) => Ok(true),
        Err(Error::Store(StoreError::Refused(
            Refusal::AlreadyRequeued { .. }
            | Refusal::IllegalDispatch { .. }
            | Refusal::UnknownDispatch { .. }
            | Refusal::IllegalRun { .. },
        ))) => Ok(false),
        Err(error) => Err(error),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PurgeQuery {
    #[schemars(with = "Option<DispatchState>")]
    status: Option<String>,
    /// When it must have ended: what is older is deleted.
    #[schemars(with = "Moment")]
    before: Option<String>,
    /// Deletes so many at most.
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct DeletedView {
    deleted: u64,
}

/// A terminal state; others are never deleted.
fn terminal_state(word: &str) -> Result<DispatchState> {
    DispatchState::from_word(word).filter(|state| state.is_terminal()).ok_or_else(|| {
        Problem::bad_request(
            "invalid_parameter",
            "status: only acked, cancelled, superseded and dead_letter dispatches can be deleted",
        )
    })
}

/// Deletes terminal dispatches, never their runs or messages.
async fn purge(app: App, Query(query): Query<PurgeQuery>) -> Result<Answer<DeletedView>> {
    let state = query.status.as_deref().map(terminal_state).transpose()?;
    let Some(before) = query.before else {
        return Err(Problem::bad_request(
            "invalid_parameter",
            "before: say until when, so that nothing is deleted by mistake",
        ));
    };
    let older_than: Timestamp = parse_moment("before", &before)?;
    let mut deleted = 0;
    let mut left = limit(query.limit)?;
    loop {
        let size = left.min(PAGE);
        let now = app.postroom().purge_dispatches(state, older_than, size).await?;
        deleted += now;
        left -= size;
        if now < size as u64 || left == 0 {
            audit::note(&app, "dispatches_deleted", &deleted);
            return Ok(Answer(DeletedView { deleted }));
        }
    }
}
