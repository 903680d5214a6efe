//! Web pages of other origins, where they may call.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::uri::Scheme;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// What a page may send beside what every page may.
const REQUEST_HEADERS: [HeaderName; 7] = [
    ACCEPT,
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("x-request-id"),
];
/// What a page may read beside what every page may.
const RESPONSE_HEADERS: [HeaderName; 4] = [
    RETRY_AFTER,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-run-id"),
    HeaderName::from_static("x-thread-id"),
];
const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// How long a browser need not ask again what a page may do.
const MAX_AGE: Duration = Duration::from_mins(10);

/// Where a web page comes from, as its browser says it: `https://HOST` or `https://HOST:PORT`.
/// See <https://www.rfc-editor.org/rfc/rfc6454>.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// A text that is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin: write https://HOST or https://HOST:PORT, as browsers do")]
pub struct NoOrigin(String);

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let fail = || NoOrigin(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| fail())?;
        let is_web = [&Scheme::HTTP, &Scheme::HTTPS].map(Some).contains(&uri.scheme());
        // Written otherwise, no browser's would ever be equal to it.
        let as_browsers_do = uri.authority().is_some_and(|authority| {
            let scheme = uri.scheme_str().unwrap_or_default();
            text == format!("{scheme}://{authority}").to_ascii_lowercase()
                && !authority.as_str().contains('@')
                && !authority.host().is_empty()
        });
        if !is_web || !as_browsers_do {
            return Err(fail());
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| fail())
    }
}

impl Origin {
    /// Whether a request's `Origin` is this one.
    pub(crate) fn is(&self, header: &HeaderValue) -> bool {
        self.0 == header
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// Lets browsers hand answers to pages of `origins`. Never with cookies: a page has a key, or needs
/// none.
pub(crate) fn cors(origins: &[Origin]) -> CorsLayer {
    let origins = origins.iter().map(|Origin(origin)| origin.clone());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods(METHODS)
        .allow_headers(REQUEST_HEADERS)
        .expose_headers(RESPONSE_HEADERS)
        .max_age(MAX_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_would_say_is_an_origin() {
        for origin in ["https://app.example.com", "http://localhost:3000", "http://[::1]:80"] {
            assert_eq!(origin.parse::<Origin>().unwrap().to_string(), origin);
        }
        for other in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://app.example.com/",
            "https://App.example.com",
            "https://me@app.example.com",
            "https://app.example.com/path",
            "ftp://app.example.com",
            "https://app.example.com\n",
        ] {
            assert!(other.parse::<Origin>().is_err(), "{other}");
        }
    }
}
