//! The routes: a file per resource.

mod agents;
mod batch;
mod decisions;
mod dispatches;
mod events;
mod health;
mod keys;
mod openapi;
mod page;
mod pending;
mod recent;
mod runs;
mod schedules;
mod session;
mod settings;
mod submit;
mod system;
mod threads;
mod wait;

use axum::http::{Method, StatusCode, Uri};

use crate::api::Routes;
use crate::dashboard;
use crate::problem::Problem;

/// All of them.
pub(crate) fn all() -> Routes {
    Routes::new()
        .merge(agents::routes())
        .merge(batch::routes())
        .merge(decisions::routes())
        .merge(dispatches::routes())
        .merge(events::routes())
        .merge(health::routes())
        .merge(keys::routes())
        .merge(pending::routes())
        .merge(recent::routes())
        .merge(runs::routes())
        .merge(schedules::routes())
        .merge(session::routes())
        .merge(settings::routes())
        .merge(submit::routes())
        .merge(system::routes())
        .merge(threads::routes())
        .merge(wait::routes())
        .merge(openapi::routes())
        .merge(dashboard::routes())
}

pub(crate) async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found("unknown_path", format!("there is nothing at {}", uri.path()))
}

pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} does not take {method}: the Allow header says what it takes", uri.path()),
    )
}
