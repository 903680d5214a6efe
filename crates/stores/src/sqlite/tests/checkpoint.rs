use super::*;

fn log_size(place: &Place) -> u64 {
    std::fs::metadata(place.0.join("mail.db-wal")).unwrap().len()
}

/// Writes so many MiB, and more for the indexes, one at a time.
async fn write(store: &SqliteStore, mebibytes: usize) {
    write_by(store, mebibytes, 1).await;
}

/// The same, so many in each transaction.
async fn write_by(store: &SqliteStore, mebibytes: usize, at_once: usize) {
    let text = "x".repeat(1 << 20 >> 5);
    for _ in 0..mebibytes / at_once {
        let names = 0..32 * at_once;
        let batch = names.map(|number| submit(&format!("t{number}"), &text)).collect();
        for outcome in store.apply(batch).await {
            outcome.unwrap();
        }
    }
}

#[tokio::test]
async fn the_log_begins_anew_while_much_is_written() {
    let place = Place::new();
    let store = place.open();
    write(&store, 200).await;
    assert!(log_size(&place) < 100 << 20, "{}", log_size(&place));
}

#[tokio::test]
async fn the_log_begins_anew_however_much_a_transaction_writes() {
    let place = Place::new();
    let store = place.open();
    write_by(&store, 400, 8).await;
    assert!(log_size(&place) < 200 << 20, "{}", log_size(&place));
}

#[tokio::test]
async fn a_reader_that_stays_keeps_the_log_and_hinders_nobody() {
    let place = Place::new();
    let store = place.open();
    write(&store, 1).await;
    let reader = open::reader(&place.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM messages").unwrap();
    write(&store, 200).await;
    assert!(log_size(&place) > 200 << 20);
    let count = "SELECT count(*) FROM messages";
    let seen = |connection: &Connection| -> i64 {
        connection.query_row(count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(seen(&reader), 32, "it reads what was there when it began");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(seen(&reader), 201 * 32);
    // What it kept is taken in now, beside what is written.
    for _ in 0..1_000 {
        write(&store, 1).await;
        if log_size(&place) < 100 << 20 {
            return;
        }
    }
    panic!("the log does not begin anew: {}", log_size(&place));
}
