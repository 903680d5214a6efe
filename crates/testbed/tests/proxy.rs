//! The proxy fails as it is told to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread::Builder;
use std::time::Duration;

use postroom_testbed::{LostReply, Postgres, Proxy, Weather, until};

const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

/// A server that answers `name` and what it was told; answers its port.
fn echo(name: u8) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move |mut stream: TcpStream| {
        let mut byte = [0];
        while stream.read_exact(&mut byte).is_ok() && stream.write_all(&[name, byte[0]]).is_ok() {}
    };
    let accept = move || {
        for stream in listener.incoming() {
            Builder::new().spawn(move || serve(stream.unwrap())).unwrap();
        }
    };
    Builder::new().spawn(accept).unwrap();
    port
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn answer(stream: &mut TcpStream) -> Option<[u8; 2]> {
    let mut answer = [0; 2];
    stream.write_all(b"x").ok()?;
    stream.read_exact(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn fair_weather_passes_on_and_slow_weather_later() {
    let proxy = Proxy::to(echo(b'a')).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(answer(&mut stream), Some(*b"ax"));
    proxy.set(Weather::Slow(SHORT));
    stream.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(answer(&mut stream), None);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut late = [0; 2];
    stream.read_exact(&mut late).unwrap();
    assert_eq!(late, *b"ax");
}

#[test]
fn a_cut_ends_connections_and_lets_none_come_about() {
    let proxy = Proxy::to(echo(b'a')).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(answer(&mut stream), Some(*b"ax"));
    proxy.set(Weather::Cut);
    assert_eq!(answer(&mut stream), None);
    assert_eq!(answer(&mut connect(&proxy)), None);
    proxy.set(Weather::Fair);
    assert_eq!(answer(&mut connect(&proxy)), Some(*b"ax"));
}

#[test]
fn half_open_connections_say_nothing() {
    let proxy = Proxy::to(echo(b'a')).unwrap();
    let mut old = connect(&proxy);
    assert_eq!(answer(&mut old), Some(*b"ax"));
    proxy.set(Weather::HalfOpen);
    let mut new = connect(&proxy);
    for stream in [&mut old, &mut new] {
        stream.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(answer(stream), None);
    }
    proxy.set(Weather::Fair);
    // What was sent meanwhile arrives.
    for stream in [&mut old, &mut new] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut late = [0; 2];
        stream.read_exact(&mut late).unwrap();
        assert_eq!(late, *b"ax");
    }
}

#[test]
fn another_aim_moves_everybody() {
    let proxy = Proxy::to(echo(b'a')).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(answer(&mut stream), Some(*b"ax"));
    proxy.aim(echo(b'b'));
    assert_eq!(answer(&mut stream), None);
    assert_eq!(answer(&mut connect(&proxy)), Some(*b"bx"));
}

#[test]
fn no_connection_is_kept_after_its_end() {
    let proxy = Proxy::to(echo(b'a')).unwrap();
    let mut stream = connect(&proxy);
    assert_eq!(answer(&mut stream), Some(*b"ax"));
    assert_eq!(proxy.connections(), 1);
    drop(stream);
    let gone = || Ok((proxy.connections() == 0).then_some(()));
    until("the end of the connection", PATIENCE, gone).unwrap();
}

/// The client never hears of it, and the server has done it.
#[test]
fn an_answer_to_commit_is_lost() {
    let postgres = Postgres::shared();
    postgres.sql("postgres", "create table lost (n int)").unwrap();
    let proxy = Proxy::to(postgres.port()).unwrap();
    let insert = |n: u32| {
        let mut psql = Command::new(postgres.program("psql"));
        psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1"]);
        psql.arg(format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port()));
        for sql in ["BEGIN", &format!("insert into lost values ({n})"), "COMMIT"] {
            psql.args(["-c", sql]);
        }
        psql.output().unwrap().status.success()
    };
    assert!(insert(1));
    proxy.lose_next(LostReply::COMMIT);
    assert!(!insert(2));
    assert_eq!(proxy.replies_lost(), 1);
    assert!(insert(3));
    assert_eq!(postgres.sql("postgres", "select n from lost order by n").unwrap(), "1\n2\n3");
}
