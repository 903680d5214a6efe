//! The client's errors, split by what to do next.

use genai::Error;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::retry::retry_after;
use super::secret::Secret;
use crate::model::ModelError;

/// The longest error text that is kept.
const MESSAGE_CHARS_MAX: usize = 500;
/// How much of an error body is read for what it says: the rest is a page, or an attack.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What to do about `error`. `key` is cut out of the text, should the server have repeated it.
pub(super) fn model_error(error: &Error, key: Option<&Secret>) -> ModelError {
    fit_to_show(sort(error), key)
}

/// What to do about the provider's own account of why it gave up in the middle of an answer.
pub(super) fn broken_off(account: &Value, key: Option<&Secret>) -> ModelError {
    fit_to_show(by_body(account), key)
}

fn fit_to_show(error: ModelError, key: Option<&Secret>) -> ModelError {
    error.map_message(|message| {
        let message = match key {
            Some(key) => key.cut_out_of(&message),
            None => message,
        };
        match message.char_indices().nth(MESSAGE_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &message[..end]),
            None => message,
        }
    })
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
            ModelError::permanent(ModelError::BAD_API_KEY, error.to_string())
        }
        Error::InvalidJsonResponseElement { .. }
        | Error::JsonValueExt(_)
        | Error::SerdeJson(_)
        | Error::NoChatResponse { .. } => {
            ModelError::transient(format!("the provider's answer can't be read: {error}"))
        }
        _ => ModelError::permanent(ModelError::INVALID_REQUEST, error.to_string()),
    }
}

fn by_status(status: StatusCode, body: &str, headers: &HeaderMap) -> ModelError {
    let said = Said::in_text(body);
    let number = status.as_u16();
    let message = format!("the provider answered {number}: {}", said.message);
    // A request that is too large is one by its bytes too; a page of a proxy says nothing more.
    if let Some(code) = said.code().or((number == 413).then_some(ModelError::CONTEXT_TOO_LONG)) {
        return ModelError::permanent(code, message);
    }
    let code = match number {
        300..=399 => {
            let message = format!(
                "the provider answered {number}, which points elsewhere: set base_url to the right \
                 address, since the key goes to no other"
            );
            return ModelError::permanent(ModelError::REDIRECTED, message);
        }
        401 | 403 => ModelError::BAD_API_KEY,
        402 => ModelError::QUOTA_EXHAUSTED,
        404 => ModelError::UNKNOWN_MODEL,
        408 | 409 | 425 | 429 | 500.. => {
            let retry_after = retry_after(headers, said.body.as_ref());
            return ModelError::Transient { message, retry_after };
        }
        _ => ModelError::INVALID_REQUEST,
    };
    ModelError::permanent(code, message)
}

/// An error that came in the middle of a stream that had begun well.
fn by_body(body: &Value) -> ModelError {
    let said = Said::in_value(body.clone());
    let message = format!("the provider broke off: {}", said.message);
    if let Some(code) = said.code() {
        return ModelError::permanent(code, message);
    }
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
    let kind = error.get("type").and_then(Value::as_str).unwrap_or_default();
    let number = error.get("code").and_then(|code| {
        code.as_u64().or_else(|| code.as_str().and_then(|code| code.parse().ok()))
    });
    let code = match (kind, number) {
        ("authentication_error" | "permission_error", _) | (_, Some(401 | 403)) => {
            ModelError::BAD_API_KEY
        }
        ("not_found_error", _) | (_, Some(404)) => ModelError::UNKNOWN_MODEL,
        (_, Some(402)) => ModelError::QUOTA_EXHAUSTED,
        ("request_too_large", _) | (_, Some(413)) => ModelError::CONTEXT_TOO_LONG,
        ("invalid_request_error", _) | (_, Some(400 | 422)) => ModelError::INVALID_REQUEST,
        _ => {
            let retry_after = retry_after(&HeaderMap::new(), Some(body));
            return ModelError::Transient { message, retry_after };
        }
    };
    ModelError::permanent(code, message)
}

fn by_transport(error: &(dyn std::error::Error + 'static), cause: &str) -> ModelError {
    if error.is::<std::string::FromUtf8Error>() {
        return ModelError::transient("the provider's answer can't be read: it is no UTF-8");
    }
    match error.downcast_ref::<reqwest::Error>() {
        Some(http) if http.is_builder() => {
            ModelError::permanent(ModelError::INVALID_REQUEST, chain(http))
        }
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

/// What an error body says.
struct Said {
    body: Option<Value>,
    /// The words for people: most providers have them at `error.message`.
    message: String,
    /// All of it, in small letters, to look for the words that providers use.
    whole: String,
}

impl Said {
    fn in_text(text: &str) -> Self {
        let mut end = text.len().min(BODY_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = &text[..end];
        match serde_json::from_str(text) {
            Ok(body) => Self::in_value(body),
            Err(_) => {
                let message = text.trim().to_owned();
                Self { body: None, message, whole: text.to_lowercase() }
            }
        }
    }

    fn in_value(body: Value) -> Self {
        let at = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let message =
            ["/error/message", "/0/error/message", "/message", "/error", "/detail", "/blockReason"]
                .into_iter()
                .find_map(at);
        let whole = body.to_string();
        Self {
            message: message.unwrap_or_else(|| whole.clone()),
            whole: whole.to_lowercase(),
            body: Some(body),
        }
    }

    /// What the words mean, where they say more than the status: providers that speak the same API
    /// agree on few of either.
    fn code(&self) -> Option<&'static str> {
        let says = |words: &[&str]| words.iter().any(|word| self.whole.contains(word));
        if says(&TOO_LONG) {
            return Some(ModelError::CONTEXT_TOO_LONG);
        }
        // Spent money does not come back by waiting, though it has the status of a limit.
        if says(&[
            "insufficient_quota",
            "credit balance is too low",
            "billing_hard_limit",
            "perday",
        ]) {
            return Some(ModelError::QUOTA_EXHAUSTED);
        }
        if says(&["content_policy", "content_filter", "content management policy", "blockreason"]) {
            return Some(ModelError::CONTENT_POLICY);
        }
        if says(&["invalid_api_key", "api_key_invalid"]) {
            return Some(ModelError::BAD_API_KEY);
        }
        says(&["model_not_found"]).then_some(ModelError::UNKNOWN_MODEL)
    }
}

/// How providers and the servers of open models say that the conversation is too long.
const TOO_LONG: [&str; 9] = [
    "context_length_exceeded",              // OpenAI
    "maximum context length",               // vLLM and others
    "prompt is too long",                   // Anthropic
    "exceed context limit",                 // Anthropic, with the answer's share
    "exceeds the maximum number of tokens", // Gemini
    "exceed_context_size",                  // llama.cpp
    "exceeds the available context size",   // llama.cpp
    "too large for model with",             // Mistral
    "model_context_window_exceeded",
];
