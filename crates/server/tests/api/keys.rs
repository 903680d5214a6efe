//! Keys: made, listed, revoked, and never seen again.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use axum::http::Method;
use parking_lot::Mutex;
use postroom_core::access::Scope;
use postroom_server::Limits;
use serde_json::json;

use crate::client::request;
use crate::house::{House, id, with};

#[tokio::test]
async fn on_this_machine_no_key_is_needed_but_a_wrong_one_is_wrong() {
    let house = House::open().await;
    house.get("/v1/threads").await.ok(200);
    house.get_as("pr_0123456789abcdef.x", "/v1/threads").await.problem(401, "key_invalid");
    let red = house.key("red", Scope::Write).await;
    let body = json!({"thread_id": "t"});
    house.post_as(&red, "/v1/threads", &body).await.ok(201);
    house.get("/v1/threads/t").await.problem(404, "unknown_thread");
    house.get_as(&red, "/v1/threads/t").await.ok(200);
}

#[tokio::test]
async fn a_key_is_made_used_and_revoked() {
    let house = House::guarded(Limits::default()).await;
    let operator = house.key("default", Scope::Admin).await;
    let order = json!({"tenant": "red", "scopes": ["read", "write"], "label": "for CI"});
    let made = house.post_as(&operator, "/v1/keys", &order).await.ok(201);
    assert_eq!((&made["tenant"], &made["label"]), (&json!("red"), &json!("for CI")));
    assert_eq!(made["scopes"], json!(["read", "write"]));
    let (key, key_id) = (id(&made, "key"), id(&made, "key_id"));
    assert!(key.starts_with(&format!("{key_id}.")));
    house.post_as(&key, "/v1/runs", &json!({"messages": "x"})).await.ok(202);

    let listed = house.get_as(&operator, "/v1/keys").await;
    assert_eq!(listed.ok(200)["items"].as_array().unwrap().len(), 2);
    assert!(!listed.text().contains(key.split_once('.').unwrap().1), "{}", listed.text());
    let reds = house.get_as(&operator, "/v1/keys?tenant=red").await.ok(200);
    assert_eq!(reds["items"][0]["key_id"], json!(key_id));

    let revoke = || request(Method::DELETE, house.url(&format!("/v1/keys/{key_id}")));
    assert_eq!(house.send_as(&operator, revoke()).await.status, 204);
    // On the node that revoked it at once.
    house.get_as(&key, "/v1/threads").await.problem(401, "key_invalid");
    assert_eq!(house.send_as(&operator, revoke()).await.status, 204, "again changes nothing");
    let reds = house.get_as(&operator, "/v1/keys?tenant=red").await.ok(200);
    assert!(reds["items"][0]["revoked_at"].is_string());
    let nobodys = request(Method::DELETE, house.url("/v1/keys/nobodys"));
    house.send_as(&operator, nobodys).await.problem(404, "unknown_key");
}

#[tokio::test]
async fn a_tenants_admin_makes_keys_of_the_tenant_alone() {
    let house = House::guarded(Limits::default()).await;
    let (red, blue) = (house.key("red", Scope::Admin).await, house.key("blue", Scope::Admin).await);
    let made = house.post_as(&red, "/v1/keys", &json!({"scopes": ["admin"]})).await.ok(201);
    assert_eq!(made["tenant"], "red");
    for tenant in ["blue", "default"] {
        let order = json!({"scopes": ["read"], "tenant": tenant});
        let reply = house.post_as(&red, "/v1/keys", &order).await;
        reply.problem(403, "tenant_not_allowed");
    }
    let listed = house.get_as(&red, "/v1/keys").await.ok(200);
    assert!(listed["items"].as_array().unwrap().iter().all(|key| key["tenant"] == "red"));
    let others = house.get_as(&red, "/v1/keys?tenant=blue").await.ok(200);
    assert_eq!(others["items"], json!([]));
    house.get_as(&blue, "/v1/keys").await.ok(200);
}

