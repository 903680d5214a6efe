//! Which server, and as whom.

use std::net::IpAddr;

use reqwest::Url;

use crate::cli::Usage;

/// Where a server is that was told nothing.
const USUAL_URL: &str = "http://127.0.0.1:8321";

/// The flags that every command which talks to a server takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Connection {
    /// The server
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "POSTROOM_URL",
        default_value = USUAL_URL
    )]
    pub url: String,
    /// The API key, where the server wants one
    #[arg(long, global = true, value_name = "KEY", env = "POSTROOM_KEY", hide_env_values = true)]
    pub key: Option<String>,
}

impl Connection {
    /// The server's address, checked.
    pub(super) fn base(&self) -> Result<Url, Usage> {
        let wrong = |problem: &str| {
            Usage(format!("--url `{}` {problem}: write http://HOST:PORT", self.url))
        };
        let url = Url::parse(self.url.trim()).map_err(|_| wrong("is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong("is not the address of a server"));
        }
        Ok(url)
    }

    /// Whether somebody said which server, or as whom.
    pub fn is_given(&self) -> bool {
        self.key.is_some() || self.url != USUAL_URL
    }

    /// Whether the server is on this machine.
    #[expect(clippy::unused_self, reason = "reads as a question to the connection")]
    pub(super) fn is_loopback(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}
