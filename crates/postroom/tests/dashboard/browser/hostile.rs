//! What comes from outside is text, whatever it looks like.

use serde_json::json;

use super::chromium::Chromium;
use crate::support::Home;

const SCRIPTS: [&str; 4] = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror=\"window.hit = 2\">",
    "<svg/onload=window.hit=3><a href=\"javascript:window.hit=4\">x</a>",
    "</textarea></title><style>*{display:none}</style>${window.hit=5}{{7*7}}",
];

#[tokio::test]
async fn what_looks_like_a_script_is_shown_as_text() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let metadata = json!({"<b>key</b>": SCRIPTS[0], "sender_thread": "javascript:window.hit=6"});
    let all = SCRIPTS.join("\n");
    let thread = json!({"thread_id": SCRIPTS[1], "metadata": metadata});
    server.post("/v1/threads", &thread).await;
    let body = json!({"thread_id": SCRIPTS[1], "run_id": SCRIPTS[0], "metadata": metadata,
        "messages": [
            {"role": "user", "content": all, "metadata": metadata},
            {"role": "system", "content": [
                {"type": "image", "url": "javascript:window.hit=7"},
                {"type": "image", "url": "http://127.0.0.1:1/pixel.png"},
                {"type": "file", "url": "javascript:window.hit=8", "name": SCRIPTS[2]},
                {"type": "data", "value": {SCRIPTS[0]: [SCRIPTS[1]]}}]},
            {"role": "user", "content": format!("approval {all}")}]});
    server.post("/v1/runs?wait=true", &body).await;
    let fails = json!({"thread_id": SCRIPTS[2], "messages": "fail", "max_attempts": 1});
    server.post("/v1/runs?wait=true", &fails).await;

    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    let id = urlencoded(SCRIPTS[1]);
    let run = urlencoded(SCRIPTS[0]);
    for (address, written) in [
        (format!("#/threads/{id}"), SCRIPTS[3]),
        (format!("#/runs/{run}"), SCRIPTS[0]),
        ("#/threads".to_owned(), SCRIPTS[1]),
        ("#/runs".to_owned(), SCRIPTS[1]),
        ("#/approvals".to_owned(), SCRIPTS[1]),
        ("#/dead-letters".to_owned(), SCRIPTS[2]),
        ("#/".to_owned(), "How long it takes"),
    ] {
        page.open(&address).await;
        page.sees_in("main", written).await;
        let made = page.ask("return [window.hit ?? null, document.querySelectorAll('main script, main img, main style, main a[href^=javascript]').length]").await;
        assert_eq!(made, json!([null, 0]), "{address}");
    }
    // A link to what is searched for, and what a page is opened with.
    page.open(&format!("#/threads?q={id}")).await;
    page.sees_in("main", SCRIPTS[1]).await;
    page.write("main input[type=search]", "<script>nobody</script>").await;
    page.sees("No thread has “<script>nobody</script>”").await;
    page.shoot("hostile").await;
    assert_eq!(page.ask("return window.hit ?? null").await, json!(null));
    page.close(&[]).await;
    chromium.stop().await;
}

/// The policy would stop what the code lets through: here it is tried.
#[tokio::test]
async fn the_policy_stops_what_is_inline_or_made_of_text() {
    let home = Home::new();
    let server = home.serve(&["--store", "memory:"]).await;
    let chromium = Chromium::start().await;
    let page = chromium.page(&server.url).await;
    page.open("#/").await;
    let tried = "const seen = [];
        document.addEventListener('securitypolicyviolation', (event) => seen.push(event.effectiveDirective));
        const script = document.createElement('script');
        try { script.text = 'window.hit = 1'; } catch { seen.push('text'); }
        try { document.body.innerHTML = '<b>x</b>'; } catch { seen.push('html'); }
        const image = document.createElement('img');
        image.src = 'http://127.0.0.1:1/x.png';
        document.body.append(image);
        window.seen = seen;
        return window.hit ?? null";
    assert_eq!(page.ask(tried).await, json!(null));
    page.until(
        "all are stopped",
        "return ['text', 'html', 'img-src'].every((one) => window.seen.includes(one))",
    )
    .await;
    page.driver.quit().await.unwrap();
    chromium.stop().await;
}

fn urlencoded(text: &str) -> String {
    let parts: Vec<String> = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    parts.concat()
}
