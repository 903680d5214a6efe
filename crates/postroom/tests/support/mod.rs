//! Runs the built binary as its users do: in a directory of its own, and from outside.

#![allow(dead_code, reason = "every test binary uses its own part of this")]

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// How long anything may take on a busy machine before the test fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A directory with a configuration and a database.
pub struct Home {
    dir: TempDir,
}

/// What a command has come to.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The failure's message: one line, not a backtrace.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        let last = self.stderr.lines().last().unwrap_or_default().to_owned();
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        last
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Home {
    pub fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    /// With this `postroom.toml`.
    pub fn with_config(text: &str) -> Self {
        let home = Self::new();
        std::fs::write(home.path("postroom.toml"), text).unwrap();
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The binary with these arguments, in an environment without keys and settings.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postroom"));
        command.args(args).current_dir(self.dir.path()).env_clear().kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub async fn run(&self, args: &[&str]) -> Said {
        finish(self.command(args)).await
    }

    /// Starts a server on a free port.
    pub async fn serve(&self, args: &[&str]) -> Server {
        self.serve_at("127.0.0.1:0", args).await
    }

    /// Starts a server, and waits until it is ready.
    pub async fn serve_at(&self, listen: &str, args: &[&str]) -> Server {
        let mut command = self.command(&["serve", "--listen", listen]);
        command.args(args);
        self.start(command).await
    }

    /// Starts a server with a command of one's own, and waits until it is ready.
    pub async fn start(&self, mut command: Command) -> Server {
        let log = std::fs::File::options().create(true).append(true).open(self.path("server.log"));
        let mut child = command.stderr(log.unwrap()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, url)) = line.split_once(" is ready: ") {
                    return url.to_owned();
                }
            }
            panic!("the server ended before it was ready:\n{}", self.log());
        };
        let url = timeout(DEADLINE, ready).await.unwrap_or_else(|_| {
            panic!("the server was not ready in time:\n{}", self.log());
        });
        Server { child, http: http(), url }
    }

    /// What all servers of this directory have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }

    /// Runs a client's command against `server`.
    pub async fn client(&self, server: &Server, args: &[&str]) -> Said {
        finish(self.client_command(server, args)).await
    }

    pub fn client_command(&self, server: &Server, args: &[&str]) -> Command {
        let mut command = self.command(args);
        command.env("POSTROOM_URL", &server.url);
        command
    }
}

/// Runs a command to its end.
pub async fn finish(mut command: Command) -> Said {
    let child = command.spawn().unwrap();
    timeout(DEADLINE, child.wait_with_output()).await.expect("the command hangs").unwrap().into()
}

/// Runs a command to its end, this on its standard input.
pub async fn finish_with_input(mut command: Command, input: &str) -> Said {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    timeout(DEADLINE, child.wait_with_output()).await.expect("the command hangs").unwrap().into()
}

/// An HTTP client that does not look for the system's certificates, which takes longer than a test.
pub fn http() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .connect_timeout(DEADLINE)
        .build()
        .unwrap()
}

/// A server that runs.
pub struct Server {
    child: Child,
    http: reqwest::Client,
    pub url: String,
}

impl Server {
    /// Sends a signal by its name.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it has ended already").to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it has ended already")
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Its exit status, once it has ended.
    pub async fn exit(&mut self) -> Option<i32> {
        timeout(DEADLINE, self.child.wait()).await.expect("the server does not end").unwrap().code()
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Reads `path` again and again until it is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let seen = self.get(path).await;
            if wanted(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "{path} is still {seen:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends JSON; answers what came back, which must be a success.
    #[track_caller]
    pub fn post<'s>(&'s self, path: &'s str, body: &'s Value) -> impl Future<Output = Value> + 's {
        let caller = std::panic::Location::caller();
        async move {
            let request = self.http.post(format!("{}{path}", self.url));
            let request = request.header("content-type", "application/json").body(body.to_string());
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_success(), "{caller}: {path}: {status}: {text}");
            serde_json::from_str(&text).unwrap_or_default()
        }
    }

    /// Submits a text; answers the run's id.
    pub async fn submit(&self, thread: &str, text: &str) -> String {
        let answer = self
            .http
            .post(format!("{}/v1/threads/{thread}/runs", self.url))
            .header("content-type", "application/json")
            .body(serde_json::json!({"messages": text}).to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 202);
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        answer["run_id"].as_str().unwrap().to_owned()
    }
}
