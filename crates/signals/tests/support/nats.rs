//! A NATS of a test's own.

use std::process::Command;
use std::sync::{Arc, Mutex};

use postroom_signals::nats::{Nats, Options};
use postroom_testbed::{Process, Program, Scratch, port};

use super::{OnRuntime, ids};

pub struct Server(Mutex<postroom_testbed::Nats>);

impl Server {
    pub fn start() -> Self {
        Self(Mutex::new(postroom_testbed::Nats::start().expect("NATS starts")))
    }

    pub fn url(&self) -> String {
        self.0.lock().expect("no test panicked").url()
    }

    pub fn options(&self) -> Options {
        options(&self.url())
    }

    /// One more node, connected.
    pub async fn connect(&self) -> Nats {
        let nats = Nats::connect(self.options()).await.expect("an address");
        let ready = |state: &_| matches!(state, postroom_signals::nats::State::Ready { .. });
        nats.state().wait_for(ready).await.expect("it gets ready");
        nats
    }

    pub fn kill(&self) {
        self.0.lock().expect("no test panicked").kill().expect("it can be killed");
    }

    pub fn start_again(&self) {
        self.0.lock().expect("no test panicked").start_again().expect("it starts again");
    }

    /// Removes what it has stored; it must be down.
    pub fn wipe(&self) {
        self.0.lock().expect("no test panicked").wipe().expect("it can be wiped");
    }

    /// Kills it, removes what it has stored, and starts it again.
    pub fn lose_everything(&self) {
        self.kill();
        self.wipe();
        self.start_again();
    }
}

pub fn options(url: &str) -> Options {
    Options {
        url: url.to_owned(),
        tls: None,
        // A name that is no word of a subject.
        installation: "the house. *".to_owned(),
        ids: ids(),
        spawner: Arc::new(OnRuntime),
    }
}

/// A server without JetStream.
pub struct Plain {
    _process: Process,
    _scratch: Scratch,
    pub url: String,
}

impl Plain {
    pub fn start() -> Self {
        let scratch = Scratch::new("postroom-nats-").expect("a directory");
        let port = port::free().expect("a port").to_string();
        let program = Program { name: "nats-server", package: "nats-server" };
        let mut command = Command::new(program.find().expect("it is installed"));
        command.args(["-a", "127.0.0.1", "-p", &port]);
        let process = Process::start(&command, &scratch.join("log")).expect("it starts");
        Self { _process: process, _scratch: scratch, url: format!("nats://127.0.0.1:{port}") }
    }
}
