//! Throwaway NATS servers.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use postroom_testbed::Nats;

/// The first line that a server says.
fn greeting(nats: &Nats) -> String {
    let stream = TcpStream::connect(("127.0.0.1", nats.port())).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn it_listens_with_jetstream() {
    let nats = Nats::start().unwrap();
    let greeting = greeting(&nats);
    assert!(greeting.starts_with("INFO ") && greeting.contains("\"jetstream\":true"), "{greeting}");
}

#[test]
fn it_comes_back_on_its_port_however_it_ended() {
    let mut nats = Nats::start().unwrap();
    let url = nats.url();
    assert!(nats.start_again().is_err());
    assert!(nats.wipe().is_err());
    nats.kill().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", nats.port())).is_err());
    nats.wipe().unwrap();
    nats.start_again().unwrap();
    nats.stop().unwrap();
    nats.start_again().unwrap();
    assert_eq!(nats.url(), url);
    assert!(greeting(&nats).starts_with("INFO "));
}
