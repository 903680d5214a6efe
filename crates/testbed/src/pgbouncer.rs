//! A connection pooler in front of a PostgreSQL server.

use std::net::TcpStream;
use std::time::Duration;

use crate::account::Account;
use crate::process::{Launch, Process, Signal};
use crate::{Error, Postgres, Program, Scratch, port, until};

const PGBOUNCER: Program = Program { name: "pgbouncer", package: "pgbouncer" };

/// How long it may take to listen, on a busy machine.
const START: Duration = Duration::from_secs(30);

/// A throwaway `PgBouncer` in transaction mode: each transaction of a client may be on another
/// connection to the server.
#[derive(Debug)]
pub struct PgBouncer {
    // Dropped in this order: the pooler first, then what it writes to.
    _process: Process,
    port: u16,
    _scratch: Scratch,
}

impl PgBouncer {
    /// Starts one on a free port.
    pub fn start(postgres: &Postgres) -> Result<Self, Error> {
        let account = Account::to_run_as()?;
        let scratch = Scratch::new("postroom-pgbouncer-")?;
        account.give(scratch.path())?;
        let port = port::free()?;
        let (settings, log) = (scratch.join("pgbouncer.ini"), scratch.join("pgbouncer.log"));
        let server = postgres.port();
        let text = format!(
            "[databases]\n\
             * = host=127.0.0.1 port={server} user=postgres\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = transaction\n\
             max_client_conn = 2000\n\
             default_pool_size = 16\n"
        );
        std::fs::write(&settings, text).map_err(Error::io("cannot write PgBouncer's settings"))?;
        let mut process = Process::launch(&Launch {
            arguments: account.command(&PGBOUNCER.find()?, [settings.into_os_string()]),
            environment: Vec::new(),
            dir: scratch.path().to_owned(),
            log: log.clone(),
            last_signal: Signal::Kill,
        })?;
        until("PgBouncer listening", START, || {
            if let Some(status) = process.ended()? {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(Error::Failed { what: format!("pgbouncer ({status})"), said });
            }
            Ok(TcpStream::connect(("127.0.0.1", port)).ok())
        })?;
        Ok(Self { _process: process, port, _scratch: scratch })
    }

    /// The address of the database `postgres` behind it.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}
