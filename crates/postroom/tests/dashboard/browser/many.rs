//! With a hundred thousand threads.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{Command, CreateThread, Envelope};
use postroom_core::id::ThreadId;
use postroom_core::ports::MailboxStore;
use postroom_stores::sqlite::{Options, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};
use serde_json::json;
use tokio::time::Instant;

use super::chromium::Chromium;
use super::page::Page;
use crate::support::Home;

const THREADS: usize = 100_000;
/// From the address to the first page of the list, in a build that is not optimised, on a machine that
/// has other things to do.
const LISTED_WITHIN: Duration = Duration::from_secs(3);
/// From the last letter typed to what was looked for, through all of them.
const FOUND_WITHIN: Duration = Duration::from_secs(5);

async fn fill(home: &Home) {
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds::new()));
    let store = SqliteStore::open(Options::new(home.path("postroom.db"), clock, ids)).unwrap();
    let numbers: Vec<usize> = (0..THREADS).collect();
    for numbers in numbers.chunks(2_000) {
        let commands = numbers.iter().map(|number| {
            let metadata = json!({"customer": format!("c{}", number % 977), "ticket": number});
            let metadata = metadata.as_object().unwrap().clone();
            let command = Command::CreateThread(CreateThread { metadata, parent: None });
            Envelope::new(ThreadId::parse(&format!("thread-{number:06}")).unwrap(), command)
        });
        let answers = store.apply(commands.collect()).await;
        assert!(answers.iter().all(Result::is_ok));
    }
    store.close();
}

async fn shown(page: &Page) -> u64 {
    page.count("main [data-row]").await
}

#[tokio::test]
async fn a_hundred_thousand_threads_are_listed_and_searched_quickly() {
    let home = Home::new();
    fill(&home).await;
    let server = home.serve(&[]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;

    // A browser's own first start is not the dashboard's.
    page.open("#/settings").await;
    let began = Instant::now();
    page.open("#/threads").await;
    page.sees_in("main", "thread-099999").await;
    let listed = began.elapsed();
    assert!(listed < LISTED_WITHIN, "{listed:?}");
    assert_eq!(shown(&page).await, 50, "a page, not all of them");

    // The oldest is behind all others.
    page.write("main input[type=search]", "thread-000017").await;
    let began = Instant::now();
    page.until("it is found", "return document.querySelectorAll('main [data-row]').length === 1 && document.querySelector('main [data-row]').textContent === 'thread-000017'").await;
    let found = began.elapsed();
    assert!(found < FOUND_WITHIN, "{found:?}");

    page.write("main input[type=search]", "\"ticket\":4711}").await;
    let began = Instant::now();
    page.until("it is found", "return [...document.querySelectorAll('main [data-row]')].map((e) => e.textContent).join() === 'thread-004711'").await;
    let by_metadata = began.elapsed();
    assert!(by_metadata < FOUND_WITHIN, "{by_metadata:?}");
    page.shoot("many-found").await;

    page.write("main input[type=search]", "nobody has this").await;
    let began = Instant::now();
    page.sees("No thread has “nobody has this”").await;
    let nothing = began.elapsed();
    assert!(nothing < FOUND_WITHIN, "{nothing:?}");

    // There and back, a page at a time.
    page.open("#/threads").await;
    page.sees_in("main", "thread-099999").await;
    for first in ["thread-099949", "thread-099899"] {
        page.click("[data-do=older]").await;
        page.sees_in("main", first).await;
    }
    page.click("[data-do=newer]").await;
    page.sees_in("main", "thread-099949").await;
    assert_eq!(shown(&page).await, 50);
    eprintln!(
        "listed {listed:?}, found {found:?}, by metadata {by_metadata:?}, nothing {nothing:?}"
    );
    page.close(&[]).await;
    chromium.stop().await;
}
