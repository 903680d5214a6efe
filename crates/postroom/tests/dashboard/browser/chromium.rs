//! A headless Chromium of a test's own.

use std::process::Stdio;

use tempfile::TempDir;
use thirtyfour::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::page::Page;
use crate::support::DEADLINE;

/// As root there is no sandbox; and it must not talk to anybody but the server under test.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--lang=en",
    "--window-size=1280,900",
];

/// The driver, and the folder in which its browser keeps what it keeps.
pub struct Chromium {
    url: String,
    driver: Child,
    /// Kept open: it may have more to say.
    _output: Lines<BufReader<ChildStdout>>,
    profile: TempDir,
}

/// How often the driver is started: of the port that it has found free it takes two, one for each
/// version of IP, and ends if somebody else has got the second.
const TRIES: usize = 5;

impl Chromium {
    pub async fn start() -> Self {
        for _ in 1..TRIES {
            if let Ok(started) = Self::try_to_start().await {
                return started;
            }
        }
        Self::try_to_start().await.unwrap_or_else(|said| panic!("chromedriver ended: {said}"))
    }

    /// What it has said where it ended before it listened.
    async fn try_to_start() -> Result<Self, String> {
        let mut driver = Command::new("chromedriver")
            .args(["--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("chromedriver: {error}: install the packages chromium and chromium-driver")
            });
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let started = async {
            let mut said = String::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    return Ok(port.trim_end_matches('.').to_owned());
                }
                said = format!("{said}{line}\n");
            }
            Err(said)
        };
        let port = timeout(DEADLINE, started).await.expect("chromedriver does not start")?;
        let url = format!("http://127.0.0.1:{port}");
        Ok(Self { url, driver, _output: lines, profile: TempDir::new().unwrap() })
    }

    /// A page on the dashboard of the server at `base`. When it is done with, [`Page::close`] it.
    pub async fn page(&self, base: &str) -> Page {
        let mut wanted = DesiredCapabilities::chrome();
        for flag in FLAGS {
            wanted.add_arg(flag).unwrap();
        }
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        wanted.add_arg(&profile).unwrap();
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
        // The client wants TLS to be there, though it has no use for it; another test may have said.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let driver = WebDriver::new(&self.url, wanted).await.unwrap();
        driver.set_script_timeout(2 * DEADLINE).await.unwrap();
        Page::on(driver, base)
    }

    /// Ends it, before its folder goes.
    pub async fn stop(mut self) {
        self.driver.kill().await.unwrap();
    }
}
