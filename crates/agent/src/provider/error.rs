//! The client's errors, split by what to do next.

use std::time::Duration;

use genai::Error;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::model::ModelError;

/// The longest error text that is kept.
const MESSAGE_CHARS_MAX: usize = 500;
/// The longest that a provider's wish to be left alone is taken seriously.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// What to do about `error`. `key` is cut out of the text, should the server have repeated it.
pub(super) fn model_error(error: &Error, key: Option<&str>) -> ModelError {
    match sort(error) {
        ModelError::Transient { message, retry_after } => {
            ModelError::Transient { message: clean(&message, key), retry_after }
        }
        ModelError::Permanent { code, message } => {
            ModelError::Permanent { code, message: clean(&message, key) }
        }
    }
}

fn sort(error: &Error) -> ModelError {
    match error {
        Error::HttpError { status, body, headers, .. } => by_status(*status, body, headers),
        Error::WebModelCall { webc_error, .. } | Error::WebAdapterCall { webc_error, .. } => {
            match webc_error {
                genai::webc::Error::ResponseFailedStatus { status, body, headers } => {
                    by_status(*status, body, headers)
                }
                other => ModelError::transient(other.to_string()),
            }
        }
        // The transport's own error lies inside.
        Error::WebStream { error, cause, .. } => match error.downcast_ref::<Error>() {
            Some(inner) => sort(inner),
            None => by_transport(error.as_ref(), cause),
        },
        Error::ChatResponse { body, .. } => by_body(body),
        Error::StreamParse { serde_error, .. } => {
            ModelError::transient(format!("the provider's answer can't be read: {serde_error}"))
        }
        Error::RequiresApiKey { .. } | Error::NoAuthData { .. } | Error::NoAuthResolver { .. } => {
            ModelError::permanent("bad_api_key", error.to_string())
        }
        Error::InvalidJsonResponseElement { .. }
        | Error::JsonValueExt(_)
        | Error::SerdeJson(_)
        | Error::NoChatResponse { .. } => {
            ModelError::transient(format!("the provider's answer can't be read: {error}"))
        }
        _ => ModelError::permanent("invalid_request", error.to_string()),
    }
}

fn by_status(status: StatusCode, body: &str, headers: &HeaderMap) -> ModelError {
    let said = said_in(body);
    let message = format!("the provider answered {}: {said}", status.as_u16());
    let code = match status.as_u16() {
        401 | 403 => "bad_api_key",
        402 => "quota_exhausted",
        404 => "unknown_model",
        // Spent money does not come back by waiting, though it has the status of a limit.
        429 if body.contains("insufficient_quota") => "quota_exhausted",
        408 | 409 | 425 | 429 | 500.. => {
            return ModelError::Transient { message, retry_after: retry_after(headers) };
        }
        _ => "invalid_request",
    };
    ModelError::permanent(code, message)
}

/// An error that came in the middle of a stream that had begun well.
fn by_body(body: &Value) -> ModelError {
    let message = format!("the provider broke off: {}", said_in(&body.to_string()));
    let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
    let number = body.get("code").and_then(|code| {
        code.as_u64().or_else(|| code.as_str().and_then(|code| code.parse().ok()))
    });
    match (kind, number) {
        ("authentication_error" | "permission_error", _) | (_, Some(401 | 403)) => {
            ModelError::permanent("bad_api_key", message)
        }
        ("not_found_error", _) | (_, Some(404)) => ModelError::permanent("unknown_model", message),
        ("insufficient_quota", _) | (_, Some(402)) => {
            ModelError::permanent("quota_exhausted", message)
        }
        ("invalid_request_error", _) | (_, Some(400 | 413 | 422)) => {
            ModelError::permanent("invalid_request", message)
        }
        _ => ModelError::transient(message),
    }
}

fn by_transport(error: &(dyn std::error::Error + 'static), cause: &str) -> ModelError {
    match error.downcast_ref::<reqwest::Error>() {
        Some(http) if http.is_builder() => ModelError::permanent("invalid_request", chain(http)),
        Some(http) => {
            ModelError::transient(format!("the provider can't be reached: {}", chain(http)))
        }
        None => ModelError::transient(format!("the provider can't be reached: {cause}")),
    }
}

/// An error with its causes: reqwest's own text says only "error sending request".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The words in an error body: most providers have them at `error.message`.
fn said_in(body: &str) -> String {
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    let at = |pointer: &str| parsed.as_ref()?.pointer(pointer)?.as_str().map(str::to_owned);
    let said = ["/error/message", "/0/error/message", "/message", "/error", "/detail"]
        .into_iter()
        .find_map(at);
    said.unwrap_or_else(|| body.trim().to_owned())
}

/// `Retry-After` in seconds, or `retry-after-ms`; a date is not worth a calendar here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds =
        number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok().map(|delay| delay.min(RETRY_AFTER_MAX))
}

fn clean(message: &str, key: Option<&str>) -> String {
    let message = match key {
        Some(key) => message.replace(key, "[key]"),
        None => message.to_owned(),
    };
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}
