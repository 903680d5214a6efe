//! What the types can't say: values that don't work together, or not in this version.

use std::path::PathBuf;

use postroom_core::id::TenantId;
use postroom_server::{NoOrigin, Origin};

use super::{Invalid, Loaded, PostgresUrl, StoreUrl};

/// Stands for all tenants that are not named.
const EVERY_OTHER: &str = "*";

impl Loaded {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        self.store_url()?;
        self.check_listen()?;
        self.check_signals()?;
        self.tenants()?;
        self.origins()?;
        self.check_numbers()?;
        self.check_telemetry()?;
        if self.config.server.require_keys && self.store_url()? == StoreUrl::Memory {
            return Err(self.invalid(
                "server.require_keys",
                "a store in memory has no key when the server starts, and nobody could make one: \
                 set store.url to sqlite://PATH or postgres://…",
            ));
        }
        if self.config.server.require_keys && self.config.server.insecure_no_keys {
            return Err(self.invalid(
                "server.insecure_no_keys",
                "server.require_keys says the opposite: take one of them out",
            ));
        }
        Ok(())
    }

    /// How much each tenant may do.
    ///
    /// # Errors
    /// Where a name is no tenant's, or a number leaves no room for anything.
    pub fn tenants(&self) -> Result<postroom_server::Limits, Invalid> {
        let mut limits = postroom_server::Limits::default();
        for (name, of_tenant) in &self.config.tenants {
            let key = format!("tenants.{name}");
            let numbers = [
                ("requests_per_second", of_tenant.requests_per_second.map(u64::from)),
                ("request_burst", of_tenant.request_burst.map(u64::from)),
                ("max_queued", of_tenant.max_queued),
                ("max_streams", of_tenant.max_streams.map(u64::from)),
                ("max_concurrent_runs", of_tenant.max_concurrent_runs.map(|max| max as u64)),
            ];
            if let Some((number, _)) = numbers.iter().find(|(_, value)| *value == Some(0)) {
                let problem = "0 lets nothing through: revoke the tenant's keys instead";
                return Err(self.invalid(&format!("{key}.{number}"), problem));
            }
            if name == EVERY_OTHER {
                limits.others = *of_tenant;
                continue;
            }
            let tenant = TenantId::parse(name).map_err(|error| {
                self.invalid(&key, format!("{error}; `{EVERY_OTHER}` stands for all others"))
            })?;
            limits.named.insert(tenant, *of_tenant);
        }
        Ok(limits)
    }

    /// Where web pages come from that may call.
    ///
    /// # Errors
    /// Where one is no origin.
    pub fn origins(&self) -> Result<Vec<Origin>, Invalid> {
        let origins = self.config.server.cors_origins.iter().map(|text| text.parse());
        let origins: Result<_, NoOrigin> = origins.collect();
        origins.map_err(|error| self.invalid("server.cors_origins", error.to_string()))
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
        if PostgresUrl::is_one(url) {
            let url = PostgresUrl::parse(url);
            return url.map(StoreUrl::Postgres).or_else(|problem| fail(&problem));
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

    /// Where nodes listen to each other, where that is not the store's own address.
    ///
    /// # Errors
    /// Where it is no address of PostgreSQL.
    pub fn listening_url(&self) -> Result<Option<PostgresUrl>, Invalid> {
        let url = self.config.signals.postgres_url.as_deref().map(PostgresUrl::parse);
        url.transpose().map_err(|problem| self.invalid("signals.postgres_url", problem))
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
        }
        self.listening_url().map(drop)
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
        let mut limits = self.config.limits.clone();
        let runs = &mut limits.max_concurrent_runs_by_tenant;
        // What is no tenant's name is refused by the check.
        for (name, of_tenant) in &self.config.tenants {
            if name == EVERY_OTHER {
                runs.others = of_tenant.max_concurrent_runs;
            } else if let Ok(tenant) = TenantId::parse(name) {
                runs.named.insert(tenant, of_tenant.max_concurrent_runs);
            }
        }
        postroom_service::Config { limits, mailbox: self.config.mailbox.clone() }
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
