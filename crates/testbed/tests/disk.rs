//! A disk that is full, and has room again.

use postroom_testbed::{Disk, Postgres, Scratch, Settings};

#[test]
fn a_full_disk_takes_nothing_until_there_is_room() {
    let scratch = Scratch::new("postroom-test-").unwrap();
    // Who may not mount can't have one; that is what the error says.
    let disk = match Disk::mount(&scratch, 1) {
        Ok(disk) => disk,
        Err(error) => return println!("not checked: {error}"),
    };
    let file = disk.path().join("file");
    std::fs::write(&file, "some").unwrap();
    disk.fill().unwrap();
    assert!(std::fs::write(&file, vec![0; 100_000]).is_err());
    disk.empty().unwrap();
    disk.empty().unwrap();
    std::fs::write(&file, vec![0; 100_000]).unwrap();
    let path = disk.path().to_owned();
    drop(disk);
    assert!(!path.join("file").exists());
}

#[test]
fn a_server_whose_disk_was_full_goes_on() {
    let settings = Settings::durable().with_disk(256).with("max_wal_size", "64MB");
    let mut postgres = match Postgres::with(settings) {
        Ok(postgres) => postgres,
        Err(error) => return println!("not checked: {error}"),
    };
    postgres.sql("postgres", "create table kept (t text)").unwrap();
    postgres.disk().unwrap().fill().unwrap();
    let much = "insert into kept select repeat('x', 1000) from generate_series(1, 30000)";
    postgres.sql("postgres", much).unwrap_err();
    postgres.disk().unwrap().empty().unwrap();
    if postgres.ended().unwrap() {
        postgres.start_again().unwrap();
    }
    let insert = "insert into kept values ('y'); select count(*) from kept";
    let answer = postgres.sql("postgres", insert);
    // It may be recovering from its own panic just now.
    let answer = answer.or_else(|_| {
        postgres.restarted()?;
        postgres.sql("postgres", insert)
    });
    assert_eq!(answer.unwrap(), "1");
}
