//! Webhooks in the configuration: `[webhooks]`.

use std::path::PathBuf;

use postroom_agent::egress::AllowedPrivate;
use serde::{Deserialize, Serialize};

/// The table `[webhooks]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhooksConfig {
    /// The environment variable with the secret that posts are signed with.
    pub secret_env: String,
    /// The file with it, instead of a variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The private places that may be posted to nevertheless: hosts, addresses and networks.
    pub allow_private: Vec<AllowedPrivate>,
    /// How long a receiver may take to answer, in milliseconds.
    pub timeout_ms: u64,
    /// How long to wait after each failed try, in milliseconds; after the last one it is given up.
    pub retry_after_ms: Vec<u64>,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        const SECOND: u64 = 1_000;
        const MINUTE: u64 = 60 * SECOND;
        const HOUR: u64 = 60 * MINUTE;
        Self {
            secret_env: "POSTROOM_WEBHOOK_SECRET".to_owned(),
            secret_file: None,
            allow_private: Vec::new(),
            timeout_ms: 15 * SECOND,
            // About a day, as Standard Webhooks suggest.
            retry_after_ms: vec![
                5 * SECOND,
                5 * MINUTE,
                30 * MINUTE,
                2 * HOUR,
                5 * HOUR,
                10 * HOUR,
                14 * HOUR,
            ],
        }
    }
}
