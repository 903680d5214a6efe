//! Problems: every answer that is not a success, as RFC 9457 `application/problem+json`.
//!
//! This is the one place where errors become status codes. `code` is stable and for programs,
//! `detail` is for people and says what to do.

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::InvalidId;
use postroom_service::Error;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::headers;

/// An answer that is not a success.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Problem {
    /// A URI for the kind of problem: `urn:postroom:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    #[schemars(with = "u16")]
    status: StatusCode,
    detail: Cow<'static, str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip)]
    retry_after_s: Option<u32>,
}

/// The result of a handler.
pub type Result<T, E = Problem> = std::result::Result<T, E>;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem with this status, code and advice.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind: format!("urn:postroom:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Problem"),
            status,
            detail: detail.into(),
            code,
            request_id: headers::request_id(),
            retry_after_s: None,
        }
    }

    /// `400`: the request can't be understood.
    pub fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// `403`: not from there.
    pub fn forbidden(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// `404`: no such thing.
    pub fn not_found(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// `409`: not as things stand.
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// `503`: not now.
    pub fn unavailable(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(1)
    }

    /// `500`: it is our fault.
    pub fn internal(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// When asking again makes sense.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The stable word.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::warn!(code = self.code, detail = %self.detail, "answered {}", self.status);
        }
        // Text, numbers and a closed set of words always have a JSON form.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"postroom\"");
            headers.insert(WWW_AUTHENTICATE, scheme);
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The status of each refusal. A new refusal does not compile until it has one.
fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Invalid { .. } => StatusCode::BAD_REQUEST,
        Refusal::UnknownThread { .. }
        | Refusal::UnknownRun { .. }
        | Refusal::UnknownDispatch { .. }
        | Refusal::UnknownMessage { .. }
        | Refusal::UnknownTicket { .. } => StatusCode::NOT_FOUND,
        Refusal::ThreadExists { .. }
        | Refusal::TicketClosed { .. }
        | Refusal::StaleClaim { .. }
        | Refusal::ActiveRun { .. }
        | Refusal::ThreadBusy { .. }
        | Refusal::IllegalDispatch { .. }
        | Refusal::NotBegun { .. }
        | Refusal::IllegalRun { .. }
        | Refusal::RunNotActive { .. }
        | Refusal::RunElsewhere { .. }
        | Refusal::UnexpectedRun { .. }
        | Refusal::NothingToCancel { .. }
        | Refusal::DuplicateDispatch { .. }
        | Refusal::DuplicateKey { .. }
        | Refusal::AlreadyRequeued { .. }
        | Refusal::AlreadyConsumed { .. }
        | Refusal::BarrierOvertaken { .. }
        | Refusal::ReportOwed { .. } => StatusCode::CONFLICT,
        Refusal::EventsPurged { .. } => StatusCode::GONE,
        Refusal::QueueFull { .. } | Refusal::PendingFull { .. } => StatusCode::TOO_MANY_REQUESTS,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = status_of(&refusal);
        let problem = Self::new(status, refusal.code(), refusal.to_string());
        if status == StatusCode::TOO_MANY_REQUESTS { problem.retry_after(1) } else { problem }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Unavailable { .. } => Self::unavailable(
                "store_unavailable",
                format!("{error}; nothing was written: try again"),
            ),
            StoreError::OutcomeUnknown { .. } => Self::unavailable(
                "outcome_unknown",
                format!(
                    "{error}; it was carried out whole or not at all: a repeat with the same \
                     Idempotency-Key or the same message ids is safe"
                ),
            ),
            StoreError::Corrupt { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "store_corrupt",
                format!("{error}; stop the server and restore the database from its last backup"),
            ),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::NotReady { .. } => {
                Self::unavailable("not_ready", format!("{error}; try again in a moment"))
            }
        }
    }
}

impl From<InvalidId> for Problem {
    fn from(error: InvalidId) -> Self {
        Self::bad_request("invalid_id", error.to_string())
    }
}
