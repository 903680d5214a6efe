//! What a server is started with.

use std::collections::BTreeMap;

/// What survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing: no sync of the disk anywhere. A crash of the server's processes loses nothing.
    #[default]
    None,
    /// What PostgreSQL promises by default.
    Full,
}

/// What a server shows to those who want an encrypted connection, in PEM.
#[derive(Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

/// What a server is started with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    durability: Durability,
    parameters: BTreeMap<String, String>,
    disk_mebibytes: Option<u32>,
    certificate: Option<Certificate>,
}

impl Settings {
    /// As durable as PostgreSQL is by default: for benchmarks, and where crashes are the point.
    pub fn durable() -> Self {
        Self { durability: Durability::Full, ..Self::default() }
    }

    /// With this parameter of `postgresql.conf`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// On a disk of its own, of so many MiB, which can be filled: see [`crate::Disk`].
    pub fn with_disk(mut self, mebibytes: u32) -> Self {
        self.disk_mebibytes = Some(mebibytes);
        self
    }

    /// With TLS for who wants it.
    pub fn with_tls(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self.with("ssl", "on")
    }

    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    pub(super) fn disk_mebibytes(&self) -> Option<u32> {
        self.disk_mebibytes
    }

    /// As `name=value`.
    pub(super) fn parameters(&self) -> impl Iterator<Item = String> {
        let ours: &[(&str, &str)] = &[
            ("listen_addresses", "127.0.0.1"),
            ("max_connections", "400"),
            ("log_min_messages", "warning"),
        ];
        let fast: &[(&str, &str)] = match self.durability {
            Durability::None => &[("fsync", "off"), ("full_page_writes", "off")],
            Durability::Full => &[],
        };
        let mut all: BTreeMap<&str, &str> = ours.iter().chain(fast).copied().collect();
        all.extend(self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let words = all.into_iter().map(|(name, value)| format!("{name}={value}"));
        words.collect::<Vec<_>>().into_iter()
    }
}
