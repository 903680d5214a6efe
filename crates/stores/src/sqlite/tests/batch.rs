use super::*;

/// Makes every message with this text fail in the database itself.
async fn lay_a_trap(store: &SqliteStore) {
    inspect(store, |connection| {
        let trap = "CREATE TEMP TRIGGER trap BEFORE INSERT ON messages WHEN new.text = 'boom' \
                    BEGIN SELECT raise(ABORT, 'trapped'); END";
        connection.execute_batch(trap).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_command_that_breaks_the_transaction_fails_alone() {
    let place = Place::new();
    let store = place.open();
    lay_a_trap(&store).await;
    let commands = vec![submit("a", "one"), submit("b", "boom"), submit("c", "two")];
    let outcomes = store.apply(commands).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    assert!(outcomes[1].is_err(), "{outcomes:?}");
    assert!(store.thread(&thread_id("b")).await.unwrap().is_none());
    for id in ["a", "c"] {
        assert_eq!(store.messages(&thread_id(id), 0, 10).await.unwrap().len(), 1);
        assert_eq!(store.events(&thread_id(id), 0, 1).await.unwrap()[0].seq, 1);
    }
    assert_eq!(store.depth().await.unwrap().counts, [2, 0, 0, 0, 0, 0]);
    // And the writer goes on.
    apply(&store, submit("b", "three")).await.unwrap();
}

#[tokio::test]
async fn a_refusal_writes_nothing_and_disturbs_nobody() {
    let place = Place::new();
    let store = place.open();
    let unknown = Envelope::new(thread_id("nobody"), Command::Interrupt);
    let nothing = Submit::new(Mode::Enqueue, Vec::new());
    let nothing = Envelope::new(thread_id("b"), Command::Submit(Box::new(nothing)));
    let outcomes =
        store.apply(vec![submit("a", "one"), unknown, nothing, submit("a", "two")]).await;
    assert!(outcomes[0].is_ok() && outcomes[3].is_ok(), "{outcomes:?}");
    for refused in &outcomes[1..3] {
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{outcomes:?}");
    }
    assert!(store.thread(&thread_id("nobody")).await.unwrap().is_none());
    assert!(store.thread(&thread_id("b")).await.unwrap().is_none());
    assert_eq!(store.depth().await.unwrap().counts, [2, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn what_the_schema_forbids_is_not_written() {
    let place = Place::new();
    let store = place.open();
    apply(&store, submit_and_claim("a", "one")).await.unwrap();
    apply(&store, submit("a", "two")).await.unwrap();
    let second_claim = inspect(&store, |connection| {
        connection.execute(
            "UPDATE dispatches SET status = 'claimed', due = NULL, claim_number = 9, \
             claimed_by = 'x', lease_until = 1 WHERE status = 'queued'",
            [],
        )
    })
    .await;
    assert!(second_claim.unwrap_err().to_string().contains("UNIQUE"));
    let no_owner = inspect(&store, |connection| {
        connection.execute("UPDATE dispatches SET claimed_by = NULL WHERE status = 'claimed'", [])
    })
    .await;
    assert!(no_owner.unwrap_err().to_string().contains("CHECK"));
}

#[tokio::test]
async fn callers_that_come_together_share_transactions() {
    let place = Place::new();
    let store = Arc::new(place.open());
    let before = frames(&store).await;
    apply(&store, submit("first", "hello")).await.unwrap();
    let alone = frames(&store).await - before;
    let many = (0..100).map(|number| {
        let store = store.clone();
        async move { apply(&store, submit(&format!("t{number}"), "hello")).await.unwrap() }
    });
    let joined: Vec<_> = many.collect();
    let before = frames(&store).await;
    let mut set = tokio::task::JoinSet::new();
    for one in joined {
        set.spawn(one);
    }
    while let Some(done) = set.join_next().await {
        done.unwrap();
    }
    let together = frames(&store).await - before;
    assert!(together < alone * 100 / 4, "{together} pages together, {alone} pages alone");
}

/// How many pages were written to the log so far.
async fn frames(store: &SqliteStore) -> i64 {
    inspect(store, |connection| {
        connection.query_row("PRAGMA wal_checkpoint(passive)", [], |row| row.get(1)).unwrap()
    })
    .await
}

#[tokio::test]
async fn the_life_of_a_run_is_kept_in_every_column() {
    let place = Place::new();
    let store = place.open();
    let first = submitted(apply(&store, submit_and_claim("a", "one")).await.unwrap());
    let delivered = first.claimed.unwrap();
    let dispatch = store.dispatch(delivered.dispatch.id).await.unwrap().unwrap();
    assert_eq!(dispatch, *delivered.dispatch);
    let settled = match apply(&store, settle(&delivered)).await.unwrap().reply {
        Reply::Settled(settled) => settled,
        other => panic!("{other:?}"),
    };
    assert_eq!(store.dispatch(dispatch.id).await.unwrap().as_ref(), Some(&*settled.dispatch));
    assert_eq!(store.run(&settled.run.id).await.unwrap().as_ref(), Some(&*settled.run));
    assert_eq!(store.depth().await.unwrap().counts, [0, 0, 1, 0, 0, 0]);
}
