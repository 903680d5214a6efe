//! Keys: a screen that asks for one, and actions that not every key may do.

use super::chromium::Chromium;
use crate::support::Home;

/// Makes a key; what its holder presents.
async fn key(home: &Home, scope: &str) -> String {
    let made = home.run(&["keys", "create", "--tenant", "acme", "--scope", scope]).await.ok();
    let key = made.stdout.split_whitespace().find(|word| word.starts_with("pr_"));
    key.unwrap_or_else(|| panic!("{made:?}")).to_owned()
}

#[tokio::test]
async fn a_key_is_asked_for_and_decides_what_can_be_done() {
    let home = Home::new();
    let (reader, writer, admin) =
        (key(&home, "read").await, key(&home, "write").await, key(&home, "admin").await);
    let server = home.serve(&["--set", "server.require_keys=true"]).await;

    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.driver.goto(format!("{}/#/threads", server.url)).await.unwrap();
    page.sees_in("h1", "Log in").await;
    page.shoot("login").await;
    page.write("#key", "pr_0000000000000000.nobody").await;
    page.press("Log in").await;
    page.sees_in(".wrong", "not known here").await;

    // Who may read sees no button that would be refused.
    page.write("#key", &reader).await;
    page.press("Log in").await;
    page.sees("There are no threads yet").await;
    page.sees_in(".brand", "acme").await;
    assert_eq!(page.count("main a[href='#/new']").await, 0);
    page.open("#/new").await;
    page.sees("may read, and not write").await;

    page.press("Log out").await;
    page.sees_in("h1", "Log in").await;
    page.write("#key", &writer).await;
    page.press("Log in").await;
    page.open("#/new").await;
    page.write("#thread", "t").await;
    page.write(".composer textarea", "approval").await;
    page.click("[data-do=send]").await;
    // The session's token goes with it, or it would be refused.
    page.click("[data-do=approve]").await;
    page.sees_in(".letter", "You approved it").await;

    // A session that ends while the page is open leads back to the key.
    let (id, _) = writer.split_once('.').unwrap();
    home.client(&server, &["keys", "revoke", id, "--key", &admin]).await.ok();
    page.sees_in("h1", "Log in").await;
    page.close(&["401 (Unauthorized)"]).await;
    chromium.stop().await;
}
