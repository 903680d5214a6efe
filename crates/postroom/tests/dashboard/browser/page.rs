//! A page as a person uses it: looks for what is written, clicks, types.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::prelude::*;
use tokio::time::Instant;

use crate::support::DEADLINE;

/// How often it is looked whether something is there yet.
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// How a page is shown.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub name: &'static str,
    pub width: u32,
    pub height: u32,
    pub dark: bool,
}

impl Look {
    pub const DESK: Self = Self { name: "light", width: 1280, height: 900, dark: false };
    pub const DESK_DARK: Self = Self { name: "dark", dark: true, ..Self::DESK };
    pub const PHONE: Self = Self { name: "phone", width: 390, height: 844, dark: false };
    pub const PHONE_DARK: Self = Self { name: "phone-dark", dark: true, ..Self::PHONE };
    pub const ALL: [Self; 4] = [Self::DESK, Self::DESK_DARK, Self::PHONE, Self::PHONE_DARK];
}

pub struct Page {
    pub driver: WebDriver,
    base: String,
}

impl Page {
    pub fn on(driver: WebDriver, base: &str) -> Self {
        Self { driver, base: base.to_owned() }
    }

    /// Opens the screen at `address`, such as `#/threads`.
    pub async fn open(&self, address: &str) {
        self.driver.goto(format!("{}/{address}", self.base)).await.unwrap();
        self.until(
            "the screen is there",
            "return !!document.querySelector('main h1') && !document.querySelector('.loading')",
        )
        .await;
    }

    /// Goes on as a page of this size and these colours.
    pub async fn looks(&self, look: Look) {
        let size = json!({"width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 600});
        let cdp = self.driver.cdp();
        cdp.send_raw("Emulation.setDeviceMetricsOverride", size).await.unwrap();
        let scheme = if look.dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        cdp.send_raw("Emulation.setEmulatedMedia", media).await.unwrap();
    }

    /// What a script says.
    pub async fn ask(&self, script: &str) -> Value {
        self.driver.execute(script, vec![]).await.unwrap().json().clone()
    }

    /// Waits until a script says `true`.
    #[track_caller]
    pub fn until<'p>(&'p self, what: &'p str, script: &'p str) -> impl Future<Output = ()> + 'p {
        let caller = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + DEADLINE;
            while self.ask(script).await != json!(true) {
                if Instant::now() > deadline {
                    let text = self.ask("return document.body.innerText").await;
                    let shot = self.shoot("failed").await;
                    panic!("{caller}: not so in time: {what}; {}: {text}", shot.display());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Waits until this is written somewhere.
    #[track_caller]
    pub fn sees<'p>(&'p self, text: &'p str) -> impl Future<Output = ()> + 'p {
        self.sees_in("body", text)
    }

    /// Waits until this is written in an element that `css` finds.
    #[track_caller]
    pub fn sees_in<'p>(&'p self, css: &'p str, text: &'p str) -> impl Future<Output = ()> + 'p {
        let script = format!(
            "return [...document.querySelectorAll({})].some((e) => e.innerText.includes({}))",
            json!(css),
            json!(text)
        );
        let what = format!("`{text}` in {css}");
        let caller = std::panic::Location::caller();
        async move { self.until(&format!("{what} ({caller})"), &script).await }
    }

    /// Waits until nothing that `css` finds is there.
    #[track_caller]
    pub fn misses<'p>(&'p self, css: &'p str) -> impl Future<Output = ()> + 'p {
        let script = format!("return !document.querySelector({})", json!(css));
        let what = format!("no {css}");
        let caller = std::panic::Location::caller();
        async move { self.until(&format!("{what} ({caller})"), &script).await }
    }

    /// How many elements `css` finds.
    pub async fn count(&self, css: &str) -> u64 {
        let script = format!("return document.querySelectorAll({}).length", json!(css));
        self.ask(&script).await.as_u64().unwrap()
    }

    /// The first that `css` finds, once it can be clicked.
    pub async fn find(&self, css: &str) -> WebElement {
        let found = self.driver.query(By::Css(css)).wait(DEADLINE, LOOK_EVERY).and_clickable();
        match found.first().await {
            Ok(element) => element,
            Err(error) => {
                let shot = self.shoot("failed").await;
                panic!("{css}: {error}; {}", shot.display())
            }
        }
    }

    /// Clicks it. What moves or is drawn anew meanwhile is looked for again.
    pub async fn click(&self, css: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let clicked = self.find(css).await.click().await;
            match clicked {
                Ok(()) => return,
                Err(error) if Instant::now() > deadline => panic!("{css}: {error}"),
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Clicks the button or the link with this text.
    pub async fn press(&self, text: &str) {
        let path = format!(
            "//*[self::button or self::a or self::summary][normalize-space(.)={}]",
            json!(text)
        );
        let found = self.driver.query(By::XPath(path)).wait(DEADLINE, LOOK_EVERY).and_clickable();
        found
            .first()
            .await
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .click()
            .await
            .unwrap();
    }

    /// Writes into a field what shall stand there.
    pub async fn write(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses keys where the focus is.
    pub async fn keys(&self, keys: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.unwrap();
    }

    /// Presses a key while another is held.
    pub async fn chord(&self, held: Key, pressed: Key) {
        let chain = self.driver.action_chain().key_down(held.clone()).send_keys(pressed);
        chain.key_up(held).perform().await.unwrap();
    }

    /// Keeps a picture of the page.
    pub async fn shoot(&self, name: &str) -> PathBuf {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        self.driver.screenshot(&path).await.unwrap();
        path
    }

    /// Nothing may have gone wrong in the browser: no error in a script, nothing that the content policy
    /// stopped. Answers that are refusals are listed there too: `expected` are parts of those.
    pub async fn has_no_errors(&self, expected: &[&str]) {
        let log = self.driver.browser_log().await.unwrap();
        let errors: Vec<&String> = log
            .iter()
            .filter(|entry| entry.level == "SEVERE" || entry.level == "WARNING")
            .map(|entry| &entry.message)
            .filter(|message| !expected.iter().any(|part| message.contains(part)))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }

    /// Checks that nothing went wrong, and ends the browser.
    pub async fn close(self, expected: &[&str]) {
        self.has_no_errors(expected).await;
        self.driver.quit().await.unwrap();
    }
}
