//! Event streams: server-sent events.
//!
//! A stream is pulled by its client: while the client does not read, nothing is read for it, and no
//! run waits for it. It ends when the client goes away or the server closes. A failure breaks the
//! connection instead of ending the answer, so that a client never takes it for the end; it goes on
//! with `Last-Event-ID`. When the server closes, the last frame says when to come back.

use std::iter;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt};
use postroom_core::error::StoreError;
use postroom_core::event::{Event, SharedEvent};
use postroom_service::EventStream;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::problem::Problem;
use crate::wire::EventView;

/// How often a quiet stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a client shall come back that was sent away because the server closes: another node is there
/// at once, and this one again after a restart.
const COME_BACK_AFTER: Duration = Duration::from_secs(1);

/// A stream of one thread's events; each frame carries its `seq`, to resume after.
pub(crate) fn numbered(
    app: &App,
    events: impl Stream<Item = Result<SharedEvent, StoreError>> + Send + 'static,
) -> Result<Response, Problem> {
    respond(app, events, |event| frame(event).id(event.seq.to_string()))
}

/// A stream of several threads' events, which no single number could resume.
pub(crate) fn unnumbered(app: &App, events: EventStream) -> Result<Response, Problem> {
    respond(app, events, frame)
}

fn respond(
    app: &App,
    events: impl Stream<Item = Result<SharedEvent, StoreError>> + Send + 'static,
    frame: impl Fn(&Event) -> Frame + Send + 'static,
) -> Result<Response, Problem> {
    let permit = app.access().gate().open_stream(&app.caller().tenant)?;
    let closing = app.closing().clone();
    let frames = events
        .map(move |event| {
            // It counts for as long as the stream is read.
            let _open = &permit;
            event.map(|event| frame(&event))
        })
        .inspect(|frame| {
            if let Err(error) = frame {
                tracing::warn!(%error, "an event stream broke off");
            }
        })
        .take_until(closing.clone().cancelled_owned())
        .chain(farewell(closing));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive");
    let mut response = Sse::new(frames).keep_alive(keep_alive).into_response();
    // Proxies must not gather what is meant to be seen at once.
    let name = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(name, HeaderValue::from_static("no"));
    Ok(response)
}

/// Once the server closes: a frame without data, which is no event.
fn farewell<E>(closing: CancellationToken) -> impl Stream<Item = Result<Frame, E>> {
    let frame = || Ok(Frame::default().comment("the server closes").retry(COME_BACK_AFTER));
    stream::iter(iter::from_fn(move || closing.is_cancelled().then(frame)).take(1))
}

/// The event's name is one of a closed set and its data one line of JSON: neither can contain the
/// line breaks that a frame must not have.
fn frame(event: &Event) -> Frame {
    let frame = Frame::default().event(event.body.type_name());
    // Text, numbers and JSON values always have a JSON form.
    frame.json_data(EventView::from(event)).unwrap_or_default()
}
