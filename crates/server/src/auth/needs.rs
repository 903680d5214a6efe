//! What each route needs of its caller. Whatever is not said here needs a key with `read` to be read,
//! and with `write` for everything else: a route that is added is closed until somebody opens it.

use axum::http::Method;
use postroom_core::access::Scope;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: it shows nothing of anybody.
    Nothing,
    /// A caller with this scope.
    Scope(Scope),
    /// A caller of the default tenant with this scope: it is about all tenants.
    Operator(Scope),
}

/// What a request for `path`, as it was sent, needs. The router compares paths as they were sent too:
/// what is spelled otherwise finds no route.
pub(crate) fn needs(method: &Method, path: &str) -> Needs {
    let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments[..] {
        ["v1", "keys", ..] | ["v1", "dispatches", .., "retry"] => Needs::Scope(Scope::Admin),
        ["v1", "settings", ..] => Needs::Operator(Scope::Admin),
        ["v1", "dispatches"] if *method == Method::DELETE => Needs::Scope(Scope::Admin),
        // Of the node, and so of all tenants.
        ["metrics"] | ["v1", "system", _, ..] => Needs::Operator(Scope::Read),
        ["v1", ..] if is_read => Needs::Scope(Scope::Read),
        ["v1", ..] => Needs::Scope(Scope::Write),
        // The dashboard's own files, health, and the session that one logs in by.
        _ => Needs::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_closed() {
        assert_eq!(needs(&Method::GET, "/v1/new/thing"), Needs::Scope(Scope::Read));
        assert_eq!(needs(&Method::HEAD, "/v1/new"), Needs::Scope(Scope::Read));
        assert_eq!(needs(&Method::PUT, "/v1/new"), Needs::Scope(Scope::Write));
        assert_eq!(needs(&Method::GET, "/v1"), Needs::Scope(Scope::Read));
        assert_eq!(needs(&Method::POST, "/v1/keys"), Needs::Scope(Scope::Admin));
        assert_eq!(needs(&Method::GET, "/v1/keys/x"), Needs::Scope(Scope::Admin));
        assert_eq!(needs(&Method::DELETE, "/v1/dispatches"), Needs::Scope(Scope::Admin));
        assert_eq!(needs(&Method::POST, "/v1/dispatches/retry"), Needs::Scope(Scope::Admin));
        assert_eq!(needs(&Method::POST, "/v1/dispatches/d/retry"), Needs::Scope(Scope::Admin));
        assert_eq!(needs(&Method::GET, "/v1/dispatches"), Needs::Scope(Scope::Read));
        assert_eq!(needs(&Method::GET, "/v1/system"), Needs::Scope(Scope::Read));
        assert_eq!(needs(&Method::GET, "/v1/system/x"), Needs::Operator(Scope::Read));
        assert_eq!(needs(&Method::GET, "/v1/settings"), Needs::Operator(Scope::Admin));
        assert_eq!(needs(&Method::GET, "/metrics"), Needs::Operator(Scope::Read));
        assert_eq!(needs(&Method::GET, "/health/ready"), Needs::Nothing);
        assert_eq!(needs(&Method::GET, "/"), Needs::Nothing);
    }
}
