//! `/dashboard/session`: logging in to the dashboard with a key, and out again.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use postroom_core::access::Scope;
use postroom_core::id::TenantId;
use serde::{Deserialize, Serialize};

use crate::api::Routes;
use crate::app::House;
use crate::audit;
use crate::auth::session::{COOKIE_NAME, HOLDS_FOR_MS, cookie};
use crate::auth::{Caller, session_over, wrong_key};
use crate::extract::Json;
use crate::problem::{Problem, Result};

pub(super) fn routes() -> Routes {
    Routes::new().route("/dashboard/session", get(show).post(begin).delete(end))
}

#[derive(Debug, Serialize)]
struct SessionView {
    tenant: TenantId,
    scopes: Vec<Scope>,
    /// What changes must carry as `X-CSRF-Token`; `null` where no key is needed.
    csrf_token: Option<String>,
}

impl SessionView {
    fn of(caller: &Caller, csrf_token: Option<String>) -> Self {
        let scopes = caller.scope.included().collect();
        Self { tenant: caller.tenant.clone(), scopes, csrf_token }
    }
}

/// The session that the cookie is of; where there is none and none is needed, what everybody may do.
async fn show(State(house): State<House>, headers: HeaderMap) -> Result<Response> {
    let access = house.access();
    let session = match cookie(&headers) {
        Some(cookie) => access.session(cookie).await?,
        None => None,
    };
    let view = match session {
        Some(session) => {
            let token = session.csrf_token.expose().to_owned();
            SessionView::of(&Caller::holder(&session.key), Some(token))
        }
        None if access.is_required() => return Err(session_over()),
        None => SessionView::of(&Caller::operator(), None),
    };
    Ok(not_kept(Answer(view).into_response()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    key: String,
}

async fn begin(State(house): State<House>, Json(body): Json<LogIn>) -> Result<Response> {
    let access = house.access();
    let key = access.keys().presented(&body.key).await?.ok_or_else(wrong_key)?;
    let caller = Caller::holder(&key);
    let (cookie, session) = access.begin_session(key).await?;
    audit::note_of(&caller, "session_begun", &"dashboard");
    let token = session.csrf_token.expose().to_owned();
    let mut response = Answer(SessionView::of(&caller, Some(token))).into_response();
    set_cookie(&mut response, &house, cookie.expose(), HOLDS_FOR_MS / 1000)?;
    Ok(not_kept(response))
}

/// Has the browser forget the cookie. Only a browser that has it is told so by our own pages: other
/// origins' are refused before.
async fn end(State(house): State<House>) -> Result<Response> {
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, &house, "", 0)?;
    Ok(response)
}

fn set_cookie(response: &mut Response, house: &House, value: &str, holds_for_s: i64) -> Result<()> {
    // On loopback there is no TLS, and nobody between.
    let secure = if house.is_local() { "" } else { "; Secure" };
    let text = format!(
        "{COOKIE_NAME}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={holds_for_s}{secure}"
    );
    let mut value = HeaderValue::try_from(text)
        .map_err(|error| Problem::internal(format!("the session's cookie: {error}")))?;
    value.set_sensitive(true);
    response.headers_mut().insert(SET_COOKIE, value);
    Ok(())
}

/// What says who somebody is, is not kept by any cache.
fn not_kept(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
