//! The way to the collector: our HTTP client, on our runtime, with what the collector wants to see.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use postroom_agent::provider::client_tls;
use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

/// How long the collector may take for one batch.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read. What a collector says fits many times.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Sends batches of spans, and says in the log when that begins to fail and when it works again.
pub(super) struct Client {
    http: reqwest::Client,
    runtime: Handle,
    url: Url,
    /// With secrets.
    headers: HeaderMap,
    is_away: AtomicBool,
}

impl Client {
    pub(super) fn new(url: Url, headers: HeaderMap) -> anyhow::Result<Self> {
        // The headers are for this address, and no other.
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(client_tls()?)
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build()
            .context("no HTTP client for traces")?;
        let is_away = AtomicBool::new(false);
        Ok(Self { http, runtime: Handle::current(), url, headers, is_away })
    }

    fn note(&self, failure: Option<&str>) {
        let was_away = self.is_away.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(reason) if !was_away => {
                tracing::warn!(
                    reason,
                    "the collector does not take traces: they are lost until it does"
                );
            }
            None if was_away => tracing::info!("the collector takes traces again"),
            _ => {}
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut headers = self.headers.clone();
        for name in [CONTENT_TYPE, CONTENT_ENCODING] {
            if let Some(value) = parts.headers.get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let request = self.http.post(self.url.clone()).headers(headers).body(body);
        // The exporter has a thread of its own, which drives no sockets.
        let sent = self.runtime.spawn(async move {
            let mut answer = request.send().await?;
            let mut said = Vec::new();
            while said.len() < ANSWER_BYTES_MAX
                && let Some(more) = answer.chunk().await?
            {
                said.extend_from_slice(&more);
            }
            Ok::<_, reqwest::Error>((answer.status(), said))
        });
        match sent.await? {
            Ok((status, said)) => {
                let refused = format!("it answered {status}");
                self.note((!status.is_success()).then_some(refused.as_str()));
                Ok(Response::builder().status(status).body(said.into())?)
            }
            Err(error) => {
                let reason = innermost(&error);
                self.note(Some(&reason));
                Err(reason.into())
            }
        }
    }
}

/// The first cause, without the address, which the configuration says.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
