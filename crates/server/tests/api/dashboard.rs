//! The dashboard's files. What they do is tested in a browser, in `crates/postroom/tests/dashboard`.

use axum::http::Method;

use crate::client::{Reply, request};
use crate::house::{House, with};

/// The path of a file, as the page names it.
fn named(page: &Reply, file: &str) -> String {
    let parts = page.text().split('"');
    let mut paths = parts.filter(|part| part.starts_with("/dashboard/assets/"));
    paths.find(|path| path.ends_with(file)).unwrap_or_else(|| panic!("no {file}")).to_owned()
}

#[tokio::test]
async fn the_page_may_run_nothing_but_its_own_files() {
    let house = House::open().await;
    let page = house.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    for rule in
        ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    // Who has no JavaScript learns where else to look.
    assert!(page.text().contains("/v1/runs"));
    for inline in ["<script>", "<style", "style=", "onload="] {
        assert!(!page.text().contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn files_are_kept_for_ever_by_a_name_that_changes_with_them() {
    let house = House::open().await;
    let page = house.get("/").await;
    let script = named(&page, "app.js");
    let file = house.get(&script).await;
    assert_eq!(file.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert!(file.text().contains("import"));
    for (name, media_type) in [("base.css", "text/css"), ("icon.svg", "image/svg+xml")] {
        let file = house.get(&named(&page, name)).await;
        assert!(file.header("content-type").unwrap().starts_with(media_type), "{name}");
    }
    let folder = script.trim_end_matches("app.js");
    let screen = house.get(&format!("{folder}screens/thread.js")).await;
    assert_eq!(screen.status, 200, "modules import each other by relative paths");
    house.get(&format!("{folder}../app.js")).await.problem(404, "unknown_path");
    house.get(&format!("{folder}nothing.js")).await.problem(404, "unknown_path");

    // Another version's page gets what there is, and does not keep it.
    let other = house.get("/dashboard/assets/other/app.js").await;
    assert_eq!((other.status, other.header("cache-control")), (200, Some("no-store")));
}

#[tokio::test]
async fn what_the_browser_has_is_not_sent_again() {
    let house = House::open().await;
    let page = house.get("/").await;
    for path in ["/".to_owned(), named(&page, "app.js")] {
        let tag = house.get(&path).await.header("etag").unwrap().to_owned();
        let asks = |tags: &str| with(request(Method::GET, house.url(&path)), "if-none-match", tags);
        let known = house.send(asks(&format!("\"old\", W/{tag}"))).await;
        assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
        assert_eq!(known.header("etag"), Some(tag.as_str()));
        assert_eq!(house.send(asks("\"old\"")).await.status, 200);
    }
}
