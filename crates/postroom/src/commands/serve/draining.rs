//! A server that drains begins nothing new.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use postroom_server::problem::Problem;
use postroom_server::put_headers;
use postroom_service::{Postroom, Readiness};

/// Answers 503 to what would begin something while `postroom` drains. What helps a run to its end
/// (decisions, cancelling) and all reading goes on.
pub(super) fn refuse_new(router: Router, postroom: &Postroom) -> Router {
    router.layer(from_fn_with_state(postroom.clone(), check)).layer(from_fn(put_headers))
}

async fn check(State(postroom): State<Postroom>, request: Request, next: Next) -> Response {
    if begins_something(request.method(), request.uri().path())
        && matches!(postroom.readiness(), Readiness::Draining | Readiness::Stopped)
    {
        let detail = "the server is shutting down and takes nothing new: try again in a moment";
        return Problem::unavailable("draining", detail).into_response();
    }
    next.run(request).await
}

fn begins_something(method: &Method, path: &str) -> bool {
    let helps_to_end = path.ends_with("/decisions") || path.ends_with("/cancel");
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) && !helps_to_end
}
