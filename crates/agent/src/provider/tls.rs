//! TLS for clients.

use std::sync::Arc;

use reqwest::ClientBuilder;
use reqwest::redirect::Policy;
use rustls::client::danger::ServerCertVerifier;
use rustls::{ClientConfig, RootCertStore, crypto};
use rustls_platform_verifier::Verifier;

/// An HTTP client that does TLS with ring, and trusts what the operating system trusts; where that
/// trusts nobody (a bare container), what browsers trust. It follows no redirect: only some of the
/// headers that hold a key would be left behind.
pub(super) fn client_builder() -> ClientBuilder {
    let builder = reqwest::Client::builder().tcp_nodelay(true).redirect(Policy::none());
    match client_tls() {
        Ok(mut config) => {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            builder.tls_backend_preconfigured(config)
        }
        // Building the client will say what is wrong.
        Err(_) => builder,
    }
}

/// TLS for a client: on ring, trusting what the operating system trusts, or else what browsers do.
///
/// # Errors
/// Where the library was built without what it needs.
pub fn client_tls() -> Result<ClientConfig, rustls::Error> {
    // Named, not taken from the process: a library must not set a default for everybody.
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    Ok(match Verifier::new(provider) {
        Ok(verifier) => {
            let verifier: Arc<dyn ServerCertVerifier> = Arc::new(verifier);
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
        Err(_) => {
            let mut roots = RootCertStore::empty();
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    })
}
