//! What `http_fetch` may do: `[tools.http_fetch]`.

use serde::{Deserialize, Serialize};

use crate::egress::AllowedPrivate;

/// What the `http_fetch` tool may do: `[tools.http_fetch]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpFetchConfig {
    /// The private places that it may reach nevertheless: an intranet's hosts and networks.
    pub allow_private: Vec<AllowedPrivate>,
    /// The longest that a request may take, its redirects and its body included, in milliseconds.
    pub timeout_ms: u64,
    /// The longest body, decompressed, in bytes; what is longer is cut.
    pub max_bytes: usize,
    /// The methods that a model may use.
    pub methods: Vec<Method>,
}

impl Default for HttpFetchConfig {
    fn default() -> Self {
        Self {
            allow_private: Vec::new(),
            timeout_ms: 30_000,
            max_bytes: 100_000,
            methods: vec![Method::Get, Method::Head],
        }
    }
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the methods are HTTP's")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// Whether it only reads.
    pub(super) fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }

    /// Whether a repetition does nothing more than the first time, by its definition.
    pub(super) fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }

    /// Whether a body belongs to it.
    pub(super) fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Head => Self::HEAD,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}
