//! A PostgreSQL server.

mod installation;
mod replication;
mod settings;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use installation::Installation;
pub use replication::Standby;
pub use settings::{Certificate, Durability, Settings};

use crate::account::Account;
use crate::process::{Launch, Process, Signal, succeeded};
use crate::{Disk, Error, Scratch, port, until};

/// How long it may take to start or stop, on a busy machine. After it has killed a child that did not
/// end by itself, PostgreSQL 15 may look for it only a minute later.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often another port is tried, if somebody takes the one that was free.
const PORTS: usize = 5;

/// A throwaway PostgreSQL server with trust authentication. Its superuser is `postgres`.
#[derive(Debug)]
pub struct Postgres {
    // Dropped in this order: the server first, then what it writes to.
    process: Option<Process>,
    port: u16,
    settings: Settings,
    account: Account,
    installation: Installation,
    disk: Option<Disk>,
    scratch: Scratch,
}

/// How the server is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Disconnects its clients, and writes everything out.
    Fast,
    /// Disconnects its clients, and writes nothing: the next start recovers, as after a crash.
    Immediate,
}

impl Postgres {
    /// Starts one that is fast, and does not survive a power cut: for tests.
    pub fn start() -> Result<Self, Error> {
        Self::with(Settings::default())
    }

    /// Starts one with these settings.
    pub fn with(settings: Settings) -> Result<Self, Error> {
        let mut postgres = Self::unpacked(settings)?;
        postgres.initialise()?;
        postgres.put_certificate()?;
        postgres.start_on_a_free_port()?;
        Ok(postgres)
    }

