//! Lets a request in, or says why not.

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::needs::{Needs, needs};
use super::session;
use super::{Access, Caller};
use crate::problem::{Problem, Result};

/// The header that a session's changes carry, which a foreign page can't know.
const CSRF_HEADER: &str = "x-csrf-token";

/// Answers `401` to whoever is unknown, `403` to who may not do this, `429` to who does too much; lets
/// all others in, with their [`Caller`].
pub(crate) async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    match admit(&access, &head).await {
        Ok(caller) => {
            if let Some(caller) = caller {
                head.extensions.insert(caller);
            }
            next.run(Request::from_parts(head, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(access: &Access, request: &Parts) -> Result<Option<Caller>> {
    let (needed, of_operator) = match needs(&request.method, request.uri.path()) {
        Needs::Nothing => return Ok(None),
        Needs::Scope(scope) => (scope, false),
        Needs::Operator(scope) => (scope, true),
    };
    let caller = caller(access, request).await?;
    if caller.scope < needed {
        return Err(Problem::forbidden(
            "scope_missing",
            format!("the key has the scope `{}`, and this takes `{needed}`", caller.scope),
        ));
    }
    if of_operator && !caller.tenant.is_default() {
        return Err(Problem::forbidden(
            "operators_only",
            "this is about all tenants: it takes a key of the tenant `default`",
        ));
    }
    access.gate().admit(&caller.tenant)?;
    Ok(Some(caller))
}

/// Whoever calls: by a key, by a session, or without either where that will do.
async fn caller(access: &Access, request: &Parts) -> Result<Caller> {
    if let Some(given) = request.headers.get(AUTHORIZATION) {
        let text = given.to_str().ok().and_then(bearer);
        let key = match text {
            Some(text) => access.keys().presented(text).await?,
            None => None,
        };
        return key.map(|key| Caller::holder(&key)).ok_or_else(wrong_key);
    }
    if let Some(cookie) = session::cookie(&request.headers) {
        match access.session(cookie).await? {
            Some(session) => {
                let changes = !matches!(request.method, Method::GET | Method::HEAD);
                let token = request.headers.get(CSRF_HEADER).map(HeaderValue::as_bytes);
                if changes && !token.is_some_and(|token| session.knows(token)) {
                    return Err(Problem::forbidden(
                        "csrf_token_missing",
                        "a session's changes need the header X-CSRF-Token, with the token of \
                         GET /dashboard/session",
                    ));
                }
                return Ok(Caller::holder(&session.key));
            }
            // What is left of an old session: where no key is needed it is in nobody's way.
            None if access.is_required() => return Err(session_over()),
            None => {}
        }
    }
    if access.is_required() {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "key_missing",
            "present a key: Authorization: Bearer KEY; `postroom keys create` makes one",
        ));
    }
    Ok(Caller::operator())
}

/// The credentials of the scheme `Bearer`, in whatever case that is written.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, credentials) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credentials.trim())
}

pub(crate) fn wrong_key() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "key_invalid",
        "the key is unknown, wrong, revoked or expired: `postroom keys list` shows those there are",
    )
}

pub(crate) fn session_over() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "session_over",
        "the session is over, or its key was revoked: log in again",
    )
}
