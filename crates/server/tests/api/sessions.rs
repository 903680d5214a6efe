//! Sessions of the dashboard.

use axum::body::Body;
use axum::http::{Method, Request};
use postroom_core::access::Scope;
use postroom_server::Limits;
use serde_json::{Value, json};

use crate::client::request;
use crate::house::{House, id, with};

const SESSION: &str = "/dashboard/session";

/// Logs in; the cookie as a browser sends it back, and what was answered.
async fn log_in(house: &House, key: &str) -> (String, Value) {
    let reply = house.post(SESSION, &json!({"key": key})).await;
    let view = reply.ok(200);
    let set = reply.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(attribute), "{set}");
    }
    (set.split(';').next().unwrap().to_owned(), view)
}

fn asked(house: &House, method: Method, path: &str, cookie: &str) -> Request<Body> {
    with(request(method, house.url(path)), "cookie", cookie)
}

#[tokio::test]
async fn where_no_key_is_needed_there_is_no_session_to_begin() {
    let house = House::open().await;
    let everybody =
        json!({"tenant": "default", "scopes": ["read", "write", "admin"], "csrf_token": null});
    assert_eq!(house.get(SESSION).await.ok(200), everybody);
    house.post(SESSION, &json!({"key": "x"})).await.problem(401, "key_invalid");
    // A cookie that means nothing is in nobody's way.
    let old = asked(&house, Method::GET, "/v1/threads", "postroom_session=x.y");
    house.send(old).await.ok(200);
}

#[tokio::test]
async fn a_session_reads_and_with_its_token_changes() {
    let house = House::guarded(Limits::default()).await;
    house.get(SESSION).await.problem(401, "session_over");
    let key = house.key("red", Scope::Write).await;
    let (cookie, view) = log_in(&house, &key).await;
    assert_eq!((&view["tenant"], &view["scopes"]), (&json!("red"), &json!(["read", "write"])));
    assert_eq!(house.send(asked(&house, Method::GET, SESSION, &cookie)).await.ok(200), view);
    house.send(asked(&house, Method::GET, "/v1/threads", &cookie)).await.ok(200);

    let submit = || {
        let body = house.json(Method::POST, "/v1/threads/t/runs", &json!({"messages": "x"}));
        with(body, "cookie", &cookie)
    };
    house.send(submit()).await.problem(403, "csrf_token_missing");
    let wrong = with(submit(), "x-csrf-token", "wrong");
    house.send(wrong).await.problem(403, "csrf_token_missing");
    let token = id(&view, "csrf_token");
    house.send(with(submit(), "x-csrf-token", &token)).await.ok(202);
    house.get_as(&key, "/v1/threads/t").await.ok(200);
    // Its scopes are its key's.
    let admin = asked(&house, Method::GET, "/v1/keys", &cookie);
    house.send(admin).await.problem(403, "scope_missing");

    let out = house.send(asked(&house, Method::DELETE, SESSION, &cookie)).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_can_not_be_forged() {
    let house = House::guarded(Limits::default()).await;
    let operator = house.key("default", Scope::Admin).await;
    let key = house.key("red", Scope::Admin).await;
    let (cookie, _) = log_in(&house, &key).await;
    let (other, _) = log_in(&house, &operator).await;
    let (payload, _) = other.split_once('.').unwrap();
    let (_, signature) = cookie.split_once('.').unwrap();
    for forged in [format!("{payload}.{signature}"), payload.to_owned(), format!("{cookie}x")] {
        let asked = asked(&house, Method::GET, "/v1/threads", &forged);
        house.send(asked).await.problem(401, "session_over");
    }
    let key_id = key.split('.').next().unwrap();
    let revoke = request(Method::DELETE, house.url(&format!("/v1/keys/{key_id}")));
    assert_eq!(house.send_as(&operator, revoke).await.status, 204);
    for path in ["/v1/threads", SESSION] {
        let asked = asked(&house, Method::GET, path, &cookie);
        house.send(asked).await.problem(401, "session_over");
    }
}
