//! Where a URL may lead: to public addresses, and to the private ones that are allowed by name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::place::AllowedPrivate;

/// IPv4 that is nobody's public server.
const PRIVATE_V4: [Ipv4Net; 16] = [
    v4([0, 0, 0, 0], 8),        // this host
    v4([10, 0, 0, 0], 8),       // private
    v4([100, 64, 0, 0], 10),    // behind a carrier's NAT
    v4([127, 0, 0, 0], 8),      // loopback
    v4([169, 254, 0, 0], 16),   // link-local: metadata of clouds
    v4([172, 16, 0, 0], 12),    // private
    v4([192, 0, 0, 0], 24),     // protocol assignments
    v4([192, 0, 2, 0], 24),     // documentation
    v4([192, 88, 99, 0], 24),   // relays of 6to4
    v4([192, 168, 0, 0], 16),   // private
    v4([198, 18, 0, 0], 15),    // benchmarks
    v4([198, 51, 100, 0], 24),  // documentation
    v4([203, 0, 113, 0], 24),   // documentation
    v4([168, 63, 129, 16], 32), // a cloud's own services, at a public address
    v4([224, 0, 0, 0], 4),      // multicast
    v4([240, 0, 0, 0], 4),      // reserved, broadcast
];

/// All that is public in IPv6 is in here …
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0], 3);

/// … but for these.
const PRIVATE_V6: [Ipv6Net; 3] = [
    v6([0x2001, 0], 23),     // protocol assignments: Teredo, ORCHID, benchmarks
    v6([0x2001, 0xdb8], 32), // documentation
    v6([0x3fff, 0], 20),     // documentation
];

/// IPv4 in IPv6, by a gateway.
const NAT64: Ipv6Net = v6([0x64, 0xff9b], 96);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0], 16);

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b]: [u16; 2], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !PRIVATE_V4.iter().any(|net| net.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [_, b, c, .., y, z] = address.segments();
    let joined = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    if NAT64.contains(&address) {
        return is_public_v4(joined(y, z));
    }
    if SIX_TO_FOUR.contains(&address) {
        return is_public_v4(joined(b, c));
    }
    GLOBAL_V6.contains(&address) && !PRIVATE_V6.iter().any(|net| net.contains(&address))
}

/// Decides where a URL may lead.
#[derive(Clone)]
pub struct Guard {
    allowed: Arc<[AllowedPrivate]>,
}

/// A place that may not be reached, or a name that leads nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The URL names an address that is nobody's public server.
    #[error("`{0}` is a private address, which may not be reached from here")]
    PrivateAddress(IpAddr),
    /// All addresses of the host are private.
    #[error("`{0}` leads to a private address, which may not be reached from here")]
    PrivateHost(String),
    /// Neither HTTP nor HTTPS.
    #[error("the URL must begin with http:// or https://")]
    Scheme,
    /// Credentials in the URL.
    #[error("the URL has a user name or password in it, which is not sent")]
    Credentials,
    /// No host.
    #[error("the URL names no host")]
    NoHost,
}

impl Guard {
    /// Lets through what is public, and what is allowed by name.
    pub fn new(allowed: Vec<AllowedPrivate>) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Checks what can be said before a name is resolved. An address is connected to without that,
    /// so it is checked here; the parser has already undone its other spellings.
    ///
    /// # Errors
    /// [`Refused`] says why the URL may not be called.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(Refused::NoHost)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(address) if !self.lets_through(address) => Err(Refused::PrivateAddress(address)),
            _ => Ok(()),
        }
    }

    fn lets_through(&self, address: IpAddr) -> bool {
        // Mapped IPv4 is IPv4 to the operating system.
        let address = address.to_canonical();
        let allows = |place: &AllowedPrivate| match place {
            AllowedPrivate::Net(net) => net.contains(&address),
            AllowedPrivate::Host(_) => false,
        };
        is_public(address) || self.allowed.iter().any(allows)
    }

    fn knows(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        let is = |place: &AllowedPrivate| matches!(place, AllowedPrivate::Host(host) if host.eq_ignore_ascii_case(name));
        self.allowed.iter().any(is)
    }
}

/// Resolves a name to the addresses that may be reached, and no others. The connection is made to
/// just these, so that a name which resolves differently a moment later changes nothing.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let name = name.as_str();
            let all: Vec<SocketAddr> = tokio::net::lookup_host((name, 0)).await?.collect();
            let knows = guard.knows(name);
            let found = !all.is_empty();
            let reachable: Vec<SocketAddr> = all
                .into_iter()
                .filter(|address| knows || guard.lets_through(address.ip()))
                .collect();
            if found && reachable.is_empty() {
                return Err(Refused::PrivateHost(name.to_owned()).into());
            }
            Ok(Box::new(reachable.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_let_through() {
        let private = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "64:ff9b::a00:1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::808:808",
            "100::1",
            "5f00::1",
            "168.63.129.16",
        ];
        let guard = Guard::new(Vec::new());
        for address in private {
            assert!(!guard.lets_through(address.parse().unwrap()), "{address}");
        }
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ];
        for address in public {
            assert!(guard.lets_through(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn other_spellings_of_an_address_are_seen_through() {
        let guard = Guard::new(Vec::new());
        let urls = [
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://[::ffff:7f00:1]/",
            "http://0/",
            "https://[::]:443/",
            "http://①②⑦.0.0.1/",
            "http://169.254.169.254/latest/meta-data",
        ];
        for url in urls {
            let refused = guard.check(&Url::parse(url).unwrap());
            assert!(matches!(refused, Err(Refused::PrivateAddress(_))), "{url}: {refused:?}");
        }
        for url in ["ftp://example.org/", "file:///etc/passwd", "data:text/plain,x"] {
            assert_eq!(guard.check(&Url::parse(url).unwrap()), Err(Refused::Scheme), "{url}");
        }
        let url = Url::parse("https://ada:secret@example.org/").unwrap();
        assert_eq!(guard.check(&url), Err(Refused::Credentials));
    }

    #[test]
    fn private_places_are_allowed_by_name_only() {
        let allow = |text: &str| AllowedPrivate::try_from(text.to_owned()).unwrap();
        let guard = Guard::new(vec![allow("10.1.0.0/16"), allow("::1"), allow("Wiki.intra")]);
        assert!(guard.lets_through("10.1.2.3".parse().unwrap()));
        assert!(guard.lets_through("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!guard.lets_through("10.2.0.1".parse().unwrap()));
        assert!(guard.lets_through("::1".parse().unwrap()));
        assert!(guard.knows("wiki.intra.") && !guard.knows("evil.wiki.intra"));
        assert!(AllowedPrivate::try_from("10.1.0.0/99".to_owned()).is_err());
    }
}
