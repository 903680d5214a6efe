//! Writing to agents, and what comes back.

use serde_json::json;

use super::chromium::Chromium;
use super::page::Page;
use crate::support::{Home, Server};

const WRITE: &str = ".composer textarea";

async fn send(page: &Page, mode: &str, text: &str) {
    page.click(&format!(".modes label:has([value={mode}])")).await;
    page.write(WRITE, text).await;
    page.click("[data-do=send]").await;
    page.until("it is sent", "return document.querySelector('.composer textarea').value === ''")
        .await;
}

async fn idle(server: &Server, thread: &str) {
    let is_idle = |thread: &serde_json::Value| {
        thread["active_run_id"].is_null() && thread["queued"] == 0 && thread["pending"] == 0
    };
    server.until(&format!("/v1/threads/{thread}"), is_idle).await;
}

#[tokio::test]
async fn a_first_message_opens_a_thread_and_its_answer_streams() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/new").await;
    page.write("#thread", "über/mich?&#1").await;
    page.write(WRITE, "slow 4").await;
    page.click("[data-do=send]").await;
    page.sees_in("h1", "über/mich?&#1").await;
    // It is read while it is written.
    page.sees_in(".letter.writing", "Slowly to 4: 1").await;
    page.sees_in(".letter.assistant:not(.writing)", "Slowly to 4: 1 2 3 4 done.").await;
    page.misses(".letter.writing").await;
    page.sees_in(".timeline", "done").await;
    assert_eq!(page.count(".letter").await, 2, "each message once");

    // Nothing is doubled by loading it again, and a tool's answer is with its call.
    page.open("#/threads/%C3%BCber%2Fmich%3F%26%231").await;
    send(&page, "enqueue", "what time is it?").await;
    page.sees_in(".call", "clock").await;
    page.sees_in(".call", "weekday").await;
    page.sees_in(".letter.assistant", "It is ").await;
    page.misses(".letter.writing").await;
    assert_eq!(page.count(".letter").await, 5);
    page.close(&[]).await;
    chromium.stop().await;
}

#[tokio::test]
async fn what_was_said_before_the_page_was_opened_is_there() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let run = server.submit("t", "slow 6").await;
    let events = format!("/v1/runs/{run}/events");
    let has_begun = |page: &serde_json::Value| page.to_string().contains("Slowly");
    server.until(&events, has_begun).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/threads/t").await;
    page.sees_in(".letter.writing", "Slowly to 6:").await;
    page.sees_in(".letter.assistant:not(.writing)", "Slowly to 6: 1 2 3 4 5 6 done.").await;
    page.close(&[]).await;
    chromium.stop().await;
}

#[tokio::test]
async fn a_busy_thread_is_steered_queued_and_its_pending_messages_changed() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let slow = server.submit("t", "slow 600").await;
    server.until(&format!("/v1/runs/{slow}"), |run| run["status"] == "running").await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/threads/t").await;
    for text in ["first", "second", "third"] {
        send(&page, "steer", text).await;
        page.sees_in(".slip", text).await;
    }

    page.click(".slip:nth-child(2) [data-do=up]").await;
    page.sees_in(".slip:nth-child(1)", "second").await;
    page.click(".slip:nth-child(1) [data-do=down]").await;
    page.sees_in(".slip:nth-child(1)", "first").await;
    page.click(".slip:nth-child(1) [data-do=edit]").await;
    page.write("#edited", "the changed one").await;
    page.press("Save").await;
    page.sees_in(".slip:nth-child(1)", "the changed one").await;
    page.click(".slip:nth-child(3) [data-do=retract]").await;
    page.sees("Taken back").await;
    page.misses(".slip:nth-child(3)").await;
    let pending = server.get("/v1/threads/t/pending").await;
    let texts: Vec<&str> = pending["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["message"]["content"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["the changed one", "second"]);

    // A refusal says why, and loses nothing of what was written.
    page.click(".modes label:has([value=reject])").await;
    page.write(WRITE, "only if idle").await;
    page.click("[data-do=send]").await;
    page.sees_in(".toast.bad", "t").await;
    let kept = page.ask("return document.querySelector('.composer textarea').value").await;
    assert_eq!(kept, json!("only if idle"));
    page.close(&["409 (Conflict)"]).await;
    chromium.stop().await;
}

#[tokio::test]
async fn a_run_is_interrupted_rolled_back_and_stopped() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    server.submit("t", "slow 600").await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/threads/t").await;
    page.sees_in(".letter.writing", "Slowly").await;
    send(&page, "enqueue", "behind it").await;
    page.sees_in(".timeline", "queued").await;
    send(&page, "interrupt", "slow 601").await;
    page.sees_in(".letter.writing", "Slowly to 601").await;
    page.sees_in(".timeline", "superseded").await;
    page.sees_in(".timeline", "cancelled").await;

    send(&page, "rollback", "slow 602").await;
    page.sees_in(".letter.writing", "Slowly to 602").await;
    send(&page, "enqueue", "waits").await;
    page.click("[data-do=clear]").await;
    page.press("Clear it").await;
    page.sees("The thread is interrupted.").await;
    idle(&server, "t").await;
    page.misses("[data-do=clear]").await;

    server.submit("t", "slow 603").await;
    page.sees_in(".letter.writing", "Slowly to 603").await;
    page.click("[data-do=stop]").await;
    page.misses("[data-do=stop]").await;
    idle(&server, "t").await;

    // One that waits its turn is cancelled by itself.
    server.submit("t", "slow 604").await;
    page.sees_in(".letter.writing", "Slowly to 604").await;
    send(&page, "enqueue", "not this one").await;
    page.click(".stop.queued [data-do=cancel]").await;
    page.sees("Cancelled.").await;
    page.misses(".stop.queued").await;

    // The run's own page says the same, and stops it.
    page.click(".stop.running a").await;
    page.sees_in(".step", "Slowly to 604").await;
    page.click("[data-do=cancel]").await;
    page.sees_in(".head", "cancelled").await;
    page.close(&[]).await;
    chromium.stop().await;
}

#[tokio::test]
async fn a_run_is_told_step_by_step() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let body = json!({"messages": "what time is it?", "run_id": "told"});
    server.post("/v1/threads/t/runs?wait=true", &body).await;
    let body = json!({"messages": "fail permanently", "run_id": "failed"});
    server.post("/v1/threads/u/runs?wait=true", &body).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/runs/told").await;
    for text in ["Step 1", "the clock knows it", "weekday", "Step 2", "It is ", "Done"] {
        page.sees_in("main", text).await;
    }
    page.press("As JSON").await;
    page.sees_in(".data", "\"origin\": \"user\"").await;
    page.open("#/runs/failed").await;
    page.sees_in(".failure", "fail permanently").await;
    page.close(&[]).await;
    chromium.stop().await;
}
