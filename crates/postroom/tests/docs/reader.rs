//! Somebody who does what a page says, in a directory of their own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use postroom_testbed::{Postgres, port};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::page::{Block, Kind, Page};
use crate::support::{DEADLINE, Home, http};

/// The addresses that pages use; each reader has free ones in their place.
const PORTS: [&str; 3] = ["8321", "8331", "8332"];

/// How pages call the database.
const POSTGRES: &str = "postgres://postgres@127.0.0.1/postgres";

/// How long a block may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A reader, and what they have started.
pub struct Reader {
    home: Home,
    ports: [u16; 3],
    servers: Vec<Child>,
}

impl Reader {
    pub fn new() -> Self {
        let ports = PORTS.map(|_| port::free().unwrap());
        Self { home: Home::new(), ports, servers: Vec::new() }
    }

    /// Does all that the page says, in its order.
    pub async fn follow(mut self, page: &Page) {
        let mut done = 0;
        for block in &page.blocks {
            let place = format!("{}:{}", page.path, block.line);
            match &block.kind {
                Kind::Tested => self.run(block, &place).await,
                Kind::Server => self.serve(&block.text, &place).await,
                Kind::Stop => self.end("-TERM").await,
                Kind::Kill => self.end("-KILL").await,
                Kind::File(name) => {
                    std::fs::write(self.home.path(name), self.adapted(&block.text)).unwrap();
                }
                _ => continue,
            }
            done += 1;
        }
        assert!(done > 0, "{}: there is nothing to follow", page.path);
        self.end("-TERM").await;
    }

    /// The text with addresses that are free here.
    fn adapted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, port) in PORTS.iter().zip(self.ports) {
            for host in ["127.0.0.1", "localhost"] {
                text = text.replace(&format!("{host}:{name}"), &format!("127.0.0.1:{port}"));
            }
        }
        if text.contains(POSTGRES) {
            text = text.replace(POSTGRES, &Postgres::shared().url());
        }
        text
    }

    fn shell(&self, script: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_postroom")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let address = format!("127.0.0.1:{}", self.ports[0]);
        let mut command = Command::new("bash");
        command.args(["-eu", "-c", script]).current_dir(self.home.path(""));
        command.env_clear().env("PATH", format!("{}:{path}", binary.display()));
        command.env("HOME", self.home.path("")).env("LANG", "C.UTF-8");
        // What a newcomer has by default, at an address that is free.
        command.env("POSTROOM_URL", format!("http://{address}"));
        command.env("POSTROOM_SERVER__LISTEN", address);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn run(&self, block: &Block, place: &str) {
        let script = self.adapted(&block.text);
        // Standard error stands where it came between the output.
        let mut command = self.shell(&format!("exec 2>&1\n{script}"));
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("{place} does not end:\n{script}")).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let log = self.home.log();
        assert!(output.status.success(), "{place} fails:\n{said}\n{script}\n{log}");
        let mut lines = said.lines();
        for claim in script.lines().filter_map(|line| line.trim().strip_prefix("#> ")) {
            let claim = claim.trim();
            assert!(
                lines.any(|line| claim.split('|').any(|one| fits(one, line))),
                "{place} does not print `{claim}`, or not there:\n{said}"
            );
        }
    }

    async fn serve(&mut self, command: &str, place: &str) {
        let command = self.adapted(command);
        let log =
            std::fs::File::options().create(true).append(true).open(self.home.path("server.log"));
        let log = log.unwrap();
        let mut shell = self.shell(&format!("exec {}", command.trim()));
        shell.stdout(log.try_clone().unwrap()).stderr(log);
        self.servers.push(shell.spawn().unwrap());
        let listen =
            command.split_once("--listen ").map(|(_, rest)| rest.split(' ').next().unwrap());
        let address = listen.map_or_else(|| format!("127.0.0.1:{}", self.ports[0]), str::to_owned);
        let (http, url) = (http(), format!("http://{address}/health/ready"));
        let ready = async {
            while !http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let is_ready = timeout(DEADLINE, ready).await.is_ok();
        assert!(is_ready, "{place}: the server is not ready:\n{}", self.home.log());
    }

    /// Ends all servers with a signal.
    async fn end(&mut self, signal: &str) {
        for mut server in self.servers.drain(..) {
            let Some(pid) = server.id() else { continue };
            Command::new("kill").args([signal, &pid.to_string()]).status().await.unwrap();
            timeout(DEADLINE, server.wait()).await.expect("the server does not end").unwrap();
        }
    }
}

/// Whether the line is what is claimed; `…` is any text.
fn fits(claim: &str, line: &str) -> bool {
    let pieces: Vec<&str> = claim.split('…').collect();
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return false };
    let line = line.trim_end();
    if pieces.len() == 1 {
        return line == *first;
    }
    if !line.starts_with(first) || !line.ends_with(last) || line.len() < first.len() + last.len() {
        return false;
    }
    let mut rest = &line[first.len()..line.len() - last.len()];
    pieces[1..pieces.len() - 1].iter().all(|piece| match rest.split_once(piece) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[test]
fn a_claim_has_gaps() {
    assert!(fits("a … c", "a b c") && fits("…c", "abc") && fits("abc", "abc "));
    assert!(!fits("a … c", "a b d") && !fits("abc", "abcd") && !fits("ab…ba", "aba"));
    assert!(fits("…x…y…", "1x2y3") && !fits("…x…y…", "1y2x3"));
}
