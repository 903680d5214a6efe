//! Keeps foreign web pages out.
//!
//! A browser lets any page send requests to `127.0.0.1`, and a page whose name is made to resolve
//! to `127.0.0.1` (DNS rebinding) may even read the answers. Two rules stop both:
//!
//! - On loopback, the `Host` of a request must name this machine: `localhost`, a name below it, a
//!   loopback address, or the address that is bound. A rebound name is none of these.
//! - A request with an `Origin` (which browsers add to every request that could change something
//!   from another page, and no other client does) must come from the very host it goes to, or from
//!   an origin that the server was told of.
//!
//! Besides, bodies must be `application/json`, which a page can't send elsewhere without asking.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::bind::is_loopback;
use crate::cors::Origin;
use crate::problem::Problem;

/// The rules for one address.
#[derive(Debug, Clone)]
pub struct Guard {
    bound: SocketAddr,
    origins: Arc<[Origin]>,
}

impl Guard {
    /// The rules for a server on `bound` that pages of `origins` may call.
    pub fn new(bound: SocketAddr, origins: Vec<Origin>) -> Self {
        Self { bound, origins: origins.into() }
    }

    fn knows(&self, authority: &Authority) -> bool {
        if !is_loopback(self.bound) {
            // Others reach it by names that it can't know.
            return true;
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = host.parse::<IpAddr>() {
            return ip.to_canonical().is_loopback();
        }
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        host == "localhost" || host.ends_with(".localhost")
    }
}

/// Answers `403` to what a foreign page could have sent.
pub async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match refusal(&guard, &request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

fn refusal(guard: &Guard, request: &Request) -> Option<Problem> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let named = header(HOST).and_then(|host| host.parse::<Authority>().ok());
    let authority = request.uri().authority().cloned().or(named);
    let Some(authority) = authority.filter(|authority| guard.knows(authority)) else {
        return Some(Problem::forbidden(
            "host_not_allowed",
            "the Host header does not name this machine: call it as localhost or 127.0.0.1",
        ));
    };
    let origin = request.headers().get(ORIGIN)?;
    if guard.origins.iter().any(|known| known.is(origin)) {
        return None;
    }
    let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    if from.is_some_and(|(_, from)| from.eq_ignore_ascii_case(authority.as_str())) {
        return None;
    }
    Some(Problem::forbidden(
        "origin_not_allowed",
        "the request comes from a web page of another origin, which may not call this server: name it \
         in server.cors_origins if it shall",
    ))
}
