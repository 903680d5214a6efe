//! What the types can't say: values that don't work together, or not in this version.

use std::path::PathBuf;

use super::{Invalid, Loaded, StoreUrl};

impl Loaded {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        self.store_url()?;
        self.check_listen()?;
        self.check_numbers()?;
        self.check_signals()?;
        Ok(())
    }

    /// Where the store is.
    ///
    /// # Errors
    /// Where the URL is of no store, or of one that comes with a later version.
    pub fn store_url(&self) -> Result<StoreUrl, Invalid> {
        let url = self.config.store.url.trim();
        let fail = |problem: &str| Err(self.invalid("store.url", problem));
        if url == "memory:" || url == "memory" || url == "memory://" {
            return Ok(StoreUrl::Memory);
        }
        if is_postgres(url) {
            return match check_postgres(url) {
                Ok(()) => Ok(StoreUrl::Postgres(url.to_owned())),
                Err(problem) => fail(&problem),
            };
        }
        let Some(path) = url.strip_prefix("sqlite:") else {
            return fail(
                "write sqlite://PATH (such as sqlite://postroom.db), postgres://USER@HOST/DATABASE, \
                 or memory:",
            );
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path == ":memory:" {
            return fail("write memory: for a store in memory");
        }
        if path.contains('?') {
            return fail("options after `?` are not known: write sqlite://PATH alone");
        }
        if path.is_empty() || path.ends_with('/') {
            return fail("the file is missing: write sqlite://PATH, such as sqlite://postroom.db");
        }
        Ok(StoreUrl::Sqlite(PathBuf::from(path)))
    }

    fn check_signals(&self) -> Result<(), Invalid> {
        let signals = &self.config.signals;
        let given = [("nats_url", &signals.nats_url), ("postgres_url", &signals.postgres_url)];
        for (name, url) in given {
            let Some(url) = url else { continue };
            let fail = |problem: &str| Err(self.invalid(&format!("signals.{name}"), problem));
            if !matches!(self.store_url()?, StoreUrl::Postgres(_)) {
                return fail(
                    "it carries what several nodes tell each other, and they share a PostgreSQL \
                     store: set store.url to one, or take this out",
                );
            }
            if name == "nats_url" && !(url.starts_with("nats://") || url.starts_with("tls://")) {
                return fail("write nats://HOST:PORT, or tls://HOST:PORT");
            }
            if name == "postgres_url"
                && let Err(problem) = check_postgres(url)
            {
                return fail(&problem);
            }
        }
        Ok(())
    }

    fn check_listen(&self) -> Result<(), Invalid> {
        let listen = &self.config.server.listen;
        let port = listen.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
        match port {
            Some((host, Ok(_))) if !host.is_empty() => Ok(()),
            _ => {
                let problem = format!("`{listen}` is not HOST:PORT, such as 127.0.0.1:8321");
                Err(self.invalid("server.listen", problem))
            }
        }
    }

    fn check_numbers(&self) -> Result<(), Invalid> {
        self.service().validate().map_err(|error| {
            // The service names its own keys without their section.
            let key = match error.key {
                key if key.contains('.') => key.to_owned(),
                key => format!("mailbox.{key}"),
            };
            self.invalid(&key, format!("{} does not work: {}", error.value, error.rule))
        })
    }

    /// The service's part of the configuration.
    pub fn service(&self) -> postroom_service::Config {
        postroom_service::Config {
            limits: self.config.limits.clone(),
            mailbox: self.config.mailbox.clone(),
        }
    }

    /// Says where a thing is that the agent registry found wrong: its errors begin with the key.
    pub fn locate(&self, error: &postroom_agent::ConfigError) -> Invalid {
        let text = error.to_string();
        match text.split_once(": ") {
            Some((key, problem)) => self.invalid(key, problem),
            None => Invalid::new(None, None, text),
        }
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

/// What is wrong with the address of a PostgreSQL database.
fn check_postgres(url: &str) -> Result<(), String> {
    let wanted = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE";
    if !is_postgres(url) {
        return Err(wanted.to_owned());
    }
    let parsed = url.parse::<tokio_postgres::Config>();
    parsed.map(drop).map_err(|error| {
        let said = postroom_stores::postgres::said(&error);
        format!("{said}: {wanted}")
    })
}
