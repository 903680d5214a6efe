//! Faults of the address, the running server, and the clock that all see.

use std::net::TcpListener;
use std::path::PathBuf;

use tokio::process::Command;

use super::{broken, doctor, finds, is_well};
use crate::support::{Home, finish};

/// Puts the command's clock wrong.
pub fn two_hours_late(command: &mut Command) {
    let libraries = std::fs::read_dir("/usr/lib").unwrap();
    let mut places =
        libraries.map(|entry| entry.unwrap().path().join("faketime/libfaketimeMT.so.1"));
    let library: PathBuf = places.find(|path| path.exists()).expect("install libfaketime");
    command.env("LD_PRELOAD", library).env("FAKETIME", "-2h");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
}

#[tokio::test]
async fn an_address_that_another_program_has() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("server.listen={}", other.local_addr().unwrap());
    let said = finish(doctor(&Home::new(), &["--set", &listen])).await;
    finds(&said, &broken("address", "is taken", "change server.listen"));
}

#[tokio::test]
async fn an_open_address_without_keys() {
    let said = finish(doctor(&Home::new(), &["--set", "server.listen=0.0.0.0:0"])).await;
    finds(&said, &broken("address", "can be reached from other machines", "change server.listen"));
}

#[tokio::test]
async fn a_server_that_runs_and_one_that_drains() {
    let home = Home::new();
    let server = home.serve(&[]).await;
    let listen = format!("server.listen={}", server.url.trim_start_matches("http://"));
    let said = finish(doctor(&home, &["--set", &listen])).await;
    is_well(&said);
    assert!(
        said.stdout.contains("runs at 127.0.0.1:") && said.stdout.contains("and is ready"),
        "{said:?}"
    );
    home.client(&server, &["health"]).await.ok();

    let run = server.submit("t", "slow 60").await;
    server.until(&format!("/v1/runs/{run}"), |run| run["status"] == "running").await;
    server.signal("TERM").await;
    server.until("/v1/system", |system| system["status"] == "draining").await;
    let said = finish(doctor(&home, &["--set", &listen])).await;
    finds(&said, &broken("address", "is not ready: the service is draining", "give it a moment"));
    let line = home.client(&server, &["health"]).await.failed(1);
    assert_eq!(line, "error: not ready: the service is draining");
}
