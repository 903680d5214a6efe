//! `/v1/threads/{thread_id}/pending`: messages that no model has read yet.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json as Answer, Router};
use postroom_core::id::{MessageId, ThreadId};
use serde::Deserialize;

use crate::app::{App, House};
use crate::extract::{Json, Path};
use crate::problem::Result;
use crate::wire::{ContentBody, PageView, PendingView};

pub(super) fn routes() -> Router<House> {
    Router::new()
        .route("/v1/threads/{thread_id}/pending", get(list))
        .route("/v1/threads/{thread_id}/pending/order", post(reorder))
        .route("/v1/threads/{thread_id}/pending/{message_id}", patch(edit).delete(retract))
}

/// All of them: how many there may be is limited.
async fn list(app: App, Path(thread_id): Path<ThreadId>) -> Result<Answer<PageView<PendingView>>> {
    let pending = app.postroom().pending(&thread_id).await?;
    let items = pending.into_iter().map(PendingView::from).collect();
    Ok(Answer(PageView { items, next_cursor: None }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    content: ContentBody,
}

async fn edit(
    app: App,
    Path((thread_id, message_id)): Path<(ThreadId, MessageId)>,
    Json(edit): Json<Edit>,
) -> Result<Response> {
    app.postroom().edit_pending(&thread_id, &message_id, edit.content.0).await?;
    let pending = app.postroom().pending(&thread_id).await?;
    let edited = pending.into_iter().find(|pending| pending.message.id == message_id);
    Ok(match edited {
        Some(pending) => Answer(PendingView::from(pending)).into_response(),
        // It was edited, and read right after.
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

async fn retract(
    app: App,
    Path((thread_id, message_id)): Path<(ThreadId, MessageId)>,
) -> Result<StatusCode> {
    app.postroom().retract_pending(&thread_id, &message_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    message_ids: Vec<MessageId>,
}

async fn reorder(
    app: App,
    Path(thread_id): Path<ThreadId>,
    Json(order): Json<Order>,
) -> Result<Answer<PageView<PendingView>>> {
    app.postroom().reorder_pending(&thread_id, order.message_ids).await?;
    list(app, Path(thread_id)).await
}
