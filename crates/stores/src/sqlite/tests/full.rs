use super::*;

async fn limit_pages(store: &SqliteStore, more: i64) {
    inspect(store, move |connection| {
        let now: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit: i64 = connection
            .pragma_update_and_check(None, "max_page_count", now + more, |row| row.get(0))
            .unwrap();
        assert_eq!(limit, now + more);
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_refuses_and_works_again_once_there_is_room() {
    let place = Place::new();
    let store = place.open();
    let accepted = submitted(apply(&store, submit_and_claim("a", "small")).await.unwrap());
    limit_pages(&store, 2).await;

    let large = "x".repeat(100_000);
    let outcomes =
        store.apply(vec![submit("b", &large), submit("c", &large), submit("d", "small")]).await;
    for outcome in &outcomes[..2] {
        let Err(StoreError::Unavailable { reason }) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("make room"), "{reason}");
    }
    assert!(outcomes[2].is_ok(), "what has room is kept: {outcomes:?}");
    assert!(store.thread(&thread_id("b")).await.unwrap().is_none());

    limit_pages(&store, 1_000_000).await;
    let outcomes = store.apply(vec![submit("b", &large), submit("c", &large)]).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    apply(&store, settle(&accepted.claimed.unwrap())).await.unwrap();
    assert_eq!(store.depth().await.unwrap().counts, [3, 0, 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_commit_that_fails_writes_nothing_and_the_next_one_succeeds() {
    let place = Place::new();
    let store = place.open();
    // A foreign key that is only looked at when the transaction ends.
    inspect(&store, |connection| {
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        let trap = "CREATE TABLE owners (id TEXT PRIMARY KEY);
                    CREATE TABLE owned (id TEXT REFERENCES owners DEFERRABLE INITIALLY DEFERRED);
                    CREATE TEMP TRIGGER trap AFTER INSERT ON messages WHEN new.text = 'boom'
                    BEGIN INSERT INTO owned VALUES ('nobody'); END";
        connection.execute_batch(trap).unwrap();
    })
    .await;
    let outcomes = store.apply(vec![submit("a", "one"), submit("b", "boom")]).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert!(store.thread(&thread_id("a")).await.unwrap().is_none());
    apply(&store, submit("a", "two")).await.unwrap();
    assert_eq!(store.depth().await.unwrap().counts, [1, 0, 0, 0, 0, 0]);
}
