//! Reading requests. What axum would answer in plain text is a [`Problem`] here.

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use futures::StreamExt;
use postroom_core::id::IdempotencyKey;
use serde::de::DeserializeOwned;

use crate::nesting::{LEVELS_MAX, is_too_deep};
use crate::object::Object;
use crate::problem::{Problem, Result};

/// The longest body.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How much of a body that is too long is read and thrown away, so that a client that is still
/// sending gets to read why it was refused.
const DISCARDED_BYTES_MAX: usize = 8 * BODY_BYTES_MAX;

/// A body that is a JSON object.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let Object(body) = parse(&json_body(request).await?)?;
        Ok(Self(body))
    }
}

/// A body that is a JSON list of objects.
#[derive(Debug)]
pub struct JsonList<T>(pub Vec<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonList<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let items: Vec<Object<T>> = parse(&json_body(request).await?)?;
        Ok(Self(items.into_iter().map(|Object(item)| item).collect()))
    }
}

/// A body as JSON text: of the right type, not too long, not nested too deeply.
async fn json_body(request: Request) -> Result<Vec<u8>> {
    if !is_json(request.headers()) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the body as JSON, with the header `Content-Type: application/json`",
        ));
    }
    let length = request.headers().get(CONTENT_LENGTH);
    let announced = length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    let body = read(request.into_body(), announced).await?;
    if is_too_deep(&body) {
        return Err(Problem::bad_request(
            "invalid_json",
            format!("the body is nested more than {LEVELS_MAX} levels deep: make it flatter"),
        ));
    }
    Ok(body)
}

/// Reads a value from JSON; an error names its place.
///
/// # Errors
/// `invalid_json` where it is not JSON, `invalid_body` where it is not of the wanted form.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    use serde_json::error::Category;

    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        match error.inner().classify() {
            Category::Data => not_of_the_form(&error),
            Category::Syntax | Category::Eof | Category::Io => not_json(error.inner()),
        }
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

/// As [`parse`], from an object that was read already.
///
/// # Errors
/// `invalid_body` where it is not of the wanted form.
pub fn parse_object<T: DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    let read = serde_path_to_error::deserialize(value);
    read.map(|Object(body)| body).map_err(|error| not_of_the_form(&error))
}

fn not_of_the_form(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = error.path().to_string();
    let why = error.inner();
    let detail = if path == "." { why.to_string() } else { format!("{path}: {why}") };
    Problem::bad_request("invalid_body", detail)
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::bad_request("invalid_json", format!("the body is not JSON: {error}"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn read(body: Body, announced: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(announced.min(BODY_BYTES_MAX));
    let mut length = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::bad_request("incomplete_body", format!("the body broke off: {error}"))
        })?;
        length += chunk.len();
        if length <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&chunk);
        } else if length > DISCARDED_BYTES_MAX {
            break;
        }
    }
    if length > BODY_BYTES_MAX {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!(
                "a body may have {BODY_BYTES_MAX} bytes: send large data in several parts, or a link to it"
            ),
        ));
    }
    Ok(bytes)
}

/// The query's parameters.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        let query = query.map_err(|error: QueryRejection| {
            use std::error::Error as _;
            // The rejection's own text only says that there is an error; its source says which.
            let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            Problem::bad_request("invalid_parameter", format!("query parameters: {why}"))
        })?;
        Ok(Self(query.0))
    }
}

/// The ids in the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let path = path.map_err(|error: PathRejection| {
            Problem::bad_request("invalid_id", format!("in the path: {}", error.body_text()))
        })?;
        Ok(Self(path.0))
    }
}

/// Whether the client asks for an event stream.
#[derive(Debug, Clone, Copy)]
pub struct WantsStream(pub bool);

impl<S: Send + Sync> FromRequestParts<S> for WantsStream {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let mut types = accepted.flat_map(|value| value.split(','));
        Ok(Self(types.any(|media| {
            let essence = media.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("text/event-stream")
        })))
    }
}

/// The `Idempotency-Key` header.
#[derive(Debug, Clone)]
pub struct GivenKey(pub Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for GivenKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let text = header_text(&parts.headers, "idempotency-key")?;
        Ok(Self(text.map(IdempotencyKey::parse).transpose()?))
    }
}

/// `seq` of the last event that a reconnecting client has seen.
#[derive(Debug, Clone, Copy)]
pub struct LastEventId(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let Some(text) = header_text(&parts.headers, "last-event-id")? else {
            return Ok(Self(None));
        };
        // A client that has seen no event yet may send an empty one.
        if text.is_empty() {
            return Ok(Self(None));
        }
        text.parse().map(|seq| Self(Some(seq))).map_err(|_| {
            Problem::bad_request(
                "invalid_header",
                "Last-Event-ID: give the `id` of an event, a number",
            )
        })
    }
}

fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    // Not `to_str`, which knows ASCII only: ids may be any text.
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Problem::bad_request("invalid_header", format!("{name}: it is not UTF-8")))?;
    Ok(Some(text.trim()))
}
