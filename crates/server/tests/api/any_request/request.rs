//! A request: a route's, or nearly.

use std::fmt;

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::bodies::body;
use super::routes::{ROUTES, Route};
use super::words::{odd_parameter, odd_text, parameter, segment};

#[derive(Clone)]
pub struct Drawn {
    pub method: &'static str,
    pub path: String,
    pub query: Option<String>,
    pub headers: Vec<(&'static str, &'static [u8])>,
    pub body: Vec<u8>,
}

/// As one could send it by hand.
impl fmt::Debug for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        self.query.iter().try_for_each(|query| write!(f, "?{query}"))?;
        for (name, value) in &self.headers {
            write!(f, " | {name}: {}", value.escape_ascii())?;
        }
        write!(f, " | {}", self.body.escape_ascii())
    }
}

/// Any request.
pub fn request() -> impl Strategy<Value = Drawn> {
    select(ROUTES).prop_flat_map(|route| {
        let drawn = (method(route), path(route), query(route), headers(), body(route.form));
        drawn.prop_map(|(method, path, query, headers, body)| Drawn {
            method,
            path,
            query,
            headers,
            body,
        })
    })
}

fn method(route: Route) -> impl Strategy<Value = &'static str> {
    let any =
        select(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"][..]);
    prop_oneof![12 => Just(route.method), 1 => any]
}

/// The path with ids in it; sometimes with more of it, or less.
fn path(route: Route) -> impl Strategy<Value = String> {
    let parts: Vec<BoxedStrategy<String>> = route
        .path
        .split('/')
        .skip(1)
        .map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(placeholder) => segment(placeholder, route.fitting),
            None => Just(part.to_owned()).boxed(),
        })
        .collect();
    let tail = prop_oneof![
        30 => Just(String::new()),
        1 => Just("/".to_owned()),
        1 => odd_text().prop_map(|text| format!("/{text}")),
    ];
    (parts, tail).prop_map(|(parts, tail)| format!("/{}{tail}", parts.join("/")))
}

fn query(route: Route) -> impl Strategy<Value = Option<String>> {
    let own: Vec<_> = route
        .parameters
        .iter()
        .map(|name| match *name {
            // Without a time limit, one would wait for a minute.
            "timeout_ms" => parameter(name).prop_map(Some).boxed(),
            name => weighted(0.3, parameter(name)).boxed(),
        })
        .collect();
    (own, weighted(0.1, vec(odd_parameter(), 1..3))).prop_map(|(own, odd)| {
        let all: Vec<String> = own.into_iter().flatten().chain(odd.into_iter().flatten()).collect();
        (!all.is_empty()).then(|| all.join("&"))
    })
}

type Header = (&'static str, &'static [u8]);

fn headers() -> impl Strategy<Value = Vec<Header>> {
    let content_type: Vec<&'static [u8]> = vec![
        b"",
        b"text/plain",
        b"application/json; charset=utf-8",
        b"application/x+json",
        b"application/",
        b"\xff",
    ];
    let accept: Vec<&'static [u8]> =
        vec![b"text/event-stream", b"text/event-stream;q=0", b"application/json", b"*/*", b"\xff"];
    let last_event_id: Vec<&'static [u8]> = vec![
        b"",
        b"0",
        b"2",
        b" 3 ",
        b"18446744073709551615",
        b"18446744073709551616",
        b"-1",
        b"x",
        b"\xff",
    ];
    let key: Vec<&'static [u8]> = vec![b"k", b"k2", b"", b" ", b"\xc3\xa4", b"\xff", &[b'k'; 300]];
    let origin: Vec<&'static [u8]> = vec![b"http://evil.example", b"null", b""];
    let json = Just(&b"application/json"[..]);
    (
        weighted(0.97, prop_oneof![12 => json, 1 => select(content_type)]),
        weighted(0.12, select(accept)),
        weighted(0.1, select(last_event_id)),
        weighted(0.1, select(key)),
        weighted(0.02, select(origin)),
    )
        .prop_map(|(content_type, accept, last_event_id, key, origin)| {
            let named = [
                ("content-type", content_type),
                ("accept", accept),
                ("last-event-id", last_event_id),
                ("idempotency-key", key),
                ("origin", origin),
            ];
            named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
        })
}
