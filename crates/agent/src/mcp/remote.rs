//! Reaching a server that has a URL.

use std::collections::HashMap;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

use crate::config::McpConfig;
use crate::provider::client_tls;
use crate::registry::Env;

/// A transport to `url` with the configured headers.
///
/// # Errors
/// Which header can't be made, without its value.
pub(super) fn transport(
    url: &Url,
    config: &McpConfig,
    env: &Env,
) -> Result<StreamableHttpClientTransport<Client>, String> {
    let mut headers = HashMap::new();
    for (name, variable) in &config.headers_env {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`{name}` is no name of a header"))?;
        let value = env(variable)
            .ok_or_else(|| format!("set the environment variable {variable}, for `{name}`"))?;
        let mut value = HeaderValue::from_str(value.trim())
            .map_err(|_| format!("the value of {variable} can't be sent as a header"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    let tls = client_tls().map_err(|error| error.to_string())?;
    let client = Client::builder()
        .tls_backend_preconfigured(tls)
        // A redirect would carry the headers to somebody else.
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| error.to_string())?;
    let config =
        StreamableHttpClientTransportConfig::with_uri(url.as_str()).custom_headers(headers);
    Ok(StreamableHttpClientTransport::with_client(client, config))
}
