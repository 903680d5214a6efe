//! What was given up.

use serde_json::{Value, json};

use super::chromium::Chromium;
use crate::support::{Home, Server};

async fn dead(server: &Server, thread: &str) {
    let body = json!({"messages": "fail", "max_attempts": 1});
    server.post(&format!("/v1/threads/{thread}/runs?wait=true"), &body).await;
}

/// The dead letters that nobody has tried again, by their threads.
fn open(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap().iter();
    let open = items.filter(|item| item["requeued_as"].is_null());
    open.map(|item| item["thread_id"].as_str().unwrap()).collect()
}

const DEAD: &str = "/v1/dispatches?status=dead_letter";

#[tokio::test]
async fn dead_letters_are_inspected_retried_and_purged() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    for thread in ["a", "b", "c", "d"] {
        dead(&server, thread).await;
    }
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/dead-letters").await;
    page.sees_in(".nav .tally.failed", "4").await;
    page.sees_in(".dead:nth-child(1)", "told to fail").await;
    page.click(".dead:nth-child(1) summary").await;
    page.sees_in(".dead:nth-child(1) .data", "\"status\": \"dead_letter\"").await;

    // One: it fails again, and comes back as another.
    let total = |page: &Value| page["items"].as_array().unwrap().len();
    page.click(".dead:nth-child(1) [data-do=retry]").await;
    page.sees("It will be tried again.").await;
    server.until(DEAD, |page| total(page) == 5 && open(page).len() == 4).await;
    page.sees_in(".dead", "was retried").await;

    // Some.
    page.until("five are listed", "return document.querySelectorAll('.dead').length === 5").await;
    let choose = |thread: &str| format!(".dead input[aria-label$=' {thread}']");
    page.click(&choose("a")).await;
    page.click(&choose("b")).await;
    page.sees("2 chosen").await;
    page.click("[data-do=retry-chosen]").await;
    page.sees("2 dead letters will be tried again.").await;
    server.until(DEAD, |page| total(page) == 7 && open(page).len() == 4).await;

    // All.
    page.click("[data-do=retry-all]").await;
    page.press("Retry all").await;
    page.sees("4 dead letters will be tried again.").await;
    server.until(DEAD, |page| total(page) == 11 && open(page).len() == 4).await;

    // None: not by mistake.
    page.click("[data-do=purge]").await;
    page.write("#word", "yes").await;
    page.press("Delete them").await;
    page.sees_in("dialog .wrong", "Type the word delete").await;
    page.press("Cancel").await;
    page.misses("dialog").await;
    assert_eq!(total(&server.get(DEAD).await), 11);
    page.click("[data-do=purge]").await;
    page.write("#word", "delete").await;
    page.press("Delete them").await;
    page.sees("11 dead letters deleted.").await;
    page.sees("No dead letters").await;
    assert_eq!(total(&server.get(DEAD).await), 0);
    page.close(&[]).await;
    chromium.stop().await;
}