    /// The one server that all tests of this process share: give each test a schema or a database of
    /// its own in it. It ends with the process.
    ///
    /// # Panics
    ///
    /// If there can be no server. A test that needs one must not pass without it.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Postgres> = LazyLock::new(|| {
            Postgres::start().unwrap_or_else(|error| panic!("no PostgreSQL for the tests: {error}"))
        });
        &SHARED
    }

    /// The address of its database `postgres`.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The address of a database.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port of 127.0.0.1 that it keeps, also while it is down.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its Unix socket.
    pub fn socket_dir(&self) -> PathBuf {
        self.scratch.path().to_owned()
    }

    /// Where its database files are.
    pub fn data_dir(&self) -> PathBuf {
        let disk = self.disk.as_ref().map(Disk::path);
        disk.unwrap_or(self.scratch.path()).join("data")
    }

    /// The disk of its own, if its settings gave it one.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Where a program of its installation is: `pgbench`, `pg_dump`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.installation.program(name)
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Runs SQL with `psql`, and answers its output: rows in lines, columns between `|`.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, Error> {
        psql(&self.installation, &self.url_of(database), sql)
    }

    /// Ends it. Its data stay.
    pub fn stop(&mut self, how: Shutdown) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal(match how {
            Shutdown::Fast => Signal::Int,
            Shutdown::Immediate => Signal::Quit,
        })?;
        process.wait(PATIENCE).map(|_| ())
    }

    /// Ends its main process as `kill -9` does; the others notice by themselves. Its data stay.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Starts it again after [`Postgres::stop`] or [`Postgres::kill`], on the same port.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.process.is_some() {
            let dir = self.data_dir();
            return Err(Error::WrongState { dir, state: "runs already" });
        }
        // After a kill, the processes that served connections may hold its memory for a moment.
        until("PostgreSQL starting again", PATIENCE, || match self.run() {
            Err(Error::Failed { said, .. }) if said.contains("is still in use") => Ok(None),
            started => started.map(Some),
        })
    }

    /// Whether its main process has ended, by itself or otherwise.
    pub fn ended(&mut self) -> Result<bool, Error> {
        let Some(process) = &mut self.process else { return Ok(true) };
        let ended = process.ended()?.is_some();
        if ended {
            self.process = None;
        }
        Ok(ended)
    }

    /// Waits until it takes connections, after it has recovered from a failure by itself.
    pub fn restarted(&self) -> Result<(), Error> {
        until("PostgreSQL taking connections", PATIENCE, || {
            Ok(self.sql("postgres", "select 1").is_ok().then_some(()))
        })
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.join("server.log")).unwrap_or_default()
    }

    /// A directory of its own, without any data.
    fn unpacked(settings: Settings) -> Result<Self, Error> {
        let installation = Installation::find()?;
        let account = Account::to_run_as()?;
        let scratch = Scratch::new("postroom-pg-")?;
        account.give(scratch.path())?;
        let disk = settings.disk_mebibytes().map(|size| Disk::mount(&scratch, size)).transpose()?;
        if let Some(disk) = &disk {
            account.give(disk.path())?;
        }
        Ok(Self { process: None, port: 0, settings, account, installation, disk, scratch })
    }

    fn initialise(&self) -> Result<(), Error> {
        let data_dir = self.data_dir();
        let options = "--no-sync --auth=trust --username=postgres --encoding=UTF8 --locale=C.UTF-8";
        let arguments = options.split(' ').map(OsString::from);
        let arguments = arguments.chain([OsString::from("-D"), data_dir.into()]);
        self.run_to_its_end("initdb", arguments)
    }

    /// Under the names that the server looks for.
    fn put_certificate(&self) -> Result<(), Error> {
        let Some(Certificate { certificate, key }) = self.settings.certificate() else {
            return Ok(());
        };
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.data_dir().join(name);
            let written = write_private(&path, text);
            written.map_err(Error::io(format!("cannot write {}", path.display())))?;
            self.account.give(&path)?;
        }
        Ok(())
    }

    fn start_on_a_free_port(&mut self) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            self.port = port::free()?;
            tries += 1;
            match self.run() {
                Err(Error::Failed { said, .. })
                    if said.contains("Address already in use") && tries < PORTS => {}
                started => return started,
            }
        }
    }

    /// Starts the server, and waits until it takes connections.
    fn run(&mut self) -> Result<(), Error> {
        let log = self.scratch.join("server.log");
        let logged = std::fs::metadata(&log).map_or(0, |file| file.len());
        let mut arguments = vec![OsString::from("-D"), self.data_dir().into()];
        arguments.extend(["-p".into(), self.port.to_string().into()]);
        arguments.extend(["-k".into(), self.socket_dir().into()]);
        let parameters = self.settings.parameters();
        arguments.extend(parameters.flat_map(|parameter| ["-c".into(), parameter.into()]));
        let mut process = Process::launch(&Launch {
            arguments: self.account.command(&self.program("postgres"), arguments),
            environment: Vec::new(),
            dir: self.scratch.path().to_owned(),
            log,
            last_signal: Signal::Quit,
        })?;
        until("PostgreSQL taking connections", PATIENCE, || {
            if let Some(status) = process.ended()? {
                let start = usize::try_from(logged).unwrap_or_default();
                let said = self.log().get(start..).unwrap_or_default().to_owned();
                return Err(Error::Failed { what: format!("postgres ({status})"), said });
            }
            Ok(self.takes_connections(process.pid()).then_some(()))
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Whether the process says so in its file, as `pg_ctl` reads it: its id in the first line, its
    /// state in the eighth. (A server that was killed leaves the file behind.)
    fn takes_connections(&self, pid: u32) -> bool {
        let file = std::fs::read_to_string(self.data_dir().join("postmaster.pid"));
        let file = file.unwrap_or_default();
        let mut lines = file.lines();
        let is_ours = lines.next().is_some_and(|line| line.trim() == pid.to_string());
        let state = lines.nth(6).map(str::trim);
        is_ours && (state == Some("ready") || state == Some("standby"))
    }

    /// Runs a program of the installation as the server's user.
    fn run_to_its_end(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<(), Error> {
        let words = self.account.command(&self.program(name), arguments);
        let mut command = Command::new(&words[0]);
        let output = command.args(&words[1..]).current_dir(self.scratch.path()).output();
        let output = output.map_err(Error::io(format!("cannot run {name}")))?;
        succeeded(name, &output).map(|_| ())
    }
}

/// Writes a file that only its owner may read: the server takes no other.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Runs SQL with `psql`, and answers its output.
fn psql(installation: &Installation, url: &str, sql: &str) -> Result<String, Error> {
    let mut command = Command::new(installation.program("psql"));
    command.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-", url]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut psql = command.spawn().map_err(Error::io("cannot run psql"))?;
    let mut stdin = psql.stdin.take().expect("it is piped");
    // A server that is gone closes the pipe; what psql says about it is the better error.
    let _ = stdin.write_all(sql.as_bytes());
    drop(stdin);
    let output = psql.wait_with_output().map_err(Error::io("cannot run psql"))?;
    Ok(succeeded("psql", &output)?.trim_end().to_owned())
}
