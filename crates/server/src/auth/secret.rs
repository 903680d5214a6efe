//! Keys as their holders write them, `id.secret`, and what is kept of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postroom_core::access::{ApiKey, Scope, SecretHash};
use postroom_core::id::{KeyId, TenantId};
use postroom_core::time::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How many random bytes a secret has.
const SECRET_BYTES: usize = 32;
/// How many a key's id has.
const ID_BYTES: usize = 8;
/// What ids begin with, so that who finds a key by accident, or looks for leaked ones, knows it.
const ID_PREFIX: &str = "pr_";

/// A text that must not be seen: it is shown as `***`, however it is formatted.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text that must not be seen.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place where it belongs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A key to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOrder {
    /// Whose.
    pub tenant: TenantId,
    /// What it shall allow.
    pub scope: Scope,
    /// What people call it.
    pub label: String,
    /// From when on it is refused, if it shall end by itself.
    pub expires_at: Option<Timestamp>,
}

/// A key that was made.
#[derive(Debug, Clone)]
pub struct MadeKey {
    /// What is kept of it.
    pub key: ApiKey,
    /// What its holder presents: `id.secret`. It is shown once.
    pub text: Secret,
}

/// The operating system gives no randomness.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gives no randomness to make a secret of: {0}")]
pub struct NoRandomness(getrandom::Error);

/// Makes a key with a secret of the operating system's randomness; keeping it is the caller's.
///
/// # Errors
/// [`NoRandomness`].
pub fn make_key(order: KeyOrder, now: Timestamp) -> Result<MadeKey, NoRandomness> {
    let id = format!("{ID_PREFIX}{}", hex(random::<ID_BYTES>()?));
    let secret = URL_SAFE_NO_PAD.encode(random::<SECRET_BYTES>()?);
    let text = Secret(format!("{id}.{secret}"));
    let key = ApiKey {
        id: KeyId::parse(&id).expect("a prefix and digits are an id"),
        tenant: order.tenant,
        scope: order.scope,
        label: order.label,
        secret: hash(&secret),
        created_at: now,
        expires_at: order.expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    Ok(MadeKey { key, text })
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes)
}

/// A name that nobody else gives.
pub(crate) fn random_name() -> Result<String, NoRandomness> {
    Ok(hex(random::<16>()?))
}

fn hex<const N: usize>(bytes: [u8; N]) -> String {
    let digit = |digit: u8| char::from_digit(u32::from(digit), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// What is kept of a secret. It is random and long, so that no slow hash is needed: there is nothing
/// to guess.
fn hash(secret: &str) -> SecretHash {
    SecretHash(Sha256::digest(secret.as_bytes()).into())
}

/// A key as a caller presents it.
pub(super) struct Presented<'t> {
    pub(super) id: KeyId,
    secret: &'t str,
}

impl<'t> Presented<'t> {
    /// Reads `id.secret`; `None` where it is nothing like it.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let (id, secret) = text.trim().split_once('.')?;
        let is_ours = id.starts_with(ID_PREFIX) && id.len() == ID_PREFIX.len() + 2 * ID_BYTES;
        let id = KeyId::parse(id).ok().filter(|_| is_ours)?;
        Some(Self { id, secret })
    }

    /// Whether the secret is the key's. How long that takes says nothing of how near it comes.
    pub(super) fn is_of(&self, key: &ApiKey) -> bool {
        hash(self.secret).0.ct_eq(&key.secret.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> MadeKey {
        let order = KeyOrder {
            tenant: TenantId::default(),
            scope: Scope::Read,
            label: "a label".to_owned(),
            expires_at: None,
        };
        make_key(order, Timestamp(1)).unwrap()
    }

    #[test]
    fn a_key_is_known_by_its_secret_alone() {
        let (one, other) = (made(), made());
        let presented = Presented::parse(one.text.expose()).unwrap();
        assert_eq!(presented.id, one.key.id);
        assert!(presented.is_of(&one.key));
        assert!(!presented.is_of(&other.key));
        let (id, secret) = one.text.expose().split_once('.').unwrap();
        assert_eq!(secret.len(), 43, "256 bits");
        for wrong in ["", "x", &secret[1..], &format!("{secret}A")] {
            let text = format!("{id}.{wrong}");
            assert!(!Presented::parse(&text).unwrap().is_of(&one.key), "{wrong}");
        }
    }

    #[test]
    fn what_is_nothing_like_a_key_is_none() {
        for text in ["", ".", "x", "pr_.x", "pr_0123.x", "Bearer pr_0123456789abcdef", "é.é"] {
            assert!(Presented::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let made = made();
        let (_, secret) = made.text.expose().split_once('.').unwrap();
        let shown = format!("{made:?} {} {:?}", made.text, made.key.secret);
        assert!(!shown.contains(secret) && shown.contains("***"), "{shown}");
        assert!(!shown.contains(&made.key.secret.to_hex()), "{shown}");
    }
}
