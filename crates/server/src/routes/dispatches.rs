//! `/v1/dispatches`, for operators.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json as Answer, Router};
use futures::stream::{self, StreamExt};
use postroom_core::dispatch::{Dispatch, DispatchState, DispatchStatus};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{AgentId, DispatchId, ThreadId};
use postroom_core::ports::DispatchFilter;
use postroom_core::time::Timestamp;
use postroom_service::{Error, Postroom};
use serde::{Deserialize, Serialize};

use super::page::{self, Limit};
use crate::app::App;
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, Result};
use crate::wire::{DispatchView, PageView, parse_moment};

/// How many dispatches are read or deleted at once.
const PAGE: usize = 500;
/// How many dead letters are retried at once: the store makes them durable together.
const RETRIES_AT_ONCE: usize = 64;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/dispatches", get(list).delete(purge))
        .route("/v1/dispatches/retry", post(retry_many))
        .route("/v1/dispatches/{dispatch_id}", get(show))
        .route("/v1/dispatches/{dispatch_id}/retry", post(retry))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DispatchesQuery {
    status: Option<DispatchState>,
    thread_id: Option<ThreadId>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

async fn list(
    State(app): State<App>,
    Query(query): Query<DispatchesQuery>,
) -> Result<Answer<PageView<DispatchView>>> {
    let filter =
        DispatchFilter { thread_id: query.thread_id, states: query.status.into_iter().collect() };
    let store = app.postroom().store();
    let found = store.dispatches(&filter, query.limit.get(), query.cursor.as_deref()).await?;
    Ok(Answer(page::shown(found)))
}

async fn show(
    State(app): State<App>,
    Path(dispatch_id): Path<DispatchId>,
) -> Result<Answer<DispatchView>> {
    let dispatch = app.postroom().store().dispatch(dispatch_id).await?;
    let dispatch = dispatch.ok_or(Refusal::UnknownDispatch { dispatch_id })?;
    Ok(Answer(dispatch.into()))
}

async fn retry(
    State(app): State<App>,
    Path(dispatch_id): Path<DispatchId>,
) -> Result<(StatusCode, Answer<DispatchView>)> {
    let dispatch = app.postroom().requeue(dispatch_id).await?;
    Ok((StatusCode::ACCEPTED, Answer(dispatch.into())))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryMany {
    status: DispatchState,
    #[serde(default)]
    thread_id: Option<ThreadId>,
    #[serde(default)]
    agent_id: Option<AgentId>,
    #[serde(default)]
    before: Option<String>,
}

#[derive(Debug, Serialize)]
struct RetriedView {
    retried: u64,
}

/// Retries every dead letter that there is now and that the filter picks; those that come while it
/// works are newer than the page it is on. If it fails on the way, asking again goes on: what was
/// retried is passed over.
async fn retry_many(
    State(app): State<App>,
    Json(body): Json<RetryMany>,
) -> Result<Answer<RetriedView>> {
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
    let filter =
        DispatchFilter { thread_id: body.thread_id, states: vec![DispatchState::DeadLetter] };
    let postroom = app.postroom();
    let mut retried = 0;
    let mut cursor = None;
    loop {
        let page = postroom.store().dispatches(&filter, PAGE, cursor.as_deref()).await?;
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
        if cursor.is_none() {
            return Ok(Answer(RetriedView { retried }));
        }
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PurgeQuery {
    status: Option<String>,
    before: Option<String>,
}

#[derive(Debug, Serialize)]
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
async fn purge(
    State(app): State<App>,
    Query(query): Query<PurgeQuery>,
) -> Result<Answer<DeletedView>> {
    let state = query.status.as_deref().map(terminal_state).transpose()?;
    let Some(before) = query.before else {
        return Err(Problem::bad_request(
            "invalid_parameter",
            "before: say until when, so that nothing is deleted by mistake",
        ));
    };
    let older_than: Timestamp = parse_moment("before", &before)?;
    let store = app.postroom().store();
    let mut deleted = 0;
    loop {
        let now = store.purge_terminal(state, older_than, PAGE).await?;
        deleted += now;
        if now < PAGE as u64 {
            return Ok(Answer(DeletedView { deleted }));
        }
    }
}
