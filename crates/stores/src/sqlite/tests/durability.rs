use super::*;

#[tokio::test]
async fn a_promise_waits_for_the_disk_and_a_claim_does_not() {
    let place = Place::new();
    let store = place.open();
    let promised = || store.readers.horizon().promised();
    apply(&store, submit("a", "hello")).await.unwrap();
    assert_eq!(promised(), 1);

    let claimed = store.claim_ready(claim_request(), 1).await.unwrap().claimed;
    assert_eq!(claimed.len(), 1);
    let claim = claimed[0].dispatch.claim().unwrap().clone();
    let renew = Command::ExtendLease { claim, lease: Duration::from_secs(1) };
    let renew = Envelope::new(thread_id("a"), renew);
    apply(&store, renew.clone()).await.unwrap();
    assert_eq!(promised(), 1);

    // One promise makes the whole batch one.
    let outcomes = store.apply(vec![renew, settle(&claimed[0])]).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(promised(), 2);
}

#[tokio::test]
async fn the_connection_is_set_up() {
    let place = Place::new();
    let store = place.open();
    let settings = inspect(&store, |connection| {
        let number = |name: &str| -> i64 {
            connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
        };
        let mode: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        (mode, number("synchronous"), number("foreign_keys"), number("mmap_size"))
    })
    .await;
    assert_eq!(settings, ("wal".to_owned(), 1, 0, 0));
}

#[tokio::test]
async fn a_read_sees_what_was_answered_before() {
    let place = Place::new();
    let store = place.open();
    for number in 0..200 {
        let text = format!("t{number}");
        apply(&store, submit(&text, "hello")).await.unwrap();
        assert!(store.thread(&thread_id(&text)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_database_opened_anew_has_its_log_taken_in() {
    let place = Place::new();
    let store = place.open();
    apply(&store, submit("t", "hello")).await.unwrap();
    let log = place.0.join("mail.db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 0);
    let database = File::options().read(true).write(true).open(place.path()).unwrap();
    drop(open::again(&place.path(), Arc::new(database)).unwrap());
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
    // And the writer, which did not know, goes on.
    apply(&store, submit("t", "again")).await.unwrap();
    assert_eq!(store.messages(&thread_id("t"), 0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_closed_database_needs_no_log_though_somebody_looks_at_it() {
    let place = Place::new();
    let store = place.open();
    apply(&store, submit("t", "hello")).await.unwrap();
    let somebody = open::reader(&place.path()).unwrap();
    let count = |connection: &Connection| -> i64 {
        connection.query_row("SELECT count(*) FROM messages", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&somebody), 1);
    drop(store);
    assert_eq!(std::fs::metadata(place.0.join("mail.db-wal")).unwrap().len(), 0);
    assert_eq!(count(&somebody), 1);
}

#[tokio::test]
async fn a_store_that_lost_its_connection_opens_it_anew() {
    let place = Place::new();
    let store = place.open();
    apply(&store, submit("t", "hello")).await.unwrap();
    inspect(&store, |connection| {
        let trap = "CREATE TEMP TRIGGER trap BEFORE INSERT ON messages WHEN new.text = 'boom' \
                    BEGIN SELECT raise(ABORT, 'trapped'); END";
        connection.execute_batch(trap).unwrap();
    })
    .await;
    assert!(apply(&store, submit("t", "boom")).await.is_err());
    store.writer.break_connection();
    // The trap was the old connection's.
    apply(&store, submit("t", "boom")).await.unwrap();
    assert_eq!(store.messages(&thread_id("t"), 0, 10).await.unwrap().len(), 2);
}
