//! A NATS server with JetStream.

use std::ffi::OsString;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::process::Process;
use crate::{Certificate, Error, Program, Scratch, port, until};

const NATS_SERVER: Program = Program { name: "nats-server", package: "nats-server" };

/// How long it may take to listen, on a busy machine.
const START: Duration = Duration::from_secs(30);

/// How often another port is tried, if somebody takes the one that was free.
const PORTS: usize = 5;

/// A throwaway NATS server, with JetStream in a directory of its own.
#[derive(Debug)]
pub struct Nats {
    // Dropped in this order: the server first, then what it writes to.
    process: Option<Process>,
    port: u16,
    /// Beside what every server is started with.
    arguments: Vec<OsString>,
    scratch: Scratch,
}

impl Nats {
    /// Starts one on a free port.
    pub fn start() -> Result<Self, Error> {
        Self::begin(Vec::new(), Scratch::new("postroom-nats-")?)
    }

    /// Starts one that takes encrypted connections only.
    pub fn with_tls(certificate: &Certificate) -> Result<Self, Error> {
        let scratch = Scratch::new("postroom-nats-")?;
        let mut arguments = vec![OsString::from("--tls")];
        let Certificate { certificate, key } = certificate;
        for (option, name, text) in
            [("--tlscert", "server.crt", certificate), ("--tlskey", "server.key", key)]
        {
            let path = scratch.join(name);
            std::fs::write(&path, text).map_err(Error::io("cannot write a certificate"))?;
            arguments.extend([option.into(), path.into()]);
        }
        Self::begin(arguments, scratch)
    }

    fn begin(arguments: Vec<OsString>, scratch: Scratch) -> Result<Self, Error> {
        let mut nats = Self { process: None, port: 0, arguments, scratch };
        let mut tries = 0;
        loop {
            nats.port = port::free()?;
            tries += 1;
            match nats.run() {
                Err(Error::Failed { .. }) if tries < PORTS => {}
                started => return started.map(|()| nats),
            }
        }
    }

    /// Its address, for a client.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port of 127.0.0.1 that it keeps, also while it is down.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as `kill -9` does; its storage stays.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Ends it in good order; its storage stays.
    pub fn stop(&mut self) -> Result<(), Error> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal(crate::Signal::Term)?;
        process.wait(START).map(|_| ())
    }

    /// Whether it was started and not ended since.
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Removes all that it has stored. It must be down.
    pub fn wipe(&mut self) -> Result<(), Error> {
        if self.process.is_some() {
            let dir = self.scratch.path().to_owned();
            return Err(Error::WrongState { dir, state: "runs: stop it before wiping it" });
        }
        let storage = self.scratch.join("storage");
        std::fs::remove_dir_all(&storage).map_err(Error::io("cannot wipe the storage"))
    }

    /// Starts it again after [`Nats::kill`] or [`Nats::stop`], on the same port.
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.process.is_some() {
            let dir = self.scratch.path().to_owned();
            return Err(Error::WrongState { dir, state: "runs already" });
        }
        self.run()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.join("server.log")).unwrap_or_default()
    }

    fn run(&mut self) -> Result<(), Error> {
        let mut command = Command::new(NATS_SERVER.find()?);
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-js", "-sd"]);
        command.arg(self.scratch.join("storage")).args(&self.arguments);
        command.current_dir(self.scratch.path());
        let mut process = Process::start(&command, &self.scratch.join("server.log"))?;
        until("NATS listening", START, || {
            if let Some(status) = process.ended()? {
                let what = format!("nats-server ({status})");
                return Err(Error::Failed { what, said: self.log() });
            }
            Ok(TcpStream::connect(("127.0.0.1", self.port)).ok())
        })?;
        self.process = Some(process);
        Ok(())
    }
}
