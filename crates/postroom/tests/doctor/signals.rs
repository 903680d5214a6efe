//! Faults of what nodes tell each other with.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use postroom_testbed::{Nats, Postgres, Process, Program, Scratch, port, until};

use super::{broken, doctor, finds};
use crate::support::{Home, Said, finish};

async fn look(nats: &str) -> Said {
    let home = Home::new();
    let nats = format!("signals.nats_url={nats}");
    finish(doctor(&home, &["--store", &Postgres::shared().url(), "--set", &nats])).await
}

#[tokio::test]
async fn nats_that_is_well() {
    let nats = Nats::start().unwrap();
    let said = look(&nats.url()).await;
    assert!(said.stdout.contains("with its stream and consumer"), "{said:?}");
}

#[tokio::test]
async fn nats_that_is_not_there() {
    let said = look(&format!("nats://127.0.0.1:{}", port::free().unwrap())).await;
    finds(&said, &broken("signals", "there is no connection", "start nats-server"));
}

#[tokio::test]
async fn nats_without_jetstream() {
    let scratch = Scratch::new("postroom-nats-plain-").unwrap();
    let port = port::free().unwrap();
    let program = Program { name: "nats-server", package: "nats-server" };
    let mut command = Command::new(program.find().unwrap());
    command.args(["-a", "127.0.0.1", "-p", &port.to_string()]);
    let _nats = Process::start(&command, &scratch.join("server.log")).unwrap();
    until("NATS listening", Duration::from_secs(30), || {
        Ok(TcpStream::connect(("127.0.0.1", port)).ok())
    })
    .unwrap();
    let said = look(&format!("nats://127.0.0.1:{port}")).await;
    finds(&said, &broken("signals", "JetStream is off", "--jetstream"));
}
