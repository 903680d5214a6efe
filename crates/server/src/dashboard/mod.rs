//! `/`: the dashboard, for people who would rather look than read.
//!
//! It is a client of the API like any other, written by hand as ES modules without a build step, in
//! `crates/server/dashboard/`, and embedded here. Its files are served below a path that names their
//! content, so that browsers keep them for ever and never mix those of two versions.

mod assets;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::api::Routes;
use crate::extract::Path;
use crate::problem::{Problem, Result};

/// What the page may do: run its own files and talk to its own server. Nothing inline, nothing from
/// elsewhere, no text that becomes HTML, and in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The files of a version never change.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub(crate) fn routes() -> Routes {
    Routes::new().route("/", get(page)).route("/dashboard/assets/{version}/{*file}", get(file))
}

async fn page(asked: HeaderMap) -> Response {
    let index = assets::index();
    let mut response = answer(&asked, "text/html; charset=utf-8", &index.tag, &index.html);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    response
}

async fn file(Path((version, name)): Path<(String, String)>, asked: HeaderMap) -> Result<Response> {
    let Some(asset) = assets::find(&name) else {
        return Err(Problem::not_found("unknown_path", format!("the dashboard has no {name}")));
    };
    let mut response = answer(&asked, asset.media_type(), &asset.tag, asset.content);
    // While nodes of two versions serve behind one address, a page may ask this one for the other's
    // file. What is here will mostly do, and must not be kept.
    let kept = if version == assets::version() { FOR_EVER } else { "no-store" };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    Ok(response)
}

/// The content, or that it is what the browser has already.
fn answer(asked: &HeaderMap, media_type: &'static str, tag: &str, content: &[u8]) -> Response {
    let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| {
        tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
    });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(CONTENT_TYPE, media_type)], content.to_vec()).into_response()
    };
    let headers = response.headers_mut();
    // Weak: compressed or not, it is the same content and not the same bytes.
    headers.extend(HeaderValue::from_str(&format!("W/{tag}")).map(|tag| (ETAG, tag)));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
