//! `/health/live` and `/health/ready`, for whoever starts, stops and routes to this process.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use postroom_service::Readiness;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::{Routes, about};
use crate::app::House;
use crate::problem::{Problem, Result};

/// A store that takes longer than this to answer does not answer.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn routes() -> Routes {
    Routes::new().get("/health/live", live, about("live", "Whether the process lives.")).get(
        "/health/ready",
        ready,
        about("ready", "Whether it takes requests and runs."),
    )
}

#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    status: &'static str,
}

async fn live() -> Answer<Health> {
    Answer(Health { status: "live" })
}

/// Ready once recovery is done, while the store answers, and until the node drains.
async fn ready(State(house): State<House>) -> Result<Answer<Health>> {
    let readiness = house.unscoped().readiness();
    if readiness != Readiness::Ready {
        return Err(Problem::unavailable("not_ready", format!("the service is {readiness}")));
    }
    match tokio::time::timeout(STORE_ANSWERS_WITHIN, house.unscoped().store().now()).await {
        Ok(Ok(_)) => Ok(Answer(Health { status: "ready" })),
        Ok(Err(error)) => Err(Problem::unavailable("not_ready", error.to_string())),
        Err(_) => Err(Problem::unavailable("not_ready", "the store does not answer")),
    }
}
