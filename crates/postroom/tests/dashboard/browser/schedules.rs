//! Schedules.

use super::chromium::Chromium;
use crate::support::Home;

#[tokio::test]
async fn a_schedule_is_planned_paused_resumed_and_removed() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/schedules").await;
    page.sees("There are no schedules").await;

    page.click("[data-do=add]").await;
    page.write("#cron", "every day").await;
    page.write("#text", "What is new?").await;
    page.write("#schedule_id", "news").await;
    page.press("Plan it").await;
    page.sees_in(".wrong", "cron").await;
    page.write("#cron", "30 9 * * *").await;
    page.press("Plan it").await;
    page.sees_in(".cards", "What is new?").await;
    page.sees_in(".cards .stamp", "active").await;

    page.click("[data-do=pause]").await;
    page.sees_in(".cards .stamp", "paused").await;
    page.click("[data-do=resume]").await;
    page.sees_in(".cards .stamp", "active").await;
    page.click("[data-do=remove]").await;
    page.press("Remove it").await;
    page.sees("There are no schedules").await;
    page.close(&["400 (Bad Request)"]).await;
    chromium.stop().await;
}
