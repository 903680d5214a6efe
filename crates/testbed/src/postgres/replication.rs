//! A second server that follows the first, and can take its place.

use std::ffi::OsString;

use super::installation::Installation;
use super::{PATIENCE, Postgres, Settings, psql};
use crate::{Error, until};

/// What a standby is known as to its primary.
const NAME: &str = "standby";

/// What a standby is made from. It borrows nothing, so that a thread can make it.
#[derive(Debug)]
pub struct Standby {
    primary_url: String,
    installation: Installation,
    settings: Settings,
}

impl Standby {
    /// One of this server, with its settings.
    pub fn of(primary: &Postgres) -> Self {
        Self {
            primary_url: primary.url(),
            installation: primary.installation.clone(),
            settings: primary.settings.clone(),
        }
    }

    /// Copies the primary, starts, and makes every commit there wait for the copy: whatever the
    /// primary has answered to, the standby has on its disk.
    pub fn start(self) -> Result<Postgres, Error> {
        let mut standby = Postgres::unpacked(self.settings)?;
        let primary = format!("{}?application_name={NAME}", self.primary_url);
        let data_dir = standby.data_dir().into_os_string();
        let options = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"];
        let arguments = options.map(OsString::from).into_iter();
        let arguments = arguments.chain(["-d".into(), primary.into(), "-D".into(), data_dir]);
        standby.run_to_its_end("pg_basebackup", arguments)?;
        standby.start_on_a_free_port()?;
        let on_primary = |sql: &str| psql(&self.installation, &self.primary_url, sql);
        on_primary(&synchronous(NAME))?;
        until("a standby that is synchronous", PATIENCE, || {
            let state = on_primary("select sync_state from pg_stat_replication")?;
            Ok((state == "sync").then_some(()))
        })?;
        Ok(standby)
    }
}

impl Postgres {
    /// Makes a standby of this server, and starts it: see [`Standby::start`].
    pub fn standby(&self) -> Result<Self, Error> {
        Standby::of(self).start()
    }

    /// Makes a standby the primary, and waits until it takes writes. The old primary must be down.
    pub fn promote(&self) -> Result<(), Error> {
        // It has no standby of its own yet, and must not wait for one.
        self.sql("postgres", &synchronous(""))?;
        self.sql("postgres", "select pg_promote(true, 60)")?;
        until("a promotion", PATIENCE, || {
            let recovers = self.sql("postgres", "select pg_is_in_recovery()")?;
            Ok((recovers == "f").then_some(()))
        })
    }
}

/// Says which standby a commit waits for.
fn synchronous(name: &str) -> String {
    format!("alter system set synchronous_standby_names = '{name}'; select pg_reload_conf();")
}
