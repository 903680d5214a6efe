//! What can go wrong with an MCP server.

use std::error::Error;
use std::time::Duration;

use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::StreamableHttpError;

/// Why an MCP server's tools can't be had now. A later try may succeed, except with a name that
/// nobody has configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the nouns they are named after")]
pub enum McpError {
    #[error("there is no MCP server `{server}`")]
    Unknown { server: String },
    #[error("MCP server `{server}` can't be started: {reason}")]
    Start { server: String, reason: String },
    #[error(
        "MCP server `{server}` failed a moment ago and is not tried again for {} ms: {reason}",
        .wait.as_millis()
    )]
    Waiting { server: String, reason: String, wait: Duration },
    #[error("MCP server `{server}` does not say what tools it has: {reason}")]
    List { server: String, reason: String },
    #[error("MCP server `{server}` is stopped")]
    Stopped { server: String },
}

/// Why a server did not begin to talk.
pub(super) fn of_start(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, .. } => of_transport(error),
        other => other.to_string(),
    }
}

/// Why a server did not answer.
pub(super) fn of_request(error: &ServiceError) -> String {
    match error {
        ServiceError::TransportSend(error) => of_transport(error),
        other => other.to_string(),
    }
}

/// What the network says, without the URL: there may be a key in it.
fn of_transport(error: &DynamicTransportError) -> String {
    match error.error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        Some(StreamableHttpError::Client(error)) => {
            error.source().map_or_else(|| "the request failed".to_owned(), deepest)
        }
        _ => error.error.to_string(),
    }
}

fn deepest(error: &(dyn Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), deepest)
}
