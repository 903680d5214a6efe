//! The span of a request, in the trace that its caller names.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, Version};
use axum::middleware::Next;
use axum::response::Response;
use postroom_core::ports::{Beginning, SpanKind, Tracer};
use postroom_core::trace::TraceParent;
use tracing::field::display;

/// Traces the request, and has what it brings about traced with it. The span ends with the head of the
/// answer: a stream of events may go on for hours.
///
/// What a caller says is believed: who may call may also join a trace.
pub(crate) async fn trace(
    State(tracer): State<Arc<dyn Tracer>>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if route.is_none_or(is_machinery) {
        return next.run(request).await;
    }
    let span = tracer.begin(beginning(&request, route.unwrap_or_default()));
    if let Some(place) = span.place() {
        let log = tracing::Span::current();
        log.record("trace_id", display(place.trace_hex()));
        log.record("span_id", display(place.span_hex()));
    }
    request.extensions_mut().insert(span.clone());
    let response = next.run(request).await;
    let status = response.status();
    span.tell(|span| span.set("http.response.status_code", status.as_u16().into()));
    if status.is_server_error() {
        span.fail(status.as_str());
    }
    span.end();
    response
}

/// What machines ask all the time, and the files of the dashboard.
fn is_machinery(route: &str) -> bool {
    !route.starts_with("/v1/")
}

/// Only what is known to be harmless: a query may hold what is nobody's business.
fn beginning(request: &Request, route: &str) -> Beginning {
    let method = known(request.method());
    let name = match method {
        "_OTHER" => format!("HTTP {route}"),
        method => format!("{method} {route}"),
    };
    let version = match request.version() {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    };
    Beginning::new(name)
        .kind(SpanKind::Server)
        .below(caller(request.headers()))
        .with("http.request.method", method)
        .with("http.route", route.to_owned())
        .with("url.path", request.uri().path().to_owned())
        .with("url.scheme", "http")
        .with("network.protocol.version", version)
}

/// The caller's span.
fn caller(headers: &HeaderMap) -> Option<TraceParent> {
    let mut given = headers.get_all("traceparent").iter();
    let one = given.next()?;
    // Of several it is not known which is meant.
    if given.next().is_some() {
        return None;
    }
    TraceParent::parse(one.to_str().ok()?)
}

fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
