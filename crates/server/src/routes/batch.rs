//! `POST /v1/runs/batch`: many submissions, each atomic on its own, made durable together.

use postroom_core::command::Submit;
use postroom_core::id::{IdempotencyKey, ThreadId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::{Accepted, Routes, about};
use crate::app::App;
use crate::extract::{GivenKey, Json, parse_object};
use crate::problem::{Problem, Result};
use crate::wire::{SubmissionBody, SubmittedView};

/// How many submissions one batch may have.
const RUNS_MAX: usize = 1_000;

pub(super) fn routes() -> Routes {
    Routes::new().post(
        "/v1/runs/batch",
        submit_batch,
        about("submit_batch", "Submits many, each atomic on its own."),
    )
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Batch {
    /// Read one by one: one that is malformed leaves the others alone.
    runs: Vec<Value>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Answers {
    items: Vec<Item>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Item {
    Submitted(SubmittedView),
    Problem(Problem),
}

async fn submit_batch(
    app: App,
    GivenKey(key): GivenKey,
    Json(batch): Json<Batch>,
) -> Result<Accepted<Answers>> {
    if batch.runs.len() > RUNS_MAX {
        return Err(Problem::bad_request(
            "too_many_runs",
            format!(
                "runs: {} are given, and {RUNS_MAX} are allowed: submit them in parts",
                batch.runs.len()
            ),
        ));
    }
    let mut items: Vec<Option<Item>> = Vec::with_capacity(batch.runs.len());
    let mut submits = Vec::with_capacity(batch.runs.len());
    for (index, run) in batch.runs.into_iter().enumerate() {
        match read(&app, run, key.as_ref(), index) {
            Ok(submit) => {
                submits.push(submit);
                items.push(None);
            }
            Err(problem) => items.push(Some(Item::Problem(problem))),
        }
    }
    let count = submits.len() as u64;
    app.access().gate().check_queue(app.postroom(), count).await?;
    let answers = app.postroom().submit_batch(submits).await;
    let mut answers = answers.into_iter().map(|answer| match answer {
        Ok(submitted) => Item::Submitted(submitted.into()),
        Err(error) => Item::Problem(error.into()),
    });
    let items = items.into_iter().filter_map(|item| item.or_else(|| answers.next())).collect();
    Ok(Accepted(Answers { items }))
}

/// One submission. With an `Idempotency-Key` for the batch, each has a key made of it and of its
/// place: a repeated batch submits nothing twice.
fn read(
    app: &App,
    run: Value,
    key: Option<&IdempotencyKey>,
    index: usize,
) -> Result<(Option<ThreadId>, Submit)> {
    let body: SubmissionBody = parse_object(run)?;
    let key = key.map(|key| IdempotencyKey::parse(&format!("{key}#{index}"))).transpose()?;
    let attempts = app.postroom().config().mailbox.default_max_attempts;
    let (thread_id, submit) = body.into_submit(key, attempts)?;
    app.check_webhook(submit.spec.webhook.as_deref())?;
    Ok((thread_id, submit))
}
