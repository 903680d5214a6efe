//! Every screen, as a visitor sees it.

use serde_json::json;

use super::chromium::Chromium;
use super::page::{Look, Page};
use crate::support::{Home, Server};

/// A server with something of everything.
pub async fn full_house(home: &Home) -> Server {
    let server = home.serve(&[]).await;
    let thread = json!({"thread_id": "order-4711",
        "metadata": {"team": "support", "customer": "ACME", "ticket": 4711}});
    server.post("/v1/threads", &thread).await;
    for text in ["Hello! Has my order been sent? It was due yesterday.", "What time is it now?"] {
        server.post("/v1/threads/order-4711/runs?wait=true", &json!({"messages": text})).await;
    }
    server.post("/v1/threads/order-4711/runs?wait=true", &json!({"messages": "approval"})).await;
    let failing = json!({"messages": "fail", "max_attempts": 1});
    for thread in ["parcel-1", "parcel-2"] {
        server.post(&format!("/v1/threads/{thread}/runs?wait=true"), &failing).await;
    }
    let retried = json!({"messages": "fail once", "run_id": "retried"});
    server.post("/v1/threads/counter/runs?wait=true", &retried).await;
    let slow = json!({"messages": "slow 600", "run_id": "slow"});
    server.post("/v1/threads/counter/runs", &slow).await;
    server.until("/v1/runs/slow", |run| run["status"] == "running").await;
    for (mode, text) in [("steer", "and the time, please"), ("enqueue", "then this")] {
        let body = json!({"messages": text, "mode": mode});
        server.post("/v1/threads/counter/runs", &body).await;
    }
    let schedule = json!({"schedule_id": "news", "cron": "30 9 * * mon-fri",
        "time_zone": "Europe/Berlin", "run": {"messages": "What is new today?"}});
    server.post("/v1/schedules", &schedule).await;
    server
}

/// Every screen's name and address, and what is written on it once it is drawn.
pub const SCREENS: [(&str, &str, &str); 14] = [
    ("overview", "#/", "How long it takes"),
    ("threads", "#/threads", "order-4711"),
    ("thread", "#/threads/order-4711", "What time is it now?"),
    ("thread-busy", "#/threads/counter", "joins at the next step"),
    ("new", "#/new", "The message starts a run"),
    ("runs", "#/runs", "waits for approval"),
    ("run", "#/runs/retried", "It worked, in attempt 2."),
    ("approvals", "#/approvals", "May default call demo_action?"),
    ("dead-letters", "#/dead-letters", "parcel-2"),
    ("schedules", "#/schedules", "What is new today?"),
    ("agents", "#/agents", "demo_action"),
    ("keys", "#/keys", "There are no keys"),
    ("nodes", "#/nodes", "places taken"),
    ("settings", "#/settings", "lease_ms"),
];

#[tokio::test]
async fn every_screen_opens_in_every_look() {
    let home = Home::new();
    let server = full_house(&home).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    for look in Look::ALL {
        page.looks(look).await;
        for (name, address, written) in SCREENS {
            page.open(address).await;
            page.sees_in("main", written).await;
            fits(&page, name, look).await;
            page.shoot(&format!("{name}-{}", look.name)).await;
        }
    }
    page.close(&[]).await;
    chromium.stop().await;
}

/// Nothing is wider than the page: a phone would have to be moved to and fro.
async fn fits(page: &Page, name: &str, look: Look) {
    let wide = page
        .ask("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        .await;
    assert_eq!(wide, json!(0), "{name} in {}", look.name);
}

#[tokio::test]
async fn where_nothing_is_yet_it_says_what_to_do() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    let command = format!("postroom send --url {}", server.url);
    for (name, address, written) in [
        ("overview", "#/", command.as_str()),
        ("threads", "#/threads", command.as_str()),
        ("runs", "#/runs", command.as_str()),
        ("approvals", "#/approvals", command.as_str()),
        ("dead-letters", "#/dead-letters", "No dead letters"),
        ("nowhere", "#/nowhere", "There is nothing at this address"),
    ] {
        page.open(address).await;
        page.sees_in("main", written).await;
        page.shoot(&format!("empty-{name}")).await;
    }
    page.open("#/threads").await;
    page.click(".command button").await;
    page.sees("Copied").await;

    page.open("#/threads/nobody").await;
    page.sees_in(".failure", "unknown_thread").await;
    page.open("#/runs/nobody").await;
    page.sees_in(".failure", "unknown_run").await;
    page.shoot("failure").await;
    page.close(&["404 (Not Found)"]).await;
    chromium.stop().await;
}

#[tokio::test]
async fn settings_are_shown_without_secrets_and_with_their_places() {
    let home = Home::with_config("[limits]\nmax_concurrent_runs = 7\n");
    let server = home.serve(&["--store", "memory:", "--set", "mailbox.lease_ms=31000"]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/settings").await;
    page.sees_in("main", "drain_ms").await;
    page.click("#changed").await;
    page.sees_in("tr", "postroom.toml:2").await;
    page.sees_in("tr", "--set").await;
    assert_eq!(
        page.ask("return document.querySelector('main').innerText.includes('drain_ms')").await,
        json!(false)
    );
    page.write("main input[type=search]", "lease_ms").await;
    page.sees_in("tr", "31000").await;
    page.close(&[]).await;
    chromium.stop().await;
}

/// A chart has what the server counted.
#[tokio::test]
async fn the_overview_moves_by_itself() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/").await;
    page.sees("Nobody has written yet").await;
    server.post("/v1/threads/t/runs?wait=true", &json!({"messages": "hello"})).await;
    page.sees_in(".hole.acked", "1").await;
    page.sees_in(".legend", "1 done").await;
    page.until("a bar", "return !!document.querySelector('.chart .bar.completed')").await;
    server.post("/v1/threads/t/runs", &json!({"messages": "slow 60", "run_id": "slow"})).await;
    page.sees_in(".happenings", "started").await;
    page.sees_in("main section", "default,").await;
    server.post("/v1/runs/slow/cancel", &json!({})).await;
    page.sees_in(".happenings", "was cancelled").await;
    page.close(&[]).await;
    chromium.stop().await;
}
