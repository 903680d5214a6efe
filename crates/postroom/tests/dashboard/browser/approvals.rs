//! The inbox of people.

use serde_json::json;

use super::chromium::Chromium;
use super::fake_model::FakeModel;
use crate::support::{Home, Server};

async fn asks(server: &Server, thread: &str) {
    let body = json!({"messages": format!("approval for {thread}"), "run_id": thread});
    server.post(&format!("/v1/threads/{thread}/runs?wait=true"), &body).await;
}

async fn output(server: &Server, run: &str) -> String {
    let run = server.until(&format!("/v1/runs/{run}"), |run| run["status"] == "done").await;
    run["output"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned()
}

#[tokio::test]
async fn calls_are_approved_changed_denied_and_answered() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/approvals").await;
    page.sees("Nothing waits for you").await;
    // They come by themselves.
    for thread in ["one", "two", "three", "four"] {
        asks(&server, thread).await;
    }
    page.sees_in("main", "4 decisions are waited for").await;
    page.sees_in(".nav .tally", "4").await;

    page.click(".ticket:nth-of-type(1) [data-do=approve]").await;
    page.sees("demo_action is approved.").await;
    assert!(output(&server, "one").await.contains("You approved it"));
    page.sees_in("main", "3 decisions are waited for").await;

    page.click(".ticket:nth-of-type(1) [data-do=change]").await;
    page.write("textarea[name=arguments]", "{\"request\": ").await;
    page.click("[data-do=submit]").await;
    page.sees_in(".wrong", "This is not JSON").await;
    page.write("textarea[name=arguments]", "[]").await;
    page.click("[data-do=submit]").await;
    page.sees_in(".wrong", "JSON object").await;
    page.write("textarea[name=arguments]", "{\"request\": \"something smaller\"}").await;
    page.click("[data-do=submit]").await;
    page.sees("with changed arguments").await;
    assert!(output(&server, "two").await.contains("something smaller"));

    page.sees_in("main", "2 decisions are waited for").await;
    page.click(".ticket:nth-of-type(1) [data-do=deny]").await;
    page.write("textarea[name=reason]", "not on a Sunday").await;
    page.click("[data-do=submit]").await;
    page.sees("demo_action is denied.").await;
    assert!(output(&server, "three").await.contains("not on a Sunday"));

    page.sees_in("main", "1 decision is waited for").await;
    page.click("[data-do=answer]").await;
    page.write("textarea[name=result]", "{\"done\": \"by hand\"}").await;
    page.click("[data-do=submit]").await;
    assert!(output(&server, "four").await.contains("by hand"));
    page.sees("Nothing waits for you").await;
    page.misses(".nav .tally:not([hidden])").await;
    page.close(&[]).await;
    chromium.stop().await;
}

/// Somebody else was quicker: nothing is left to decide, whatever was being typed.
#[tokio::test]
async fn what_somebody_else_has_decided_goes_away() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    asks(&server, "t").await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/threads/t").await;
    page.click("[data-do=deny]").await;
    page.write("textarea[name=reason]", "late").await;
    let decision = json!([{"tool_call_id": "demo_1", "action": "resume"}]);
    server.post("/v1/runs/t/decisions", &decision).await;
    output(&server, "t").await;
    page.misses(".ticket").await;
    page.sees_in(".letter", "You approved it").await;
    page.close(&[]).await;
    chromium.stop().await;
}

#[tokio::test]
async fn an_agents_question_is_answered() {
    let model = FakeModel::start().await;
    let home = Home::with_config(&model.config());
    std::fs::write(home.path("key"), "not-a-secret").unwrap();
    let server = home.serve(&["--store", "memory:"]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    for (thread, option) in [("chooses", true), ("writes", false)] {
        let body = json!({"messages": "paint it", "run_id": thread});
        server.post(&format!("/v1/threads/{thread}/runs?wait=true"), &body).await;
        page.open("#/approvals").await;
        page.sees_in(".ticket", "Which colour shall it be?").await;
        if option {
            page.shoot("question").await;
            page.press("blue").await;
        } else {
            page.write("textarea[name=reply]", "green, please").await;
            page.click("[data-do=reply]").await;
        }
        page.sees("Your answer is sent.").await;
        page.sees("Nothing waits for you").await;
    }
    assert!(output(&server, "chooses").await.contains("blue"));
    assert!(output(&server, "writes").await.contains("green, please"));
    page.close(&[]).await;
    chromium.stop().await;
}
