//! `POST /v1/runs`, `POST /v1/threads/{thread_id}/runs`: messages become a run, or join one.

use std::time::Duration;

use axum::Json as Answer;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use postroom_core::command::Submitted;
use postroom_core::id::ThreadId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::wait;
use crate::api::{Answers, Operation, Routes, Stream, about};
use crate::app::App;
use crate::extract::{GivenKey, Json, Path, Query, WantsStream};
use crate::problem::{Problem, Result};
use crate::run_events::{EndsWhere, run_events};
use crate::sse;
use crate::wire::{RunView, SubmissionBody, SubmittedView, not_reserved};

pub(super) fn routes() -> Routes {
    Routes::new()
        .post("/v1/runs", to_any_thread, about("submit", "Submits to a thread, or to a new one."))
        .post(
            "/v1/threads/{thread_id}/runs",
            to_thread,
            about("submit_to_thread", "Submits to a thread."),
        )
}

/// How the submission shall be answered.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskedWith {
    #[serde(default)]
    wait: bool,
    timeout_ms: Option<u64>,
}

/// What was accepted; the run, if it was waited for; or its events.
struct SubmitAnswer(Response);

impl IntoResponse for SubmitAnswer {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answers for SubmitAnswer {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_json::<SubmittedOrRun>(StatusCode::ACCEPTED);
        operation.answers_json::<RunView>(StatusCode::OK);
        Stream::say(operation);
    }
}

/// What was accepted, or, where it was waited for in vain, the run so far.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its form is of interest")]
enum SubmittedOrRun {
    Submitted(SubmittedView),
    Run(Box<RunView>),
}

async fn to_any_thread(
    app: App,
    GivenKey(key): GivenKey,
    stream: WantsStream,
    Query(asked): Query<AskedWith>,
    Json(body): Json<SubmissionBody>,
) -> Result<SubmitAnswer> {
    let attempts = app.postroom().config().mailbox.default_max_attempts;
    let (thread_id, submit) = body.into_submit(key, attempts)?;
    app.check_webhook(submit.spec.webhook.as_deref())?;
    app.access().gate().check_queue(app.postroom(), 1).await?;
    let submitted = app.postroom().submit(thread_id, submit).await?;
    answer(&app, submitted, stream, &asked).await
}

async fn to_thread(
    app: App,
    Path(thread_id): Path<ThreadId>,
    GivenKey(key): GivenKey,
    stream: WantsStream,
    Query(asked): Query<AskedWith>,
    Json(body): Json<SubmissionBody>,
) -> Result<SubmitAnswer> {
    not_reserved("thread_id", &thread_id)?;
    let attempts = app.postroom().config().mailbox.default_max_attempts;
    let (in_body, submit) = body.into_submit(key, attempts)?;
    app.check_webhook(submit.spec.webhook.as_deref())?;
    if in_body.is_some_and(|in_body| in_body != thread_id) {
        return Err(Problem::bad_request(
            "invalid_body",
            "thread_id: the body names another thread than the path: leave it out",
        ));
    }
    app.access().gate().check_queue(app.postroom(), 1).await?;
    let submitted = app.postroom().submit(Some(thread_id), submit).await?;
    answer(&app, submitted, stream, &asked).await
}

/// Answers an accepted submission. From here on no error may hide that it was accepted.
async fn answer(
    app: &App,
    submitted: Submitted,
    stream: WantsStream,
    asked: &AskedWith,
) -> Result<SubmitAnswer> {
    let replayed = submitted.replayed;
    let mut response = if stream.0 {
        match stream_of(app, &submitted) {
            Ok(response) => response,
            // It was accepted: that there is no stream for it must not hide it.
            Err(problem) if problem.status() == StatusCode::TOO_MANY_REQUESTS => {
                (StatusCode::ACCEPTED, Answer(SubmittedView::from(submitted))).into_response()
            }
            Err(problem) => return Err(problem),
        }
    } else if asked.wait {
        let timeout = wait::timeout(asked.timeout_ms);
        waited(app, submitted, timeout).await
    } else {
        (StatusCode::ACCEPTED, Answer(SubmittedView::from(submitted))).into_response()
    };
    if replayed {
        let headers = response.headers_mut();
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    Ok(SubmitAnswer(response))
}

async fn waited(app: &App, submitted: Submitted, timeout: Duration) -> Response {
    match wait::wait(app, &submitted.run_id, timeout).await {
        Ok(answer) => answer.into_response(),
        Err(error) => {
            tracing::warn!(
                code = error.code(),
                "a submission was accepted, but can't be waited for"
            );
            (StatusCode::ACCEPTED, Answer(SubmittedView::from(submitted))).into_response()
        }
    }
}

fn stream_of(app: &App, submitted: &Submitted) -> Result<Response> {
    // A repetition knows where the thread is, not where its run began.
    let after = if submitted.replayed { 0 } else { submitted.event_seq_before };
    let (thread_id, run_id) = (&submitted.thread_id, &submitted.run_id);
    let ends = EndsWhere::DoneOrWaiting;
    let events = run_events(app.postroom(), thread_id, run_id, after, ends);
    let mut response = sse::numbered(app, events)?;
    let named = [("x-thread-id", thread_id.to_string()), ("x-run-id", run_id.to_string())];
    for (name, id) in named {
        // As bytes: ids may be any text, but have no control characters.
        if let Ok(value) = HeaderValue::from_bytes(id.as_bytes()) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}
