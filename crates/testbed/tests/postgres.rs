//! Throwaway PostgreSQL servers.

use std::path::Path;

use postroom_testbed::{Postgres, Settings, Shutdown};

const DATABASE: &str = "postgres";

fn with_a_row() -> Postgres {
    let postgres = Postgres::with(Settings::durable()).unwrap();
    postgres.sql(DATABASE, "create table kept (n int); insert into kept values (7)").unwrap();
    postgres
}

fn row(postgres: &Postgres) -> String {
    postgres.sql(DATABASE, "select n from kept").unwrap()
}

#[test]
fn it_answers_and_leaves_nothing_behind() {
    let postgres = Postgres::start().unwrap();
    let (dir, pid) = (postgres.socket_dir(), postgres.pid().unwrap());
    assert_eq!(postgres.sql(DATABASE, "select 6 * 7").unwrap(), "42");
    assert_eq!(postgres.sql(DATABASE, "show fsync").unwrap(), "off");
    drop(postgres);
    assert!(!dir.exists());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn settings_are_the_callers() {
    let settings = Settings::durable().with("max_connections", "23");
    let postgres = Postgres::with(settings).unwrap();
    assert_eq!(postgres.sql(DATABASE, "show max_connections").unwrap(), "23");
    assert_eq!(postgres.sql(DATABASE, "show fsync").unwrap(), "on");
}

#[test]
fn what_was_committed_survives_every_end() {
    let mut postgres = with_a_row();
    let url = postgres.url();
    postgres.stop(Shutdown::Fast).unwrap();
    assert!(postgres.sql(DATABASE, "select 1").is_err());
    postgres.start_again().unwrap();
    assert_eq!(row(&postgres), "7");
    postgres.stop(Shutdown::Immediate).unwrap();
    postgres.start_again().unwrap();
    assert_eq!(row(&postgres), "7");
    postgres.kill().unwrap();
    postgres.start_again().unwrap();
    assert_eq!(row(&postgres), "7");
    assert_eq!(postgres.url(), url);
}

#[test]
fn starting_twice_is_refused() {
    let mut postgres = Postgres::start().unwrap();
    let error = postgres.start_again().unwrap_err();
    assert!(error.to_string().contains("runs already"), "{error}");
}

#[test]
fn a_standby_takes_over_with_everything() {
    let mut primary = with_a_row();
    let standby = primary.standby().unwrap();
    primary.sql(DATABASE, "update kept set n = 8").unwrap();
    primary.kill().unwrap();
    standby.promote().unwrap();
    assert_eq!(row(&standby), "8");
    standby.sql(DATABASE, "update kept set n = 9").unwrap();
    // The new primary can have a standby, too.
    let next = standby.standby().unwrap();
    standby.sql(DATABASE, "update kept set n = 10").unwrap();
    drop(standby);
    next.promote().unwrap();
    assert_eq!(row(&next), "10");
}

#[test]
fn all_tests_of_a_process_share_one() {
    let other = std::thread::Builder::new().spawn(|| Postgres::shared().url()).unwrap();
    assert_eq!(other.join().unwrap(), Postgres::shared().url());
    // The thread that asked first is gone, and the server is not.
    assert_eq!(Postgres::shared().sql(DATABASE, "select 1").unwrap(), "1");
}

#[test]
fn wrong_sql_says_what_is_wrong() {
    let error = Postgres::shared().sql(DATABASE, "selekt").unwrap_err();
    assert!(error.to_string().contains("selekt"), "{error}");
}
