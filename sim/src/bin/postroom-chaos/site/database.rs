//! The database: a primary that loses nothing it has answered to, and the standby that takes over.

use std::thread::{Builder, JoinHandle};

use anyhow::{Context, anyhow};
use postroom_testbed::{Disk, Error, Postgres, Settings, Shutdown, Standby};

use crate::transitions;

/// Room for a long run, in MiB.
const DISK: u32 = 4_096;

/// Two servers.
pub struct Database {
    primary: Postgres,
    standby: Option<Postgres>,
    /// A standby that is being made: copying takes seconds, in which other things go on.
    making: Option<JoinHandle<Result<Postgres, Error>>>,
}

fn settings() -> Settings {
    Settings::durable()
        .with("max_wal_size", "256MB")
        // A standby that has lost its primary looks again soon: commits wait for it.
        .with("wal_retrieve_retry_interval", "200ms")
        .with("wal_sender_timeout", "5s")
        .with("wal_receiver_timeout", "5s")
}

impl Database {
    /// Starts both; on disks of their own, if this user may mount them.
    pub fn start() -> anyhow::Result<Self> {
        let primary = match Postgres::with(settings().with_disk(DISK)) {
            Ok(primary) => primary,
            Err(error) => {
                eprintln!("!!!! no disk that could be full, which is SKIPPED: {error}");
                Postgres::with(settings())?
            }
        };
        let standby = Some(primary.standby()?);
        Ok(Self { primary, standby, making: None })
    }

    pub fn port(&self) -> u16 {
        self.primary.port()
    }

    pub fn primary(&self) -> &Postgres {
        &self.primary
    }

    pub fn has_disk(&self) -> bool {
        self.primary.disk().is_some()
    }

    /// Begins to log transitions. The nodes' schema must be there.
    pub fn watch(&self) -> anyhow::Result<()> {
        self.primary.sql("postgres", transitions::INSTALL).context("no log of transitions")?;
        Ok(())
    }

    pub fn crash(&mut self) -> anyhow::Result<()> {
        self.has_standby()?;
        Ok(self.primary.stop(Shutdown::Immediate)?)
    }

    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.has_standby()?;
        Ok(self.primary.kill()?)
    }

    /// Starts the primary if it is down, for whatever reason.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        if self.primary.ended()? {
            self.primary.start_again()?;
        }
        Ok(())
    }

    /// Kills the primary for good, and lets its standby take over. That gets a standby of its own,
    /// which is being made when this returns.
    pub fn promote(&mut self) -> anyhow::Result<()> {
        self.has_standby()?;
        let standby = self.standby.take().context("there is no standby to promote")?;
        self.primary.kill()?;
        standby.promote()?;
        self.primary = standby;
        let plan = Standby::of(&self.primary);
        let thread = Builder::new().name("standby".to_owned());
        self.making = Some(thread.spawn(move || plan.start())?);
        Ok(())
    }

    /// Waits for a standby that is being made.
    pub fn has_standby(&mut self) -> anyhow::Result<()> {
        if let Some(making) = self.making.take() {
            let made = making.join().map_err(|_| anyhow!("making a standby panicked"))?;
            self.standby = Some(made?);
        }
        Ok(())
    }

    /// Ends every connection of a node.
    pub fn drop_connections(&self) -> anyhow::Result<()> {
        let nodes = "select pg_terminate_backend(pid) from pg_stat_activity
                     where application_name like 'node-%'";
        // If it is down just now, there are none.
        self.primary.sql("postgres", nodes).map(|_| ()).or(Ok(()))
    }

    pub fn fill_disk(&mut self) -> anyhow::Result<()> {
        self.has_standby()?;
        Ok(self.primary.disk().map_or(Ok(()), Disk::fill)?)
    }

    pub fn empty_disk(&self) -> anyhow::Result<()> {
        Ok(self.primary.disk().map_or(Ok(()), Disk::empty)?)
    }

    pub fn log(&self) -> String {
        self.primary.log()
    }
}
