//! Without a mouse, and on a phone.

use serde_json::json;
use thirtyfour::Key;

use super::chromium::Chromium;
use super::page::Look;
use crate::support::Home;

#[tokio::test]
async fn everything_is_reached_with_keys() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    for thread in ["one", "two"] {
        server
            .post(&format!("/v1/threads/{thread}/runs?wait=true"), &json!({"messages": "hello"}))
            .await;
    }
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/").await;
    page.sees("How long it takes").await;

    // The first stop skips the way to the other screens.
    page.keys(Key::Tab).await;
    let focused = || async { page.ask("return document.activeElement.textContent.trim()").await };
    assert_eq!(focused().await, json!("Skip to the contents"));
    page.keys(Key::Enter).await;
    assert_eq!(page.ask("return document.activeElement.id").await, json!("main"));
    page.keys(Key::Tab).await;
    assert_eq!(focused().await, json!("Write to an agent"));

    page.keys("?").await;
    page.sees_in("dialog", "Dead letters").await;
    page.shoot("shortcuts").await;
    page.keys(Key::Escape).await;
    page.misses("dialog").await;

    page.keys("gt").await;
    page.sees_in("main h1", "Threads").await;
    page.sees_in("main", "one").await;
    assert_eq!(focused().await, json!("Threads"), "a new screen is told to who does not see it");
    page.keys("jj").await;
    assert_eq!(focused().await, json!("one"));
    page.keys("k").await;
    assert_eq!(focused().await, json!("two"));
    page.keys("/").await;
    page.keys("one").await;
    page.until("one is found", "return [...document.querySelectorAll('main [data-row]')].map((e) => e.textContent).join() === 'one'").await;
    page.click("main h1").await;
    page.keys("j").await;
    page.keys(Key::Enter).await;
    page.sees_in("main h1", "one").await;
    page.sees_in(".letter", "hello").await;
    page.keys("c").await;
    page.keys("again?").await;
    page.chord(Key::Control, Key::Enter).await;
    page.sees("Sent").await;
    page.sees_in(".letter.user", "again?").await;
    for (keys, title) in [
        ("gr", "Runs"),
        ("ga", "Approvals"),
        ("gd", "Dead letters"),
        ("go", "Overview"),
        ("n", "Write to an agent"),
    ] {
        page.ask("document.activeElement.blur(); return null").await;
        page.keys(keys).await;
        page.sees_in("main h1", title).await;
    }
    page.close(&[]).await;
    chromium.stop().await;
}

#[tokio::test]
async fn the_colours_are_those_that_were_chosen_and_a_phone_has_a_menu() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.looks(Look::DESK).await;
    page.open("#/agents").await;
    let paper = "return getComputedStyle(document.body).backgroundColor";
    let light = page.ask(paper).await;
    page.click(".theme label:has([value=dark])").await;
    let dark = page.ask(paper).await;
    assert_ne!(light, dark);
    page.driver.refresh().await.unwrap();
    page.sees_in("main", "demo_action").await;
    assert_eq!(page.ask(paper).await, dark, "it is kept");
    page.click(".theme label:has([value=system])").await;
    assert_eq!(page.ask(paper).await, light);

    page.looks(Look::PHONE).await;
    page.driver.refresh().await.unwrap();
    page.sees_in("main", "demo_action").await;
    page.misses(".side.open").await;
    page.click(".menu").await;
    page.shoot("menu-phone").await;
    page.press("Nodes").await;
    page.sees_in("main h1", "Nodes").await;
    page.misses(".side.open").await;
    page.close(&[]).await;
    chromium.stop().await;
}