#[tokio::test]
async fn a_wrong_order_makes_no_key() {
    let house = House::open().await;
    for (order, code) in [
        (json!({"scopes": []}), "invalid_body"),
        (json!({"scopes": ["root"]}), "invalid_body"),
        (json!({}), "invalid_body"),
        (json!({"scopes": ["read"], "tenant": "Red"}), "invalid_body"),
        (json!({"scopes": ["read"], "label": "a\nb"}), "invalid_body"),
        (json!({"scopes": ["read"], "label": "x".repeat(201)}), "invalid_body"),
        (json!({"scopes": ["read"], "expires_at": "soon"}), "invalid_time"),
        (json!({"scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}), "invalid_body"),
    ] {
        house.post("/v1/keys", &order).await.problem(400, code);
    }
    assert_eq!(house.get("/v1/keys").await.ok(200)["items"], json!([]));
}

#[tokio::test]
async fn answers_carry_what_keeps_browsers_at_bay() {
    let house = House::guarded(Limits::default()).await;
    let refused = house.get("/v1/threads").await;
    let problem = refused.problem(401, "key_missing");
    let unknown = house.get("/nothing").await;
    for reply in [&refused, &unknown, &house.get("/health/live").await] {
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(reply.header("access-control-allow-origin").is_none());
    }
    assert_eq!(problem["request_id"].as_str(), refused.header("x-request-id"));
    assert_ne!(refused.header("x-request-id"), unknown.header("x-request-id"));
    for (given, taken) in [("abc-1.2", true), ("a b", false), (&"x".repeat(200), false)] {
        let named = with(request(Method::GET, house.url("/health/live")), "x-request-id", given);
        let reply = house.send(named).await;
        assert_eq!(reply.header("x-request-id") == Some(given), taken, "{given}");
    }
}

/// All that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A secret that is presented, well or badly, is nowhere but where it was: not in the log at its
/// finest, not in answers, problems or events.
#[tokio::test]
async fn a_secret_is_seen_once_and_never_again() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let logged = tracing::subscriber::set_default(subscriber);
    let house = House::guarded(Limits::default()).await;
    let operator = house.key("default", Scope::Admin).await;
    let made = house.post_as(&operator, "/v1/keys", &json!({"scopes": ["admin"]})).await.ok(201);
    let key = id(&made, "key");
    let mut seen = String::new();
    for reply in [
        house.get_as(&key, "/v1/keys").await,
        house.get_as(&format!("{key}x"), "/v1/keys").await,
        house.post_as(&key, "/v1/threads/t/runs?wait=true", &json!({"messages": "x"})).await,
        house.get_as(&key, "/v1/threads/t/events").await,
        house.post_as(&key, "/v1/runs", &json!({"wrong": true})).await,
        house.get_as(&key, "/v1/system").await,
        house.get_as(&key, "/metrics").await,
        house.post("/dashboard/session", &json!({"key": format!("{key}x")})).await,
        house.post("/dashboard/session", &json!({"key": key})).await,
    ] {
        seen.push_str(reply.text());
        write!(seen, "{:?}", reply.headers).unwrap();
    }
    let key_id = id(&made, "key_id");
    let revoke = request(Method::DELETE, house.url(&format!("/v1/keys/{key_id}")));
    assert_eq!(house.send_as(&operator, revoke).await.status, 204);
    drop(logged);
    let logged = String::from_utf8(log.0.lock().clone()).unwrap();
    for whole in [&key, &operator] {
        let (_, secret) = whole.split_once('.').unwrap();
        assert!(!seen.contains(secret), "an answer shows a secret");
        assert!(!logged.contains(secret), "the log shows a secret");
    }
    // And what operators did is there, by whom and to what.
    for action in ["key_created", "key_revoked", "session_begun"] {
        let line = logged.lines().find(|line| line.contains(action));
        let line = line.unwrap_or_else(|| panic!("no {action} in\n{logged}"));
        assert!(line.contains("postroom::audit") && line.contains("by=pr_"), "{line}");
    }
}
