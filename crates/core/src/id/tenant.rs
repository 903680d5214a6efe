//! Tenants: whose a thread is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::InvalidId;
use super::repr::Repr;

/// The longest name of a tenant, in bytes.
pub const TENANT_BYTES_MAX: usize = 63;

/// Names a tenant: who sees a thread, and nobody else does. Where nobody says whose a thread is, it is
/// that of [`TenantId::DEFAULT`].
///
/// A thread's tenant is fixed when it is created, and so is that of its runs and dispatches.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Repr);

impl TenantId {
    /// The built-in tenant.
    pub const DEFAULT: &'static str = "default";

    /// Takes a name: 1 to [`TENANT_BYTES_MAX`] lower-case letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// [`InvalidId::NotTenant`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let is_short = (1..=TENANT_BYTES_MAX).contains(&text.len());
        let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        if is_short && text.bytes().all(is_plain) {
            return Ok(Self(Repr::of(text)));
        }
        Err(InvalidId::NotTenant)
    }

    /// Whether it is the built-in one.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Gives `f` the name as text, without allocating.
    pub fn with_str<T>(&self, f: impl FnOnce(&str) -> T) -> T {
        self.0.with_str(f)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for TenantId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TenantId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        super::schema::tenant()
    }

    fn inline_schema() -> bool {
        true
    }
}

/// The built-in tenant.
impl Default for TenantId {
    fn default() -> Self {
        Self(Repr::of(Self::DEFAULT))
    }
}

impl FromStr for TenantId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_str(|text| f.pad(text))
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_str(|text| write!(f, "TenantId({text})"))
    }
}

impl Serialize for TenantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.with_str(|text| serializer.serialize_str(text))
    }
}

impl<'de> Deserialize<'de> for TenantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        let longest = "a".repeat(TENANT_BYTES_MAX);
        for name in ["default", "a", "team-1", "team_2", "0", &longest] {
            assert_eq!(TenantId::parse(name).unwrap().to_string(), name);
        }
        for name in ["", " a", "A", "a.b", "a/b", "é", &"a".repeat(TENANT_BYTES_MAX + 1)] {
            assert_eq!(TenantId::parse(name), Err(InvalidId::NotTenant), "{name:?}");
        }
        assert!(TenantId::parse("default").unwrap().is_default());
        assert!(!TenantId::parse("defaults").unwrap().is_default());
    }
}
