//! The HTTP client of the commands.

mod connection;
mod error;
mod events;
mod follow;
mod pages;
mod sse;

pub use connection::Connection;
pub use error::Error;
pub use events::{Event, EventBody};
pub use follow::{Follow, Followed, Patience};
pub use pages::collect;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::Value;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may be silent: event streams send a comment every 15 s.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(45);
/// A server that takes longer to say that it is ready is not.
const READY_WITHIN: Duration = Duration::from_secs(5);

/// Talks to one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<String>,
}

impl Client {
    /// A client for the server that `connection` names.
    ///
    /// # Errors
    /// Where the URL is none.
    pub fn new(connection: &Connection) -> anyhow::Result<Self> {
        let base = connection.base()?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            .tcp_nodelay(true)
            .user_agent(concat!("postroom/", env!("CARGO_PKG_VERSION")));
        if base.scheme() == "https" {
            // In a binary this may be decided for the whole process; a second try changes nothing.
            let _ = rustls::crypto::ring::default_provider().install_default();
        } else {
            builder = builder.tls_backend_preconfigured(no_tls()?);
        }
        if connection.is_loopback(&base) {
            // A proxy would look for the server on its own machine.
            builder = builder.no_proxy();
        }
        let http = builder.build()?;
        Ok(Self { http, base, key: connection.key.clone() })
    }

    /// The server's address, for people.
    pub fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        // Ids may hold anything printable, also slashes.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// A request, ready to be sent.
    pub fn request(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
    ) -> RequestBuilder {
        let request = self.http.request(method, self.url(path, query));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Sends a request; an answer that is no success is an error.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap_or_default();
        Err(Error::of_answer(status, &body))
    }

    async fn json(&self, request: RequestBuilder) -> Result<Value, Error> {
        let response = self.send(request).await?;
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body)
            .map_err(|_| Error::NotPostroom { url: self.base().to_owned() })
    }

    /// `GET`
    pub async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Error> {
        self.json(self.request(Method::GET, path, query)).await
    }

    /// `POST` with a JSON body
    pub async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Error> {
        self.json(with_json(self.request(Method::POST, path, &[]), body)).await
    }

    /// `POST` that is the same when it is repeated with the same key
    pub async fn post_once(&self, path: &[&str], body: &Value, key: &str) -> Result<Value, Error> {
        let request = self.request(Method::POST, path, &[]).header("Idempotency-Key", key);
        self.json(with_json(request, body)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Error> {
        self.json(self.request(Method::DELETE, path, query)).await
    }

    /// What the server answers to the question whether it is ready, as a load balancer asks it,
    /// without a key; null where what answers is not Postroom.
    pub async fn readiness(&self) -> Result<Value, Error> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["health", "ready"]);
        }
        let request = self.http.get(url).timeout(READY_WITHIN);
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let body = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let problem = answer["type"].as_str().unwrap_or_default();
        let is_ours = answer["status"] == "ready" || problem.starts_with("urn:postroom:problem:");
        Ok(if is_ours { answer } else { Value::Null })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        Error::Unreachable { url: self.base().to_owned(), reason: error::innermost(error) }
    }
}

fn with_json(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header("content-type", "application/json").body(body.to_string())
}

/// No connection of this client uses TLS: reading the system's certificates would take longer than
/// most commands do.
fn no_tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(config)
}
