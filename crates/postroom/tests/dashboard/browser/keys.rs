//! Keys.

use super::chromium::Chromium;
use crate::support::Home;

#[tokio::test]
async fn a_key_is_made_shown_once_used_and_revoked() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/keys").await;
    page.sees("There are no keys").await;

    page.click("[data-do=add]").await;
    page.write("#label", "billing").await;
    page.write("#tenant", "Not a tenant").await;
    page.press("Make it").await;
    page.sees_in(".wrong", "tenant").await;
    page.write("#tenant", "acme").await;
    page.write("#days", "30").await;
    page.press("Make it").await;
    page.sees("it is not shown again").await;
    let key = page.find("dialog code").await.text().await.unwrap();
    assert!(key.starts_with("pr_"), "{key}");
    page.shoot("key-made").await;
    page.press("Close").await;
    page.sees_in(".cards", "billing").await;
    page.sees_in(".cards", "acme").await;
    page.sees_in(".cards .stamp", "valid").await;
    let text = page.ask("return document.body.textContent").await;
    assert!(!text.as_str().unwrap().contains(&key), "it is shown once");

    // It opens what its scope allows, and no more.
    home.client(&server, &["threads", "list", "--key", &key]).await.ok();
    home.client(&server, &["send", "hello", "--key", &key]).await.failed(1);

    page.click("[data-do=revoke]").await;
    page.press("Revoke it").await;
    page.sees_in(".cards .stamp", "revoked").await;
    home.client(&server, &["threads", "list", "--key", &key]).await.failed(1);
    page.close(&["400 (Bad Request)"]).await;
    chromium.stop().await;
}
