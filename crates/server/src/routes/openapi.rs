//! `/v1/openapi.json`: the API, described for programs.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::all;
use crate::api::{Routes, document};

/// It is the same for everybody for as long as the process lives.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document(all()).to_string());

pub(super) fn routes() -> Routes {
    Routes::new().route("/v1/openapi.json", get(show))
}

async fn show() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}
