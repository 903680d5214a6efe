//! Events of a thread, of a run, and of all: as a JSON page, or as a stream.

use axum::Json as Answer;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postroom_core::event::{EventBody, SharedEvent};
use postroom_core::id::{RunId, ThreadId};
use postroom_core::run::Run;
use schemars::JsonSchema;
use serde::Deserialize;

use super::page::{self, Limit};
use super::{runs, threads};
use crate::api::{Answers, Operation, Routes, Stream, about};
use crate::app::App;
use crate::extract::{LastEventId, Path, Query, WantsStream};
use crate::problem::Result;
use crate::run_events::{EndsWhere, run_events};
use crate::sse;
use crate::wire::{EventView, PageView};

/// How many events of a thread a page of one of its runs looks through: a page may be short, or
/// empty, and still have a next one.
const LOOKED_THROUGH_MAX: usize = 10_000;
/// How many are read at once.
const READ_AT_ONCE: usize = 1_000;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/v1/events",
            of_all,
            about("watch", "All events on this node from now on, as a stream."),
        )
        .get(
            "/v1/threads/{thread_id}/events",
            of_thread,
            about("list_thread_events", "A thread's events, as a page or as a stream."),
        )
        .get(
            "/v1/runs/{run_id}/events",
            of_run,
            about("list_run_events", "A run's events, as a page or as a stream."),
        )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    after: Option<u64>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

impl EventsQuery {
    /// After which event to go on: a reconnecting client's header is newer than its address.
    fn after(&self, last: LastEventId) -> Result<Option<u64>> {
        let asked = page::after(self.after, self.cursor.as_deref())?;
        Ok(last.0.or(asked))
    }
}

/// A page of events, or a stream of them.
struct EventsAnswer(Response);

impl IntoResponse for EventsAnswer {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answers for EventsAnswer {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_json::<PageView<EventView<'_>>>(StatusCode::OK);
        Stream::say(operation);
    }
}

/// Everything that happens on this node from now on, as a stream, for people who watch. There is
/// nothing to resume: `seq` counts within a thread, so the frames carry no id.
async fn of_all(app: App) -> Result<Stream> {
    sse::unnumbered(&app, app.postroom().all_events()).map(Stream)
}

/// A stream begins now unless it is told after which event; a page begins with the first.
async fn of_thread(
    app: App,
    Path(thread_id): Path<ThreadId>,
    stream: WantsStream,
    last: LastEventId,
    Query(query): Query<EventsQuery>,
) -> Result<EventsAnswer> {
    let after = query.after(last)?;
    let thread = threads::known_thread(&app, &thread_id).await?;
    if stream.0 {
        let after = after.unwrap_or(thread.event_seq);
        not_purged(&app, &thread_id, after).await?;
        return sse::numbered(&app, app.postroom().events(&thread_id, after)).map(EventsAnswer);
    }
    let limit = query.limit;
    let postroom = app.postroom();
    let events = postroom.events_after(&thread_id, after.unwrap_or(0), limit.get() + 1).await?;
    let page = page::numbered::<_, SharedEvent>(events, limit, |event| event.seq);
    Ok(shown(&page))
}

/// The stream ends with the run. While the run waits it stays open, so that who watches sees it go
/// on.
async fn of_run(
    app: App,
    Path(run_id): Path<RunId>,
    stream: WantsStream,
    last: LastEventId,
    Query(query): Query<EventsQuery>,
) -> Result<EventsAnswer> {
    let after = query.after(last)?.unwrap_or(0);
    let run = runs::known_run(&app, &run_id).await?;
    if stream.0 {
        let ends = EndsWhere::Done;
        not_purged(&app, &run.thread_id, after.max(run.events_after)).await?;
        let events = run_events(app.postroom(), &run.thread_id, &run_id, after, ends);
        return sse::numbered(&app, events).map(EventsAnswer);
    }
    Ok(shown(&page_of_run(&app, &run, after, query.limit).await?))
}

async fn page_of_run(
    app: &App,
    run: &Run,
    mut after: u64,
    limit: Limit,
) -> Result<PageView<SharedEvent>> {
    let postroom = app.postroom();
    after = after.max(run.events_after);
    let mut items = Vec::new();
    let mut looked_through = 0;
    let mut end_was_seen = false;
    loop {
        let events = postroom.events_after(&run.thread_id, after, READ_AT_ONCE).await?;
        let is_last = events.len() < READ_AT_ONCE;
        looked_through += events.len();
        for event in events {
            if items.len() == limit.get() {
                return Ok(PageView { items, next_cursor: Some(after.to_string()) });
            }
            if end_was_seen && Some(event.at) > run.finished_at() {
                return Ok(PageView { items, next_cursor: None });
            }
            after = event.seq;
            if event.run_id.as_ref() == Some(&run.id) {
                let finishes = matches!(event.body, EventBody::RunFinished { .. });
                end_was_seen |= finishes && Some(event.at) == run.finished_at();
                items.push(event);
            }
        }
        if is_last {
            return Ok(PageView { items, next_cursor: None });
        }
        if looked_through >= LOOKED_THROUGH_MAX {
            return Ok(PageView { items, next_cursor: Some(after.to_string()) });
        }
    }
}

/// A stream that could not begin is refused before it does.
async fn not_purged(app: &App, thread_id: &ThreadId, after: u64) -> Result<()> {
    app.postroom().events_after(thread_id, after, 1).await?;
    Ok(())
}

fn shown(page: &PageView<SharedEvent>) -> EventsAnswer {
    let items: Vec<EventView<'_>> = page.items.iter().map(|event| (&**event).into()).collect();
    let page = PageView { items, next_cursor: page.next_cursor.clone() };
    EventsAnswer(Answer(page).into_response())
}
