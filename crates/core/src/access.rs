//! Who may call: API keys, and what each lets its holder do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{KeyId, TenantId};
use crate::time::Timestamp;

/// What a caller may do. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See threads, runs, dispatches and events.
    Read,
    /// Submit, steer, decide, cancel, and change threads.
    Write,
    /// Make and revoke keys, retry and delete dispatches.
    Admin,
}

impl Scope {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The word for it, as in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// The scope that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// It and those that it includes.
    pub fn included(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |scope| *scope <= self)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is kept of a key's secret: enough to know it again, of no use to who reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// In hexadecimal digits, as it is stored.
    pub fn to_hex(self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut digits, byte| {
            digits.extend([byte >> 4, byte & 0xf].map(|digit| char::from(HEX[usize::from(digit)])));
            digits
        })
    }

    /// Reads what [`SecretHash::to_hex`] wrote.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let value = |digit: u8| HEX.iter().position(|known| *known == digit);
        for (pair, byte) in digits.as_bytes().chunks(2).zip(&mut bytes) {
            let [high, low] = pair else { return None };
            *byte = u8::try_from(value(*high)? << 4 | value(*low)?).ok()?;
        }
        (digits.len() == 64).then_some(Self(bytes))
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// An API key, without its secret: that is shown once, to who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name, which is no secret.
    pub id: KeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it allows.
    pub scope: Scope,
    /// What people call it.
    pub label: String,
    /// What its secret is known by.
    pub secret: SecretHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused, if it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused, if somebody took it back.
    pub revoked_at: Option<Timestamp>,
    /// About when it was last used; a minute or two behind.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it is good at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
