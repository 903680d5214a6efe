use super::*;

#[test]
fn the_library_is_newer_than_the_one_that_damages_databases() {
    let connection = Connection::open_in_memory().unwrap();
    let version: String =
        connection.query_row("SELECT sqlite_version()", [], |row| row.get(0)).unwrap();
    assert_eq!(version, rusqlite::version());
    assert!(rusqlite::version_number() > 3_051_003, "{version}");
}

#[test]
fn a_second_opening_is_refused_and_says_what_to_do() {
    let place = Place::new();
    let _first = place.open();
    let error = place.refusal();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("stop that process"), "{error}");
}

#[test]
fn a_dropped_store_can_be_opened_again_at_once() {
    let place = Place::new();
    for _ in 0..3 {
        drop(place.open());
    }
    assert!(!place.0.join("mail.db-wal").exists(), "the log was not taken in");
}

#[tokio::test]
async fn a_closed_store_refuses_and_a_new_one_finds_all() {
    let place = Place::new();
    let store = place.open();
    let first = submitted(apply(&store, submit("t", "hello")).await.unwrap());
    let thread = store.thread(&thread_id("t")).await.unwrap().unwrap();
    let run = store.run(&first.run_id).await.unwrap().unwrap();
    let events = store.events(&thread.id, 0, 100).await.unwrap();
    store.close();
    let refused = apply(&store, submit("t", "late")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    let refused = store.thread(&thread_id("t")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
    drop(store);

    let store = place.open();
    assert_eq!(store.thread(&thread.id).await.unwrap(), Some(thread.clone()));
    assert_eq!(store.run(&run.id).await.unwrap(), Some(run));
    assert_eq!(store.events(&thread.id, 0, 100).await.unwrap(), events);
    assert_eq!(store.messages(&thread.id, 0, 10).await.unwrap().len(), 1);
    assert_eq!(store.depth().await.unwrap().counts, [1, 0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn what_a_killed_process_had_committed_is_there() {
    let (place, after) = (Place::new(), Place::new());
    let store = place.open();
    apply(&store, submit("t", "hello")).await.unwrap();
    // The files as they are while the process lives: the row is in the log alone.
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("mail.db{suffix}");
        std::fs::copy(place.0.join(&name), after.0.join(&name)).unwrap();
    }
    let copy = after.open();
    assert!(copy.thread(&thread_id("t")).await.unwrap().is_some());
}

#[test]
fn a_new_file_names_its_owner_before_it_has_a_log() {
    let place = Place::new();
    let store = place.open();
    let copy = Place::new();
    std::fs::copy(place.path(), copy.path()).unwrap();
    drop(copy.open());
    drop(store);
}

#[test]
fn an_empty_file_is_a_new_one() {
    let place = Place::new();
    std::fs::write(place.path(), b"").unwrap();
    drop(place.open());
}

#[test]
fn what_is_no_database_is_left_as_it_is() {
    let text = "not a database, but somebody's notes. ".repeat(10);
    for content in [text.as_str(), "short"] {
        let place = Place::new();
        std::fs::write(place.path(), content).unwrap();
        let error = place.refusal();
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(place.path()).unwrap(), content);
    }
}

#[test]
fn another_programs_database_is_left_as_it_is() {
    let place = Place::new();
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("CREATE TABLE notes (text); PRAGMA user_version = 1").unwrap();
    drop(other);
    let before = std::fs::read(place.path()).unwrap();
    let error = place.refusal();
    assert!(matches!(error, OpenError::Foreign { application_id: 0, .. }), "{error}");
    assert_eq!(std::fs::read(place.path()).unwrap(), before);
    assert!(!place.0.join("mail.db-wal").exists());
}

#[test]
fn a_database_that_only_says_it_is_ours_is_refused() {
    let place = Place::new();
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("CREATE TABLE notes (text)").unwrap();
    other.pragma_update(None, "application_id", migrate::APPLICATION_ID).unwrap();
    other.pragma_update(None, "user_version", migrate::NEWEST).unwrap();
    drop(other);
    let error = place.refusal();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
}

#[test]
fn a_newer_schema_is_refused() {
    let place = Place::new();
    drop(place.open());
    let newer = Connection::open(place.path()).unwrap();
    newer.pragma_update(None, "user_version", migrate::NEWEST + 1).unwrap();
    // Not taken into the file: it is in the log alone, as after a crash.
    let error = place.refusal();
    assert!(matches!(error, OpenError::Newer { found, .. } if found == migrate::NEWEST + 1));
    drop(newer);
    let error = place.refusal();
    assert!(matches!(error, OpenError::Newer { found, .. } if found == migrate::NEWEST + 1));
    assert!(error.to_string().contains("start that version"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let place = Place::new();
    let store = place.open();
    for number in 0..50 {
        apply(&store, submit(&format!("t{number}"), "hello")).await.unwrap();
    }
    drop(store);
    let whole = std::fs::read(place.path()).unwrap();

    // The kind of a page in the middle.
    let pages = whole.len() / 4096;
    flip(&place.path(), (pages / 2) * 4096);
    let error = place.refusal();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("restore it from a backup"), "{error}");

    // The second half is gone.
    std::fs::write(place.path(), &whole[..whole.len() / 2]).unwrap();
    let error = place.refusal();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");

    // Half of the header is gone.
    std::fs::write(place.path(), &whole[..50]).unwrap();
    let error = place.refusal();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
    assert_eq!(std::fs::read(place.path()).unwrap(), &whole[..50]);

    std::fs::write(place.path(), &whole).unwrap();
    drop(place.open());
}

#[test]
fn a_directory_that_is_not_there_is_said() {
    let place = Place::new();
    let mut options = place.options();
    options.path = place.0.join("missing").join("mail.db");
    let error = SqliteStore::open(options).err().unwrap();
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    assert!(error.to_string().contains("its directory exists"), "{error}");
}

#[tokio::test]
async fn a_row_that_is_not_readable_is_said_and_the_rest_goes_on() {
    let place = Place::new();
    let store = place.open();
    apply(&store, submit("good", "hello")).await.unwrap();
    apply(&store, submit("bad", "hello")).await.unwrap();
    inspect(&store, |connection| {
        connection
            .execute("UPDATE threads SET metadata = 'not json' WHERE id = 'bad'", [])
            .unwrap();
    })
    .await;
    let outcomes = store.apply(vec![submit("good", "again"), submit("bad", "again")]).await;
    assert!(outcomes[0].is_ok(), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(StoreError::Corrupt { .. })), "{outcomes:?}");
    assert!(matches!(store.thread(&thread_id("bad")).await, Err(StoreError::Corrupt { .. })));
    let claimed = store.claim_ready(claim_request(), 10).await.unwrap();
    assert_eq!(claimed.claimed.len(), 1);
}
