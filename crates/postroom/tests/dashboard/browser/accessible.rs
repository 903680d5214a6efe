//! What machines can tell about how accessible it is: axe-core finds nothing serious.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::chromium::Chromium;
use super::page::{Look, Page};
use super::screens::{SCREENS, full_house};
use crate::support::Home;

/// Where `scripts/test` puts it.
fn axe() -> String {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = target.parent().unwrap().join("tools/axe-core/axe.min.js");
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}: `scripts/test` fetches it from npm", path.display())
    })
}

#[tokio::test]
async fn axe_finds_nothing_serious_on_any_screen() {
    let axe = axe();
    let home = Home::new();
    let server = full_house(&home).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    let mut found = Vec::new();
    for look in Look::ALL {
        page.looks(look).await;
        for (name, address, written) in SCREENS {
            page.open(address).await;
            page.sees_in("main", written).await;
            found.extend(check(&page, &axe, &format!("{name} in {}", look.name)).await);
        }
    }
    page.looks(Look::DESK).await;
    page.open("#/approvals").await;
    page.click("[data-do=change]").await;
    found.extend(check(&page, &axe, "approvals with a form").await);
    page.open("#/dead-letters").await;
    page.click("[data-do=purge]").await;
    found.extend(check(&page, &axe, "a dialog").await);
    page.press("Cancel").await;
    page.misses("dialog").await;
    page.press("Inspect").await;
    found.extend(check(&page, &axe, "an open letter").await);
    assert!(found.is_empty(), "{found:#?}");
    page.close(&[]).await;
    chromium.stop().await;
}

/// What axe has against the page, apart from what is minor.
async fn check(page: &Page, axe: &str, place: &str) -> Vec<String> {
    page.driver.execute(axe.to_owned(), vec![]).await.unwrap();
    let script = "const done = arguments[0];
        axe.run(document, { resultTypes: ['violations'] })
            .then((result) => done(result.violations), (error) => done(String(error)));";
    let violations = page.driver.execute_async(script, vec![]).await.unwrap().json().clone();
    let list = violations.as_array().unwrap_or_else(|| panic!("{place}: {violations}"));
    let serious = list.iter().filter(|violation| {
        violation["impact"] == json!("serious") || violation["impact"] == json!("critical")
    });
    serious.map(|violation| format!("{place}: {}", said(violation))).collect()
}

fn said(violation: &Value) -> String {
    let nodes: Vec<String> = violation["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .take(3)
        .map(|node| format!("{}: {}", node["target"], node["failureSummary"]))
        .collect();
    format!("{} ({}): {}", violation["id"], violation["help"], nodes.join("; "))
}
