use super::*;
use postroom_core::dispatch::DispatchState;
use postroom_core::error::Refusal;
use postroom_core::run::RunState;

#[tokio::test]
async fn pages_follow_one_another_without_gap_or_repetition() {
    let place = Place::new();
    let store = place.open();
    for number in 0..25 {
        apply(&store, submit(&format!("t{number:02}"), "hello")).await.unwrap();
    }
    let mut cursor = None;
    let mut seen = Vec::new();
    loop {
        let page = store.threads(&ThreadFilter::default(), 10, cursor.as_deref()).await.unwrap();
        seen.extend(page.items.into_iter().map(|thread| thread.id.to_string()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
        // What is new is above the page's place.
        apply(&store, submit(&format!("later{}", seen.len()), "hello")).await.unwrap();
    }
    let expected: Vec<String> = (0..25).rev().map(|number| format!("t{number:02}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_cursor_of_somebody_elses_is_refused() {
    let place = Place::new();
    let store = place.open();
    for cursor in ["", "zz", "-1", "1 ", "ffffffffffffffffff"] {
        let page = store.runs(&RunFilter::default(), 10, Some(cursor)).await;
        let Err(StoreError::Refused(Refusal::Invalid { .. })) = page else {
            panic!("{cursor}: {page:?}")
        };
    }
}

#[tokio::test]
async fn filters_agree_with_what_is_there() {
    let place = Place::new();
    let store = place.open();
    apply(&store, submit("a", "one")).await.unwrap();
    let done = submitted(apply(&store, submit_and_claim("b", "two")).await.unwrap());
    apply(&store, settle(&done.claimed.unwrap())).await.unwrap();

    let runs = |state, thread: Option<&str>| {
        let filter = RunFilter { state, thread_id: thread.map(thread_id), ..RunFilter::default() };
        let store = &store;
        async move { store.runs(&filter, 10, None).await.unwrap().items.len() }
    };
    assert_eq!(runs(None, None).await, 2);
    assert_eq!(runs(Some(RunState::Done), None).await, 1);
    assert_eq!(runs(Some(RunState::Created), None).await, 1);
    assert_eq!(runs(Some(RunState::Running), None).await, 0);
    assert_eq!(runs(None, Some("a")).await, 1);
    assert_eq!(runs(Some(RunState::Done), Some("a")).await, 0);

    for (states, expected) in [
        (vec![], 2),
        (vec![DispatchState::Queued], 1),
        (vec![DispatchState::Acked], 1),
        (vec![DispatchState::DeadLetter, DispatchState::Cancelled], 0),
        (vec![DispatchState::Queued, DispatchState::Acked], 2),
    ] {
        let filter = DispatchFilter { states, ..DispatchFilter::default() };
        let found = store.dispatches(&filter, 10, None).await.unwrap().items.len();
        assert_eq!(found, expected, "{filter:?}");
    }
    let queued = store.queued_thread_ids(None, 10).await.unwrap();
    assert_eq!(queued, [thread_id("a")]);
    assert!(store.queued_thread_ids(Some(&thread_id("a")), 10).await.unwrap().is_empty());
}
