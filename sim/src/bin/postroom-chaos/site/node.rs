//! One node: the binary, started again and again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use postroom_core::sabotage::Fault;
use postroom_testbed::{Process, Proxy, Signal, port, until};

use super::settings::{KEY_VARIABLE, Numbers, Settings};
use super::{Binary, Blueprint};
use crate::plan::Peer;

/// Names the deliberate fault; only a binary with the feature `sabotage` knows it.
const SABOTAGE_VARIABLE: &str = "POSTROOM_SABOTAGE";

/// What a node says when it is ready to serve.
const READY: &str = " is ready: ";

/// A node, which may be down.
pub struct Node {
    number: usize,
    dir: PathBuf,
    binary: Binary,
    port: u16,
    model_port: u16,
    sabotage: Option<Fault>,
    clock: Option<Clock>,
    database: Option<Proxy>,
    nats: Option<Proxy>,
    starts: u32,
    process: Option<Process>,
    /// Whether it is meant to run.
    up: bool,
    /// What it should not have done.
    complaints: Vec<String>,
}

/// A clock that can be put wrong while the node runs: libfaketime reads it from a file.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Node {
    pub(super) fn new(
        number: usize,
        dir: PathBuf,
        blueprint: &Blueprint<'_>,
        database: Option<Proxy>,
        nats: Option<Proxy>,
    ) -> anyhow::Result<Self> {
        let clock = libfaketime().map(|library| Clock { library, file: dir.join("clock") });
        let node = Self {
            number,
            dir,
            binary: blueprint.binary.clone(),
            port: port::free()?,
            model_port: blueprint.model_port,
            sabotage: blueprint.sabotage,
            clock,
            database,
            nats,
            starts: 0,
            process: None,
            up: false,
            complaints: Vec::new(),
        };
        node.shift(0)?;
        Ok(node)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn proxy(&self, peer: Peer) -> Option<&Proxy> {
        match peer {
            Peer::Database => self.database.as_ref(),
            Peer::Nats => self.nats.as_ref(),
        }
    }

    pub fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    /// How often it was started.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// What it has done that no node should.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Starts it. Whether it comes to be ready is another matter.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.up = true;
        self.starts += 1;
        let writer = format!("node-{}.{}", self.number, self.starts);
        let settings = Settings {
            port: self.port,
            writer: &writer,
            database_port: self.database.as_ref().map(Proxy::port),
            nats_port: self.nats.as_ref().map(Proxy::port),
            model_port: self.model_port,
        };
        let file = self.dir.join("postroom.toml");
        std::fs::write(file, settings.toml(&Numbers::CHAOS)).context("no configuration")?;
        let mut command = Command::new(self.binary.path());
        command.arg("serve").current_dir(&self.dir);
        command.env(KEY_VARIABLE, "none").env("NO_COLOR", "1");
        if let Some(fault) = self.sabotage {
            command.env(SABOTAGE_VARIABLE, format!("{fault:?}"));
        }
        if let Some(clock) = &self.clock {
            command.env("LD_PRELOAD", &clock.library);
            command.env("FAKETIME_TIMESTAMP_FILE", &clock.file);
            // Only what people call the time: the monotonic clock of a machine does not jump.
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
            command.env("FAKETIME_CACHE_DURATION", "1");
        }
        self.process = Some(Process::start(&command, &self.log_file(self.starts))?);
        Ok(())
    }

    pub fn until_ready(&mut self, within: Duration) -> anyhow::Result<()> {
        let Some(process) = &mut self.process else { bail!("node {} is down", self.number) };
        let log = self.dir.join(log_name(self.starts));
        let ready = until(format!("node {} being ready", self.number), within, || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            Ok(match process.ended()? {
                _ if said.contains(READY) => Some(Ok(())),
                Some(status) => Some(Err(format!("it ended with {status}:\n{said}"))),
                None => None,
            })
        });
        ready?.map_err(anyhow::Error::msg)
    }

    /// If it has ended by itself, notes that and starts it again, as a supervisor would.
    pub fn tend(&mut self) -> anyhow::Result<()> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let Some(status) = process.ended()? else { return Ok(()) };
        self.process = None;
        if !self.up {
            return Ok(());
        }
        // A node that can't reach its database when it starts says so, and ends.
        if self.said(self.starts).contains(READY) {
            let starts = self.starts;
            let facts = format!("node {}.{starts} ended by itself with {status}", self.number);
            self.complaints.push(facts);
        }
        self.start()
    }

    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.up = false;
        match self.process.take() {
            Some(mut process) => Ok(process.kill()?),
            None => Ok(()),
        }
    }

    /// Starts it after an end that it may not have come to yet: whoever waits too long kills it.
    pub fn start_anew(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        self.start()
    }

    /// Sees to it that it runs, and waits until it is ready.
    pub fn settle_down(&mut self, within: Duration) -> anyhow::Result<()> {
        self.tend()?;
        if self.process.is_none() {
            self.start()?;
        }
        self.until_ready(within)
    }

    /// Asks it to end, and does not wait.
    pub fn drain(&mut self) -> anyhow::Result<()> {
        self.up = false;
        self.signal(Signal::Term)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self, within: Duration) -> anyhow::Result<()> {
        self.drain()?;
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let status = process.wait(within)?;
        if !status.success() {
            let facts = format!("node {} ended with {status} when it was asked to", self.number);
            self.complaints.push(facts);
        }
        Ok(())
    }

    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        match &mut self.process {
            Some(process) => Ok(process.signal(signal)?),
            None => Ok(()),
        }
    }

    /// Puts its clock wrong by so many hours.
    pub fn shift(&self, hours: i32) -> anyhow::Result<()> {
        let Some(clock) = &self.clock else { return Ok(()) };
        // Renamed into its place, so that it is never read half.
        let new = clock.file.with_extension("new");
        std::fs::write(&new, format!("{hours:+}h\n"))?;
        Ok(std::fs::rename(new, &clock.file)?)
    }

    /// Looks for panics in what it has logged.
    pub fn look_at_logs(&mut self) {
        for start in 1..=self.starts {
            let said = self.said(start);
            if let Some(line) = said.lines().find(|line| line.contains("panicked at")) {
                self.complaints.push(format!("node {}.{start}: {line}", self.number));
            }
        }
    }

    pub(super) fn keep_logs(&self, dir: &Path) -> anyhow::Result<()> {
        for start in 1..=self.starts {
            let kept = dir.join(format!("node-{}.{start}.log", self.number));
            std::fs::write(kept, self.said(start))?;
        }
        Ok(())
    }

    fn log_file(&self, start: u32) -> PathBuf {
        self.dir.join(log_name(start))
    }

    fn said(&self, start: u32) -> String {
        std::fs::read_to_string(self.log_file(start)).unwrap_or_default()
    }
}

fn log_name(start: u32) -> String {
    format!("{start}.log")
}

/// Where Debian's package `libfaketime` puts the variant for processes with threads.
fn libfaketime() -> Option<PathBuf> {
    let dirs = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let mut found = dirs.map(|dir| dir.path().join("faketime/libfaketimeMT.so.1"));
    found.find(|file| file.is_file())
}
