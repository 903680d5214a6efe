//! Requests to places that others name: only to public addresses, and to private ones that are allowed.

mod guard;
mod place;

use std::sync::Arc;

use reqwest::{Client, redirect};

pub use guard::{Guard, Refused};
pub use place::AllowedPrivate;

use crate::provider::client_tls;

/// An HTTP client that connects to no place which `guard` does not let through. It follows no redirect:
/// whoever does checks each like the first URL.
///
/// # Errors
/// What the HTTP client says when it can't be built: no TLS, above all.
pub fn client(guard: &Guard) -> Result<Client, String> {
    let tls = client_tls().map_err(|error| error.to_string())?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("postroom/", env!("CARGO_PKG_VERSION")))
        // A proxy would resolve and connect where nobody checks it.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .dns_resolver(Arc::new(guard.clone()))
        .build()
        .map_err(|error| error.to_string())
}
