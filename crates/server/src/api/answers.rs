//! What handlers answer with.

use axum::Json as Answer;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::Operation;
use crate::problem::Problem;

/// What a handler's answer can be.
pub(crate) trait Answers {
    /// Says it of an operation.
    fn say(operation: &mut Operation<'_>);
}

/// `200`.
impl<T: JsonSchema> Answers for Answer<T> {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_json::<T>(StatusCode::OK);
    }
}

/// `201`: it was made.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Answer(self.0)).into_response()
    }
}

impl<T: JsonSchema> Answers for Created<T> {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_json::<T>(StatusCode::CREATED);
    }
}

/// `202`: it is accepted, and will be done whatever happens.
pub(crate) struct Accepted<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Answer(self.0)).into_response()
    }
}

impl<T: JsonSchema> Answers for Accepted<T> {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_json::<T>(StatusCode::ACCEPTED);
    }
}

/// `204`: it is done, and there is nothing to say.
pub(crate) struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Answers for NoContent {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_nothing(StatusCode::NO_CONTENT);
    }
}

/// `200`: an event stream.
pub(crate) struct Stream(pub(crate) Response);

impl IntoResponse for Stream {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answers for Stream {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_text(StatusCode::OK, "text/event-stream");
    }
}

impl Answers for Problem {
    fn say(operation: &mut Operation<'_>) {
        operation.answers_problem::<Self>();
    }
}

impl<T: Answers, E: Answers> Answers for Result<T, E> {
    fn say(operation: &mut Operation<'_>) {
        T::say(operation);
        E::say(operation);
    }
}
