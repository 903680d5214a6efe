//! Requests to nodes that may be dead, frozen, or cut off.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use crate::told::Answer;

/// Whoever does not answer within this may have done it.
const PATIENCE: Duration = Duration::from_secs(12);
const CONNECT: Duration = Duration::from_secs(2);

/// The codes of a `503` that say that nothing was written.
const NOTHING_WRITTEN: [&str; 3] = ["store_unavailable", "not_ready", "draining"];

/// A client.
#[derive(Debug, Clone)]
pub struct Http(reqwest::Client);

/// What came of a request.
#[derive(Debug)]
pub enum Got {
    Answer {
        status: u16,
        body: Value,
    },
    /// No answer, or not all of it.
    Nothing {
        why: String,
    },
    /// Nobody was there to hear it.
    Unheard {
        why: String,
    },
}

impl Http {
    pub fn new() -> anyhow::Result<Self> {
        // Nothing is encrypted here; without this the system's certificates would be looked for.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let client = builder.connect_timeout(CONNECT).build().context("no HTTP client")?;
        Ok(Self(client))
    }

    pub async fn get(&self, url: &str) -> Got {
        got(self.0.get(url)).await
    }

    pub async fn post(&self, url: &str, body: &Value) -> Got {
        let body = body.to_string();
        got(self.0.post(url).header("content-type", "application/json").body(body)).await
    }

    /// A stream of events, from the one after `after`.
    pub async fn events(&self, url: &str, after: u64) -> Option<reqwest::Response> {
        let request = self.0.get(url).header("accept", "text/event-stream");
        let request = request.header("last-event-id", after.to_string());
        let answer = tokio::time::timeout(PATIENCE, request.send()).await.ok()?.ok()?;
        (answer.status() == 200).then_some(answer)
    }
}

async fn got(request: reqwest::RequestBuilder) -> Got {
    let answer = match request.timeout(PATIENCE).send().await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Got::Unheard { why: error.to_string() },
        Err(error) => return Got::Nothing { why: error.to_string() },
    };
    let status = answer.status().as_u16();
    match answer.bytes().await {
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(body) => Got::Answer { status, body },
            Err(_) => {
                let body = Value::String(String::from_utf8_lossy(&body).into_owned());
                Got::Answer { status, body }
            }
        },
        Err(error) => Got::Nothing { why: error.to_string() },
    }
}

impl Got {
    /// What it says to somebody who submitted.
    pub fn submitted(self) -> Answer {
        match self {
            Self::Answer { status, body } => answered(status, &body),
            Self::Nothing { why } => Answer::Unknown { why },
            Self::Unheard { why } => Answer::NothingWritten { code: why },
        }
    }

    /// A failure that no documented answer is like.
    pub fn undocumented(&self) -> Option<String> {
        match self {
            Self::Answer { status, body } if *status >= 500 => {
                let documented = matches!(answered(*status, body), Answer::Undocumented { .. });
                documented.then(|| format!("{status}: {body}"))
            }
            _ => None,
        }
    }
}

fn answered(status: u16, body: &Value) -> Answer {
    let code = body["code"].as_str().unwrap_or_default();
    let run_id = body["run_id"].as_str();
    match (status, code, run_id) {
        (202, _, Some(run_id)) => Answer::Accepted { run_id: run_id.to_owned() },
        (409 | 429, _, _) => Answer::Refused { status, code: code.to_owned() },
        (503, "outcome_unknown", _) => Answer::Unknown { why: code.to_owned() },
        (503, code, _) if NOTHING_WRITTEN.contains(&code) => {
            Answer::NothingWritten { code: code.to_owned() }
        }
        _ => Answer::Undocumented { status, body: body.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let accepted = answered(202, &json!({"run_id": "r"}));
        assert_eq!(accepted, Answer::Accepted { run_id: "r".to_owned() });
        let refused = answered(409, &json!({"code": "active_run"}));
        assert!(matches!(refused, Answer::Refused { status: 409, .. }));
        let failed = answered(503, &json!({"code": "store_unavailable"}));
        assert!(matches!(failed, Answer::NothingWritten { .. }));
        let unknown = answered(503, &json!({"code": "outcome_unknown"}));
        assert!(matches!(unknown, Answer::Unknown { .. }));
        for (status, body) in [(500, json!({})), (202, json!({})), (400, json!({"code": "bad"}))] {
            assert!(matches!(answered(status, &body), Answer::Undocumented { .. }));
        }
    }
}
