//! What every answer carries: a name for the request, and what keeps browsers from doing more with it
//! than is meant.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, field};

use crate::auth;

/// Names the request, in its answer, its problem and the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest name that is taken from a caller.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Pages load what this server serves and nothing else: no script or style inside a page, no frame
/// around it, no form to elsewhere.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const ALWAYS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", CONTENT_SECURITY_POLICY),
];

tokio::task_local! {
    /// The name of the request that this task answers.
    static ANSWERED: String;
}

/// The name of the request that is being answered, if one is.
pub(crate) fn request_id() -> Option<String> {
    ANSWERED.try_with(String::clone).ok()
}

/// The request has its name already.
#[derive(Clone)]
struct Named;

/// Names the request, and has its answer carry what all do. [`router`](crate::router) does it; who puts
/// something around the router that answers by itself puts this around both.
pub async fn put_headers(mut request: Request, next: Next) -> Response {
    if request.extensions_mut().insert(Named).is_some() {
        return next.run(request).await;
    }
    let id = given(request.headers()).unwrap_or_else(made);
    let span = tracing::info_span!(
        "request",
        request_id = %id,
        trace_id = field::Empty,
        span_id = field::Empty,
    );
    let mut response = ANSWERED.scope(id.clone(), next.run(request).instrument(span)).await;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        let name = HeaderName::from_static(name);
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// The name that the caller, or a proxy before this server, has given: if it can be shown everywhere.
fn given(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(&REQUEST_ID)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte);
    let is_sane = (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_plain);
    is_sane.then(|| id.to_owned())
}

/// A name of our own; none of chance where the operating system gives no chance.
fn made() -> String {
    auth::random_name().unwrap_or_else(|_| "unnamed".to_owned())
}
