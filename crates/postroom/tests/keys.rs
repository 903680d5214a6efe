//! `postroom keys`, before a server is started and beside one.

mod support;

use serde_json::Value;
use support::{Home, Server};

/// What `GET path` answers a holder of `key`: the status, and the body.
async fn ask(server: &Server, key: Option<&str>, path: &str) -> (u16, Value) {
    let mut request = support::http().get(format!("{}{path}", server.url));
    if let Some(key) = key {
        request = request.bearer_auth(key);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

#[tokio::test]
async fn the_first_key_is_made_before_the_server_and_the_next_beside_it() {
    let home = Home::new();
    let admin = home.run(&["keys", "create", "--scope", "admin", "--label", "me"]).await.ok();
    let admin = admin.stdout.trim().to_owned();
    assert!(admin.starts_with("pr_") && admin.contains('.'), "{admin}");

    let server = home.serve_at("127.0.0.1:0", &["--set", "server.require_keys=true"]).await;
    assert_eq!(ask(&server, None, "/v1/threads").await.0, 401);
    assert_eq!(ask(&server, Some(&admin), "/v1/threads").await.0, 200);

    // The file is the server's now: it is asked, and wants a key for that.
    let create = ["keys", "create", "--tenant", "red", "--scope", "write", "--expires", "90d"];
    let line = home.client(&server, &create).await.failed(1);
    assert!(line.contains("--key"), "{line}");
    let made =
        home.client(&server, &[&create[..], &["--json", "--key", &admin]].concat()).await.ok();
    let made = made.json();
    assert_eq!(made["tenant"], "red");
    assert!(made["expires_at"].is_string());
    let red = made["key"].as_str().unwrap();
    assert_eq!(ask(&server, Some(red), "/v1/threads").await.0, 200);

    let listed = home.client(&server, &["keys", "list", "--key", &admin]).await.ok();
    assert!(listed.stdout.contains("red") && listed.stdout.contains("me"), "{}", listed.stdout);
    let (_, secret) = red.split_once('.').unwrap();
    assert!(!listed.stdout.contains(secret), "{}", listed.stdout);
    // A whole key will do for its id.
    home.client(&server, &["keys", "revoke", red, "--key", &admin]).await.ok();
    assert_eq!(ask(&server, Some(red), "/v1/threads").await.0, 401);
    let line =
        home.client(&server, &["keys", "revoke", "nobodys", "--key", &admin]).await.failed(1);
    assert!(line.contains("there is no key nobodys"), "{line}");
    for secret in [admin.as_str(), red].map(|key| key.split_once('.').unwrap().1) {
        assert!(!home.log().contains(secret), "the server logs a secret");
    }
    let log = home.log();
    let line = log.lines().find(|line| line.contains("key_revoked"));
    assert!(line.is_some_and(|line| line.contains("by=pr_")), "{log}");
}

#[tokio::test]
async fn with_keys_a_server_answers_others() {
    let home = Home::new();
    let line = home.run(&["serve", "--listen", "0.0.0.0:0"]).await.failed(1);
    assert!(line.contains("postroom keys create"), "{line}");
    let key = home.run(&["keys", "create", "--scope", "read"]).await.ok().stdout;
    let server = home.serve_at("0.0.0.0:0", &[]).await;
    assert_eq!(ask(&server, None, "/v1/threads").await.0, 401);
    assert_eq!(ask(&server, Some(key.trim()), "/v1/threads").await.0, 200);
    assert_eq!(ask(&server, None, "/health/ready").await.0, 200);
}

#[tokio::test]
async fn a_revoked_key_opens_no_door() {
    let home = Home::new();
    let key = home.run(&["keys", "create", "--scope", "admin", "--json"]).await.ok().json();
    let id = key["key_id"].as_str().unwrap();
    home.run(&["keys", "revoke", id]).await.ok();
    let listed = home.run(&["keys", "list"]).await.ok();
    assert!(listed.stdout.contains("revoked"), "{}", listed.stdout);
    let line = home.run(&["serve", "--listen", "0.0.0.0:0"]).await.failed(1);
    assert!(line.contains("there are no keys"), "{line}");
}

#[tokio::test]
async fn wrong_usage_makes_no_key() {
    let home = Home::new();
    for args in [
        &["keys", "create"][..],
        &["keys", "create", "--scope", "root"],
        &["keys", "create", "--scope", "read", "--tenant", "Red"],
        &["keys", "create", "--scope", "read", "--expires", "soon"],
        &["keys", "revoke"],
    ] {
        assert_eq!(home.run(args).await.code, Some(2), "{args:?}");
    }
    let listed = home.run(&["keys", "list", "--json"]).await.ok();
    assert_eq!(listed.json()["items"], serde_json::json!([]));
}

#[tokio::test]
async fn limits_of_tenants_are_checked() {
    for (config, says) in [
        ("[tenants.Red]\nmax_queued = 1\n", "tenants.Red: a tenant's name"),
        ("[tenants.red]\nmax_queue = 1\n", "tenants.red.max_queue: unknown key"),
        ("[tenants.red]\nmax_queued = 0\n", "tenants.red.max_queued: 0 lets nothing through"),
        (
            "[server]\nrequire_keys = true\ninsecure_no_keys = true\n",
            "server.insecure_no_keys: server.require_keys says the opposite",
        ),
    ] {
        let line = Home::with_config(config).run(&["serve"]).await.failed(1);
        assert!(line.contains(says), "{line}");
    }
    let keyless = ["serve", "--store", "memory:", "--set", "server.require_keys=true"];
    let line = Home::new().run(&keyless).await.failed(1);
    assert!(line.contains("server.require_keys: a store in memory has no key"), "{line}");
    let home = Home::with_config("[tenants.\"*\"]\nrequests_per_second = 5\n");
    home.run(&["serve", "--print-config"]).await.ok();
}
