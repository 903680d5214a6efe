//! `/v1/threads/{thread_id}/pending`: messages that no model has read yet.

use axum::Json as Answer;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postroom_core::id::{MessageId, ThreadId};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::{Answers, NoContent, Operation, Routes, about};
use crate::app::App;
use crate::extract::{Json, Path};
use crate::problem::Result;
use crate::wire::{ContentBody, PageView, PendingView};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/v1/threads/{thread_id}/pending",
            list,
            about("list_pending", "Messages that no model has read yet."),
        )
        .post(
            "/v1/threads/{thread_id}/pending/order",
            reorder,
            about("reorder_pending", "Puts pending messages into another order."),
        )
        .patch(
            "/v1/threads/{thread_id}/pending/{message_id}",
            edit,
            about("edit_pending", "Changes what a pending message says."),
        )
        .delete(
            "/v1/threads/{thread_id}/pending/{message_id}",
            retract,
            about("retract_pending", "Takes a pending message back."),
        )
}

/// All of them: how many there may be is limited.
async fn list(app: App, Path(thread_id): Path<ThreadId>) -> Result<Answer<PageView<PendingView>>> {
    let pending = app.postroom().pending(&thread_id).await?;
    let items = pending.into_iter().map(PendingView::from).collect();
    Ok(Answer(PageView { items, next_cursor: None }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Edit {
    content: ContentBody,
}

/// The message as it is now; `None` where a model has read it right after it was edited.
struct Edited(Option<PendingView>);

impl IntoResponse for Edited {
    fn into_response(self) -> Response {
        match self.0 {
            Some(pending) => Answer(pending).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

impl Answers for Edited {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_json::<PendingView>(StatusCode::OK);
        operation.answers_nothing(StatusCode::NO_CONTENT);
    }
}

async fn edit(
    app: App,
    Path((thread_id, message_id)): Path<(ThreadId, MessageId)>,
    Json(edit): Json<Edit>,
) -> Result<Edited> {
    app.postroom().edit_pending(&thread_id, &message_id, edit.content.0).await?;
    let pending = app.postroom().pending(&thread_id).await?;
    let edited = pending.into_iter().find(|pending| pending.message.id == message_id);
    Ok(Edited(edited.map(PendingView::from)))
}

async fn retract(
    app: App,
    Path((thread_id, message_id)): Path<(ThreadId, MessageId)>,
) -> Result<NoContent> {
    app.postroom().retract_pending(&thread_id, &message_id).await?;
    Ok(NoContent)
}

#[derive(Debug, Deserialize, JsonSchema)]
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
