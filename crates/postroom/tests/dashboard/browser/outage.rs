//! The server goes away and comes back.

use serde_json::Value;

use super::chromium::Chromium;
use crate::support::Home;

#[tokio::test]
async fn an_outage_is_said_and_what_happened_after_it_is_there() {
    let home = Home::new();
    let mut server = home.serve(&[]).await;
    server.submit("t", "hello").await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/threads/t").await;
    page.sees_in(".letter.assistant", "hello").await;
    server.kill().await;
    page.sees_in(".banner", "The server does not answer").await;
    page.shoot("outage").await;
    // What is written meanwhile is not lost.
    page.write(".composer textarea", "are you back?").await;
    page.click("[data-do=send]").await;
    page.sees_in(".toast.bad", "The server does not answer").await;

    let listen = server.url.trim_start_matches("http://").to_owned();
    let server = home.serve_at(&listen, &[]).await;
    page.misses(".banner:not([hidden])").await;
    page.click("[data-do=send]").await;
    page.sees_in(".letter.user", "are you back?").await;
    page.sees_in(".letter.assistant", "are you back?").await;
    // What is seen streams before it is in the log.
    let ended = |thread: &Value| thread["active_run_id"].is_null();
    let thread = server.until("/v1/threads/t", ended).await;
    assert_eq!(thread["message_count"], 4, "{thread}");
    page.close(&[
        "ERR_CONNECTION_REFUSED",
        "ERR_INCOMPLETE_CHUNKED_ENCODING",
        "ERR_CONNECTION_RESET",
        "ERR_EMPTY_RESPONSE",
    ])
    .await;
    chromium.stop().await;
}
