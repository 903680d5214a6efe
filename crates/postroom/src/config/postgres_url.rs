//! The address of a PostgreSQL database, as libpq reads it.
//!
//! The driver knows whether to encrypt, but not whom to trust: what an address says of that
//! (`sslmode`, `sslrootcert`) is read here, as
//! <https://www.postgresql.org/docs/current/libpq-ssl.html> defines it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use postroom_service::TokioSpawner;
use postroom_stores::postgres::{Options, said};
use postroom_stores::system::SystemIds;
use rustls::ClientConfig;
use tokio_postgres::Config;

use super::trust::{TlsError, Trust};
use super::{Store, without_secrets};

const WANTED: &str = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE";

/// A database, and whom connections to it trust.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// As it was written.
    text: String,
    /// What the driver is given.
    driver: String,
    trust: Trust,
}

impl PostgresUrl {
    /// Whether it means to be one.
    pub fn is_one(text: &str) -> bool {
        text.starts_with("postgres:") || text.starts_with("postgresql:")
    }

    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !Self::is_one(text) {
            return Err(WANTED.to_owned());
        }
        let (address, parameters) = split(text);
        let (mut mode, mut roots, mut others) = (None, None, Vec::new());
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", given)) => mode = Some(given),
                Some(("sslrootcert", given)) => roots = Some(decoded(given)?),
                _ => others.push(parameter.to_owned()),
            }
        }
        let (driver_mode, trust) = trust(mode, roots.as_deref())?;
        others.push(format!("sslmode={driver_mode}"));
        let driver = format!("{address}?{}", others.join("&"));
        let parsed: Result<Config, _> = driver.parse();
        parsed.map_err(|error| format!("{}: {WANTED}", said(&error)))?;
        Ok(Self { text: text.to_owned(), driver, trust })
    }

    /// What the driver is to be given.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// With what connections are encrypted, where the address and the server want it.
    ///
    /// # Errors
    /// Where the certificates that it names can't be read.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, TlsError> {
        self.trust.client().map(Arc::new)
    }

    /// How a store there is opened with these settings.
    ///
    /// # Errors
    /// As [`PostgresUrl::tls`].
    pub fn options(&self, settings: &Store) -> Result<Options, TlsError> {
        let (ids, spawner) = (Arc::new(SystemIds::new()), Arc::new(TokioSpawner));
        let mut options = Options::new(&self.driver, ids, spawner);
        options.schema.clone_from(&settings.schema);
        options.connections = settings.connections;
        options.prepares = settings.prepared_statements;
        options.tls = Some(self.tls()?);
        Ok(options)
    }
}

/// As it was written, without its secrets.
impl std::fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&without_secrets(&self.text))
    }
}

/// The same.
impl std::fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresUrl")
            .field("driver", &without_secrets(&self.driver))
            .field("text", &format_args!("{self}"))
            .field("trust", &self.trust)
            .finish()
    }
}

/// The address and its parameters. A password may contain a question mark.
fn split(text: &str) -> (&str, &str) {
    let host = text.find('@').unwrap_or(0);
    match text[host..].find('?') {
        Some(at) => (&text[..host + at], &text[host + at + 1..]),
        None => (text, ""),
    }
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(Into::into).map_err(|_| "sslrootcert is not text: write the path of a file".to_owned())
}

/// The driver's mode, and whom to trust.
fn trust(mode: Option<&str>, roots: Option<&str>) -> Result<(&'static str, Trust), String> {
    // Of libpq: what the operating system trusts, by that name.
    let file = match roots {
        Some("system") | None => None,
        Some(path) => Some(Path::new(path).to_owned()),
    };
    let asks_nobody = |driver: &'static str| match roots {
        None => Ok((driver, Trust::Anyone)),
        Some(_) => Err(format!(
            "sslrootcert says whom to trust, but sslmode={driver} asks nobody: write \
             sslmode=verify-full"
        )),
    };
    let by_issuer = |file: Option<PathBuf>| match file {
        Some(file) => Ok(("require", Trust::Issuer(file))),
        None => {
            Err("sslmode=verify-ca needs sslrootcert=PATH, the certificates of whom to trust; \
                     sslmode=verify-full also takes what the operating system trusts"
                .to_owned())
        }
    };
    match mode {
        Some("disable") => asks_nobody("disable"),
        None | Some("prefer") => asks_nobody("prefer"),
        Some("require") if roots.is_none() => Ok(("require", Trust::Anyone)),
        Some("require" | "verify-ca") => by_issuer(file),
        Some("verify-full") => Ok(("require", Trust::Name(file))),
        Some(other) => Err(format!(
            "sslmode={other} is not known: write disable, prefer, require, verify-ca or verify-full"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &str) -> (String, Trust) {
        let url = format!("postgres://us:a?b@db.internal:5432/post{parameters}");
        let url = PostgresUrl::parse(&url).unwrap();
        (url.driver.replace("postgres://us:a?b@db.internal:5432/post", ""), url.trust)
    }

    #[test]
    fn what_libpq_defines_is_read() {
        let anyone = |mode: &str| (format!("?sslmode={mode}"), Trust::Anyone);
        assert_eq!(read(""), anyone("prefer"));
        assert_eq!(read("?sslmode=disable"), anyone("disable"));
        assert_eq!(read("?sslmode=require"), anyone("require"));
        let file = || PathBuf::from("/etc/my ca.pem");
        let required = || "?connect_timeout=3&sslmode=require".to_owned();
        let with = |mode: &str| {
            read(&format!("?sslrootcert=/etc/my%20ca.pem&connect_timeout=3&sslmode={mode}"))
        };
        assert_eq!(with("require"), (required(), Trust::Issuer(file())));
        assert_eq!(with("verify-ca"), (required(), Trust::Issuer(file())));
        assert_eq!(with("verify-full"), (required(), Trust::Name(Some(file()))));
        let system = ("?sslmode=require".to_owned(), Trust::Name(None));
        assert_eq!(read("?sslmode=verify-full&sslrootcert=system"), system);
        assert_eq!(read("?sslmode=verify-full"), system);
    }

    #[test]
    fn what_would_protect_nobody_is_refused() {
        for (parameters, hint) in [
            ("sslrootcert=/ca.pem", "verify-full"),
            ("sslmode=prefer&sslrootcert=/ca.pem", "verify-full"),
            ("sslmode=verify-ca", "sslrootcert=PATH"),
            ("sslmode=verify-ca&sslrootcert=system", "sslrootcert=PATH"),
            ("sslmode=allow", "write disable, prefer"),
            ("sslmode=verify-full&sslrootcert=%ff", "the path of a file"),
            ("sslcert=/me.pem", "sslcert"),
        ] {
            let error = PostgresUrl::parse(&format!("postgres://h/d?{parameters}")).unwrap_err();
            assert!(error.contains(hint), "{parameters}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let url = PostgresUrl::parse("postgres://me:secret@host/db?password=hidden").unwrap();
        for shown in [url.to_string(), format!("{url:?}")] {
            assert!(shown.contains("host/db"), "{shown}");
            assert!(!shown.contains("secret") && !shown.contains("hidden"), "{shown}");
        }
    }
}
