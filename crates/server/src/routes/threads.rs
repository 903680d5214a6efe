//! `/v1/threads`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json as Answer;
use postroom_core::command::CreateThread;
use postroom_core::dispatch::DispatchState;
use postroom_core::id::{Epoch, ThreadId};
use postroom_core::message::Metadata;
use postroom_core::ports::{DispatchFilter, ThreadFilter};
use postroom_core::thread::Thread;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};

use super::page::{self, Limit};
use crate::api::{Created, NoContent, Routes, about};
use crate::app::App;
use crate::audit;
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, Result};
use crate::wire::{DispatchView, MessageView, PageView, ThreadView, not_reserved};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/v1/threads", list, about("list_threads", "Threads, newest first."))
        .post("/v1/threads", create, about("create_thread", "Makes a thread."))
        .get("/v1/threads/{thread_id}", show, about("get_thread", "A thread."))
        .patch(
            "/v1/threads/{thread_id}",
            change,
            about("change_thread", "Changes a thread's metadata."),
        )
        .delete(
            "/v1/threads/{thread_id}",
            delete,
            about("delete_thread", "Deletes a thread with all it has."),
        )
        .get(
            "/v1/threads/{thread_id}/messages",
            messages,
            about("list_messages", "A thread's log, oldest first."),
        )
        .get(
            "/v1/threads/{thread_id}/dispatches",
            dispatches,
            about("list_thread_dispatches", "A thread's dispatches, newest first."),
        )
        .post(
            "/v1/threads/{thread_id}/interrupt",
            interrupt,
            about("interrupt_thread", "Supersedes what is queued, and cancels what executes."),
        )
}

/// The thread, or `404`.
pub(super) async fn known_thread(app: &App, thread_id: &ThreadId) -> Result<Thread> {
    Ok(app.postroom().thread(thread_id).await?)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewThread {
    #[serde(default)]
    thread_id: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    parent_thread_id: Option<ThreadId>,
}

async fn create(app: App, Json(body): Json<NewThread>) -> Result<Created<ThreadView>> {
    let given = body.thread_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
    let thread_id = given.map(ThreadId::parse).transpose()?;
    if let Some(thread_id) = &thread_id {
        not_reserved("thread_id", thread_id)?;
    }
    let metadata = body.metadata.unwrap_or_default();
    let create = CreateThread { metadata, parent: body.parent_thread_id };
    let thread_id = app.postroom().create_thread(thread_id, create).await?;
    let thread = known_thread(&app, &thread_id).await?;
    Ok(Created(thread.into()))
}

/// `metadata.KEY=VALUE` can't be a field of a struct, so the parameters are read by hand.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct ThreadsQuery(Vec<(String, String)>);

impl JsonSchema for ThreadsQuery {
    fn schema_name() -> Cow<'static, str> {
        "ThreadsQuery".into()
    }

    /// That `metadata.KEY` may be any key is more than a list of parameters can say.
    fn json_schema(forms: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "q": {
                    "description": "Threads whose id or messages have this text. `metadata.KEY=VALUE` \
                        asks for those whose metadata has this value.",
                    "type": "string",
                },
                "limit": forms.subschema_for::<Limit>(),
                "cursor": { "type": "string" },
            },
        })
    }
}

async fn list(
    app: App,
    Query(ThreadsQuery(parameters)): Query<ThreadsQuery>,
) -> Result<Answer<PageView<ThreadView>>> {
    let mut filter = ThreadFilter::default();
    let (mut limit, mut cursor) = (Limit::default(), None);
    for (name, value) in parameters {
        match name.as_str() {
            "limit" => limit = read_limit(&value)?,
            "cursor" => cursor = Some(value),
            "q" => filter.text = Some(value).filter(|text| !text.is_empty()),
            _ => match name.strip_prefix("metadata.").filter(|key| !key.is_empty()) {
                Some(key) => filter.metadata.push((key.to_owned(), value)),
                None => {
                    return Err(Problem::bad_request(
                        "invalid_parameter",
                        format!(
                            "query parameters: there is no `{name}`, only limit, cursor, q and metadata.KEY"
                        ),
                    ));
                }
            },
        }
    }
    let threads = app.postroom().threads(filter, limit.get(), cursor.as_deref()).await?;
    Ok(Answer(page::shown(threads)))
}

fn read_limit(text: &str) -> Result<Limit> {
    let invalid = |why: String| {
        Problem::bad_request("invalid_parameter", format!("query parameters: limit: {why}"))
    };
    let number: u64 = text.parse().map_err(|_| invalid(format!("`{text}` is not a number")))?;
    Limit::deserialize(number.into_deserializer())
        .map_err(|error: serde::de::value::Error| invalid(error.to_string()))
}

async fn show(app: App, Path(thread_id): Path<ThreadId>) -> Result<Answer<ThreadView>> {
    Ok(Answer(known_thread(&app, &thread_id).await?.into()))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ThreadChange {
    /// The keys to replace; `null` takes a key away.
    metadata: Metadata,
}

async fn change(
    app: App,
    Path(thread_id): Path<ThreadId>,
    Json(body): Json<ThreadChange>,
) -> Result<Answer<ThreadView>> {
    app.postroom().patch_thread(&thread_id, body.metadata).await?;
    Ok(Answer(known_thread(&app, &thread_id).await?.into()))
}

async fn delete(app: App, Path(thread_id): Path<ThreadId>) -> Result<NoContent> {
    app.postroom().delete_thread(&thread_id).await?;
    audit::note(&app, "thread_deleted", &thread_id);
    Ok(NoContent)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MessagesQuery {
    after_seq: Option<u64>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

async fn messages(
    app: App,
    Path(thread_id): Path<ThreadId>,
    Query(query): Query<MessagesQuery>,
) -> Result<Answer<PageView<MessageView>>> {
    let after = page::after(query.after_seq, query.cursor.as_deref())?.unwrap_or(0);
    let limit = query.limit;
    let messages = app.postroom().messages(&thread_id, after, limit.get() + 1).await?;
    Ok(Answer(page::numbered(messages, limit, |message| message.seq)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DispatchesQuery {
    status: Option<DispatchState>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

async fn dispatches(
    app: App,
    Path(thread_id): Path<ThreadId>,
    Query(query): Query<DispatchesQuery>,
) -> Result<Answer<PageView<DispatchView>>> {
    known_thread(&app, &thread_id).await?;
    let states = query.status.into_iter().collect();
    let filter = DispatchFilter { thread_id: Some(thread_id), states, ..DispatchFilter::default() };
    let (limit, cursor) = (query.limit.get(), query.cursor.as_deref());
    let found = app.postroom().dispatches(filter, limit, cursor).await?;
    Ok(Answer(page::shown(found)))
}

#[derive(Debug, Serialize, JsonSchema)]
struct InterruptView {
    dispatch_epoch: Epoch,
    superseded: Vec<DispatchView>,
    active_dispatch: Option<DispatchView>,
}

async fn interrupt(app: App, Path(thread_id): Path<ThreadId>) -> Result<Answer<InterruptView>> {
    let interrupted = app.postroom().interrupt(&thread_id).await?;
    let view = |row| DispatchView::from(Arc::unwrap_or_clone(row));
    Ok(Answer(InterruptView {
        dispatch_epoch: interrupted.epoch,
        superseded: interrupted.superseded.into_iter().map(view).collect(),
        active_dispatch: interrupted.active.map(view),
    }))
}
