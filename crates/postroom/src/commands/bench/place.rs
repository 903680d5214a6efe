//! Where is measured: beside the configured store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use postroom_core::ports::{IdSource, MailboxStore};
use postroom_stores::memory::MemoryStore;
use postroom_stores::postgres::{self, PostgresStore};
use postroom_stores::sqlite::{self, SqliteStore};
use postroom_stores::system::{SystemClock, SystemIds};
use tempfile::TempDir;

use crate::config::{Loaded, PostgresUrl, Store, StoreUrl};

/// How the names of what is made for measuring begin.
const PREFIX: &str = "postroom-bench-";

/// What is measured on a store of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Store,
    Service,
}

impl Part {
    const ALL: [Self; 2] = [Self::Store, Self::Service];

    fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Service => "service",
        }
    }
}

/// A store of its own kind, to be thrown away.
pub(super) enum Place {
    Memory,
    /// On the disk of the configured file.
    Sqlite(TempDir),
    Postgres {
        url: PostgresUrl,
        /// Those of the store, in a schema of their own.
        settings: Store,
    },
}

impl Place {
    /// Beside the store of the configuration. Nothing of that is touched.
    pub(super) fn beside(loaded: &Loaded) -> anyhow::Result<Self> {
        match loaded.store_url()? {
            StoreUrl::Memory => Ok(Self::Memory),
            StoreUrl::Sqlite(path) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let parent = parent.map_or(PathBuf::from("."), Path::to_owned);
                let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent);
                let why = || format!("no directory can be made in {}", parent.display());
                Ok(Self::Sqlite(directory.with_context(why)?))
            }
            StoreUrl::Postgres(url) => {
                let mut settings = loaded.config.store.clone();
                settings.schema = format!("{PREFIX}{}", SystemIds::new().new_uuid().simple());
                Ok(Self::Postgres { url, settings })
            }
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite(_) => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }

    /// The directory whose disk the store is on, where that is this machine's.
    pub(super) fn directory(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(directory) => Some(directory.path()),
            _ => None,
        }
    }

    /// A new store for one part of the measurement: what one leaves queued is not the next one's.
    pub(super) async fn open(&self, part: Part) -> anyhow::Result<Arc<dyn MailboxStore>> {
        let ids = Arc::new(SystemIds::new());
        Ok(match self {
            Self::Memory => Arc::new(MemoryStore::new(Arc::new(SystemClock), ids)),
            Self::Sqlite(directory) => {
                let path = directory.path().join(part.name()).with_extension("db");
                Arc::new(SqliteStore::open(sqlite::Options::new(path, Arc::new(SystemClock), ids))?)
            }
            Self::Postgres { .. } => {
                Arc::new(Box::pin(PostgresStore::open(self.options(part)?)).await?)
            }
        })
    }

    fn options(&self, part: Part) -> anyhow::Result<postgres::Options> {
        let Self::Postgres { url, settings } = self else {
            anyhow::bail!("the store is not PostgreSQL");
        };
        let mut options = url.options(settings).context("store.url")?;
        options.schema = format!("{}-{}", settings.schema, part.name());
        Ok(options)
    }

    /// Leaves nothing behind.
    pub(super) async fn remove(self) -> anyhow::Result<()> {
        match &self {
            Self::Memory => {}
            Self::Postgres { .. } => {
                for part in Part::ALL {
                    let options = self.options(part)?;
                    let dropped = Box::pin(postgres::drop_schema(&options)).await;
                    let why = || format!("the schema {} must be dropped by hand", options.schema);
                    dropped.with_context(why)?;
                }
            }
            Self::Sqlite(directory) => {
                // The store's threads may still be closing it: what they leave goes with the directory.
                let path = directory.path().to_owned();
                drop(self);
                if path.exists() {
                    std::fs::remove_dir_all(&path)
                        .with_context(|| format!("{} must be removed by hand", path.display()))?;
                }
            }
        }
        Ok(())
    }
}
