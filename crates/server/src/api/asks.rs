//! What handlers ask for.

use axum::extract::State;
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde_json::json;

use super::Operation;
use crate::app::{App, House};
use crate::extract::{GivenKey, Json, JsonList, LastEventId, Path, Query, WantsStream};

/// What an argument of a handler asks of the request.
pub(crate) trait Asks {
    /// Says it of an operation.
    fn say(operation: &mut Operation<'_>);
}

/// Who calls is said once, for all operations.
impl Asks for App {
    fn say(_: &mut Operation<'_>) {}
}

impl Asks for State<House> {
    fn say(_: &mut Operation<'_>) {}
}

/// What a handler looks for in headers does not change what it answers, only how.
impl Asks for HeaderMap {
    fn say(_: &mut Operation<'_>) {}
}

/// `Accept` chooses among an answer's media types, which are said with it.
impl Asks for WantsStream {
    fn say(_: &mut Operation<'_>) {}
}

impl<T: JsonSchema> Asks for Path<T> {
    fn say(operation: &mut Operation<'_>) {
        operation.asks_path::<T>();
    }
}

impl<T: JsonSchema> Asks for Query<T> {
    fn say(operation: &mut Operation<'_>) {
        operation.asks_query::<T>();
    }
}

impl<T: JsonSchema> Asks for Json<T> {
    fn say(operation: &mut Operation<'_>) {
        operation.asks_body::<T>();
    }
}

impl<T: JsonSchema> Asks for JsonList<T> {
    fn say(operation: &mut Operation<'_>) {
        operation.asks_body::<Vec<T>>();
    }
}

impl Asks for GivenKey {
    fn say(operation: &mut Operation<'_>) {
        operation.asks_header(
            "Idempotency-Key",
            "The caller's own name for the submission: repeating it returns the first answer.",
            &json!({ "type": "string", "minLength": 1, "maxLength": 255 }),
        );
    }
}

impl Asks for LastEventId {
    fn say(operation: &mut Operation<'_>) {
        operation.asks_header(
            "Last-Event-ID",
            "The `id` of the last event that a reconnecting client has seen.",
            &json!({ "type": "integer", "minimum": 0 }),
        );
    }
}
