//! The secret that posts are signed with.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What the text of a secret begins with, as Standard Webhooks have it; base64 follows.
const PREFIX: &str = "whsec_";

/// The fewest and the most bytes that a secret may have, as Standard Webhooks have it.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret that posts are signed with. No log shows it.
#[derive(Clone)]
pub struct WebhookSecret(Vec<u8>);

/// Why a text is no secret. It does not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the webhook secret must be `whsec_` and the base64 of {} to {} bytes: make one with `printf whsec_; head -c 32 /dev/urandom | base64`",
    BYTES.start(),
    BYTES.end()
)]
pub struct InvalidSecret;

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// Reads a secret.
    ///
    /// # Errors
    /// [`InvalidSecret`]
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let bytes = text.trim().strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
        bytes.filter(|bytes| BYTES.contains(&bytes.len())).map(Self).ok_or(InvalidSecret)
    }

    /// The header `webhook-signature` of a post: over its id, its time in seconds, and its body.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_standards_own_example() {
        // From the specification's reference libraries.
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_is_not_repeated() {
        for text in [
            "",
            "canary",
            "whsec_",
            "whsec_canary",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            let error = WebhookSecret::parse(text).unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(format!("{secret:?}"), "WebhookSecret");
    }
}
