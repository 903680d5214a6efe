//! Private places that are allowed by name.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A private place that may be reached: an address, a network (`10.1.0.0/16`), or a host's name,
/// whatever addresses that has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AllowedPrivate {
    /// An address or a network.
    Net(IpNet),
    /// A host, in lower case.
    Host(String),
}

impl TryFrom<String> for AllowedPrivate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Net(net));
        }
        if let Ok(address) = text.parse::<std::net::IpAddr>() {
            return Ok(Self::Net(address.into()));
        }
        let is_host = !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
        if is_host {
            return Ok(Self::Host(text.to_ascii_lowercase()));
        }
        Err(format!("`{text}` is no address, no network such as 10.1.0.0/16 and no host's name"))
    }
}

impl From<AllowedPrivate> for String {
    fn from(place: AllowedPrivate) -> Self {
        match place {
            AllowedPrivate::Net(net) => net.to_string(),
            AllowedPrivate::Host(host) => host,
        }
    }
}
