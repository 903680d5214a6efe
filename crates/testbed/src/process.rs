//! A process that ends when its owner does.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use crate::{Error, until};

/// See there.
const KEEPER: &str = include_str!("keeper.sh");

/// How long a process may take to end after it was told to.
const END: Duration = Duration::from_secs(30);

/// What a process can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End at once; it can't be refused.
    Kill,
    /// Please end.
    Term,
    /// The user's Ctrl-C.
    Int,
    /// For PostgreSQL: end without tidying up.
    Quit,
    /// Freeze.
    Stop,
    /// Thaw.
    Cont,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
        }
    }
}

/// What to run, and how it ends.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    pub dir: PathBuf,
    /// Where its output goes.
    pub log: PathBuf,
    /// What ends it when the owner is gone.
    pub last_signal: Signal,
}

/// A process that runs under a keeper: a shell that ends it as soon as this value, or the whole
/// owning process, is gone. (`PR_SET_PDEATHSIG` would end it with the *thread* that started it, and
/// each test has a thread of its own.)
#[derive(Debug)]
pub struct Process {
    keeper: Child,
    pid: u32,
    last_signal: Signal,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`, its output appended to the file `log`. Only its program, arguments, set
    /// variables and directory count.
    pub fn start(command: &Command, log: &Path) -> Result<Self, Error> {
        let dir = command.get_current_dir().map_or_else(std::env::temp_dir, Path::to_owned);
        let program = command.get_program().to_owned();
        let arguments = command.get_args().map(ToOwned::to_owned);
        let set = |(name, value): (&std::ffi::OsStr, Option<&std::ffi::OsStr>)| {
            Some((name.to_owned(), value?.to_owned()))
        };
        Self::launch(&Launch {
            arguments: std::iter::once(program).chain(arguments).collect(),
            environment: command.get_envs().filter_map(set).collect(),
            dir,
            log: log.to_owned(),
            last_signal: Signal::Kill,
        })
    }

    pub(crate) fn launch(launch: &Launch) -> Result<Self, Error> {
        let log = File::options().create(true).append(true).open(&launch.log);
        let log = log.map_err(Error::io(format!("cannot write {}", launch.log.display())))?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper", launch.last_signal.name()]).args(&launch.arguments);
        keeper.envs(launch.environment.iter().cloned()).current_dir(&launch.dir);
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // A group of its own: Ctrl-C at the terminal reaches the owner, and the keeper tidies up.
        keeper.process_group(0);
        let mut keeper = keeper.spawn().map_err(Error::io("cannot run sh"))?;
        let mut line = String::new();
        let stdout = keeper.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).map_err(Error::io("cannot read a keeper"))?;
        let pid = line.trim().parse().map_err(|_| Error::Failed {
            what: format!("starting {}", launch.arguments[0].display()),
            said: std::fs::read_to_string(&launch.log).unwrap_or_default(),
        })?;
        Ok(Self { keeper, pid, last_signal: launch.last_signal, ended: None })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        if self.ended.is_none() {
            self.ended = self.keeper.try_wait().map_err(Error::io("cannot wait for a keeper"))?;
        }
        Ok(self.ended)
    }

    /// Sends a signal; nothing happens if the process has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let pid = self.pid.to_string();
        let sent = Command::new("kill").args(["-s", signal.name(), &pid]).output();
        // Whoever ended between the look and the signal has no need of it.
        sent.map(|_| ()).map_err(Error::io("cannot run kill"))
    }

    /// Waits until it has ended.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus, Error> {
        until(format!("the end of process {}", self.pid), within, || self.ended())
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.signal(Signal::Kill)?;
        self.wait(END).map(|_| ())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A failure here has nobody to tell; the keeper would end it all the same.
        let _ = self.signal(self.last_signal);
        let _ = self.signal(Signal::Cont);
        let _ = self.wait(END);
    }
}

/// What a program has answered, if it has not failed.
pub(crate) fn succeeded(what: &str, output: &Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Failed { what: what.to_owned(), said })
}
