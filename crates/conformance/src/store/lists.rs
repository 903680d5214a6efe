//! Lists: newest first, filtered, a page at a time, and nothing twice or skipped.

use std::collections::HashSet;

use postroom_core::command::{Command, CreateThread, Enqueue, Mode, Submit};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{AgentId, RunId, ThreadId};
use postroom_core::ports::{DispatchFilter, RunFilter, ThreadFilter};
use postroom_core::run::RunState;
use serde_json::json;

use crate::ids::Random;
use crate::pages;
use crate::world::{World, delivery, said, thread};

async fn run_list(world: &World, filter: RunFilter) -> Vec<String> {
    pages::runs(world, &filter, |run| run.id.to_string()).await
}

/// Runs, by thread, state, agent and parent.
pub async fn runs(world: World) {
    let agent = AgentId::parse("a").expect("a name");
    for (t, run, agent_id) in
        [("t", "r1", Some(agent.clone())), ("t", "r2", None), ("u", "r3", None), ("t", "r4", None)]
    {
        let agent_id = agent_id.or_else(|| Some(AgentId::parse("b").expect("a name")));
        world.enqueue(&thread(t), Enqueue { agent_id, ..delivery(run) }).await;
    }
    let parent = RunId::parse("r1").expect("a name");
    let child = Submit { parent_run_id: Some(parent.clone()), ..said(Mode::Enqueue, "x") };
    let child = world.submit(&thread("v"), child).await.run_id.to_string();
    let active = world.start(&thread("t")).await;
    world.ack(&thread("t"), &active.claim).await;

    let all = RunFilter::default();
    assert_eq!(run_list(&world, all.clone()).await, [&child, "r4", "r3", "r2", "r1"]);
    let of_thread = RunFilter { thread_id: Some(thread("t")), ..all.clone() };
    assert_eq!(run_list(&world, of_thread.clone()).await, ["r4", "r2", "r1"]);
    let done = RunFilter { state: Some(RunState::Done), ..all.clone() };
    assert_eq!(run_list(&world, done).await, ["r1"]);
    let created = RunFilter { state: Some(RunState::Created), ..of_thread };
    assert_eq!(run_list(&world, created).await, ["r4", "r2"]);
    let of_agent = RunFilter { agent_id: Some(agent), ..all.clone() };
    assert_eq!(run_list(&world, of_agent).await, ["r1"]);
    let children = RunFilter { parent_run_id: Some(parent), ..all.clone() };
    assert_eq!(run_list(&world, children).await, [child]);
    let nobody = RunFilter { thread_id: Some(thread("nobody")), ..all };
    assert!(run_list(&world, nobody).await.is_empty());
}

/// Dispatches, by thread and states.
pub async fn dispatches(world: World) {
    for (t, run) in [("t", "r1"), ("u", "r2"), ("t", "r3"), ("t", "r4")] {
        world.enqueue(&thread(t), delivery(run)).await;
    }
    let (_, claim) = world.claim(&thread("t")).await;
    world.ack(&thread("t"), &claim).await;
    world.claim(&thread("t")).await;
    let of = |thread_id: Option<&str>, states: &[DispatchState]| DispatchFilter {
        thread_id: thread_id.map(thread),
        states: states.to_vec(),
        ..DispatchFilter::default()
    };
    let (queued, claimed, acked) =
        (DispatchState::Queued, DispatchState::Claimed, DispatchState::Acked);
    let expectations: [(DispatchFilter, &[&str]); 7] = [
        (of(None, &[]), &["r4", "r3", "r2", "r1"]),
        (of(Some("t"), &[]), &["r4", "r3", "r1"]),
        (of(None, &[queued]), &["r4", "r2"]),
        (of(Some("t"), &[queued, acked]), &["r4", "r1"]),
        (of(Some("t"), &[acked, acked]), &["r1"]),
        (of(Some("u"), &[claimed]), &[]),
        (of(Some("nobody"), &[]), &[]),
    ];
    for (filter, expected) in expectations {
        let runs = pages::dispatches(&world, &filter, |row| row.run_id.to_string()).await;
        assert_eq!(runs, expected, "{filter:?}");
    }
}

/// Threads, by metadata.
pub async fn threads(world: World) {
    for (name, metadata) in [
        ("a", json!({"team": "red", "n": 1})),
        ("b", json!({"team": "blue", "n": 1})),
        ("c", json!({"team": "red", "n": "1"})),
        ("d", json!({})),
    ] {
        let metadata = metadata.as_object().expect("an object").clone();
        let create = CreateThread { metadata, parent: None };
        world.apply(&thread(name), Command::CreateThread(create)).await;
    }
    let of = |pairs: &[(&str, &str)]| ThreadFilter {
        metadata: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        text: None,
        ..ThreadFilter::default()
    };
    let expectations: [(ThreadFilter, &[&str]); 6] = [
        (of(&[]), &["d", "c", "b", "a"]),
        (of(&[("team", "red")]), &["c", "a"]),
        (of(&[("team", "\"red\"")]), &["c", "a"]),
        (of(&[("team", "red"), ("n", "1")]), &["c", "a"]),
        (of(&[("team", "green")]), &[]),
        (of(&[("nothing", "null")]), &[]),
    ];
    for (filter, expected) in expectations {
        let names = pages::threads(&world, &filter, |row| row.id.to_string()).await;
        assert_eq!(names, expected, "{filter:?}");
    }
}

/// A text, metadata besides, and the threads that have both.
type Sought<'c> = (&'c str, &'c [(String, String)], &'c [&'c str]);

/// Threads, by a text in their ids or metadata.
pub async fn threads_by_text(world: World) {
    for (name, metadata) in [
        ("order-17", json!({"team": "Red"})),
        ("ORDER-18", json!({"n": 17, "note": "50% off_"})),
        ("bestellung-\u{e4}", json!({})),
        ("x", json!({"\u{c4}rger": "groß", "team": "blue"})),
    ] {
        let metadata = metadata.as_object().expect("an object").clone();
        let create = CreateThread { metadata, parent: None };
        world.apply(&thread(name), Command::CreateThread(create)).await;
    }
    let blue = vec![("team".to_owned(), "blue".to_owned())];
    let expectations: [Sought<'_>; 13] = [
        ("order", &[], &["ORDER-18", "order-17"]),
        ("ORDER-1", &[], &["ORDER-18", "order-17"]),
        ("17", &[], &["ORDER-18", "order-17"]),
        ("red", &[], &["order-17"]),
        ("\"team\"", &[], &["x", "order-17"]),
        ("\"team\"", &blue, &["x"]),
        ("\u{e4}", &[], &["bestellung-\u{e4}"]),
        ("\u{c4}RGER", &[], &["x"]),
        // No sign has a meaning of its own.
        ("%", &[], &["ORDER-18"]),
        ("off_", &[], &["ORDER-18"]),
        ("o%r", &[], &[]),
        ("\0", &[], &[]),
        ("", &[], &["x", "bestellung-\u{e4}", "ORDER-18", "order-17"]),
    ];
    for (text, metadata, expected) in expectations {
        let filter = ThreadFilter {
            text: Some(text.to_owned()),
            metadata: metadata.to_vec(),
            ..ThreadFilter::default()
        };
        let names = pages::threads(&world, &filter, |row| row.id.to_string()).await;
        assert_eq!(names, expected, "{text:?}");
    }
}

/// What comes and goes between two pages neither hides nor repeats what was there.
pub async fn while_rows_come_and_go(world: World) {
    let t = thread("t");
    for n in 0..10 {
        world.enqueue(&t, delivery(&format!("r{n}"))).await;
    }
    let filter = DispatchFilter {
        thread_id: Some(t.clone()),
        states: vec![DispatchState::Queued],
        ..DispatchFilter::default()
    };
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    for round in 0.. {
        let page = world.store.dispatches(&filter, 3, cursor.as_deref()).await.expect("a page");
        seen.extend(page.items.iter().map(|row| row.run_id.to_string()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
        // The head, which is on the last page, goes; another comes at the newest end.
        let (_, claim) = world.claim(&t).await;
        world.ack(&t, &claim).await;
        world.enqueue(&t, delivery(&format!("new{round}"))).await;
    }
    let distinct: HashSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "{seen:?}");
    for n in 3..10 {
        assert!(distinct.contains(&format!("r{n}")), "r{n} is missing in {seen:?}");
    }
}

/// A cursor that no list gave is refused; a limit of nothing is an empty page.
pub async fn strange_pages(world: World) {
    world.say(&thread("t"), "hello").await;
    for cursor in ["", "nonsense", "-1", "99999999999999999999999", "é"] {
        let invalid =
            |error: &StoreError| matches!(error, StoreError::Refused(Refusal::Invalid { .. }));
        let runs = world.store.runs(&RunFilter::default(), 10, Some(cursor)).await;
        assert!(runs.as_ref().is_err_and(invalid), "{cursor:?}: {runs:?}");
        let rows = world.store.dispatches(&DispatchFilter::default(), 10, Some(cursor)).await;
        assert!(rows.as_ref().is_err_and(invalid), "{cursor:?}: {rows:?}");
        let rows = world.store.threads(&ThreadFilter::default(), 10, Some(cursor)).await;
        assert!(rows.as_ref().is_err_and(invalid), "{cursor:?}: {rows:?}");
    }
    let page = world.store.runs(&RunFilter::default(), 0, None).await.expect("a page");
    assert!(page.items.is_empty());
}

/// Whatever a cursor says: a page, or a refusal.
pub async fn any_cursor(world: World) {
    for t in ["t", "u", "v"] {
        world.say(&thread(t), "hello").await;
    }
    let page = world.store.runs(&RunFilter::default(), 1, None).await.expect("a page");
    let given = page.next_cursor.expect("more runs");
    let signs: Vec<char> = "0123456789abcdefF-+ ./%'\"\\\0\n\u{e9}\u{1f600}".chars().collect();
    let random = Random::new(1);
    for round in 0..300 {
        let mut cursor: String = match round % 3 {
            // What a store gave, changed.
            0 => given.clone(),
            // Numbers up to and beyond the ends of their types.
            1 => format!("{:x}", random.next() >> random.below(64)),
            _ => String::new(),
        };
        for _ in 0..random.below(4) * random.below(7) {
            let ends: Vec<usize> = cursor.char_indices().map(|(at, _)| at).collect();
            let at = random.pick(&ends).copied().unwrap_or(0);
            cursor.insert(at, *random.pick(&signs).expect("signs"));
        }
        let refused = |error: Option<StoreError>| {
            matches!(error, None | Some(StoreError::Refused(Refusal::Invalid { .. })))
        };
        let (limit, cursor) = (random.below(5), Some(cursor.as_str()));
        let runs = world.store.runs(&RunFilter::default(), limit, cursor).await;
        assert!(runs.as_ref().map_or(0, |page| page.items.len()) <= limit, "{cursor:?}");
        assert!(refused(runs.err()), "{cursor:?}");
        let rows = world.store.dispatches(&DispatchFilter::default(), limit, cursor).await;
        assert!(rows.as_ref().map_or(0, |page| page.items.len()) <= limit, "{cursor:?}");
        assert!(refused(rows.err()), "{cursor:?}");
        let rows = world.store.threads(&ThreadFilter::default(), limit, cursor).await;
        assert!(rows.as_ref().map_or(0, |page| page.items.len()) <= limit, "{cursor:?}");
        assert!(refused(rows.err()), "{cursor:?}");
    }
}

/// Threads with queued work, by id, from any place.
pub async fn queued_thread_ids(world: World) {
    for name in ["b", "a", "c", "d"] {
        world.enqueue(&thread(name), delivery(name)).await;
    }
    world.claim(&thread("d")).await;
    let ids = async |after: Option<&ThreadId>, limit| {
        let ids = world.store.queued_thread_ids(after, limit).await.expect("a read");
        ids.iter().map(ThreadId::to_string).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 10).await, ["a", "b", "c"]);
    assert_eq!(ids(None, 2).await, ["a", "b"]);
    assert_eq!(ids(Some(&thread("b")), 10).await, ["c"]);
    assert_eq!(ids(Some(&thread("aa")), 1).await, ["b"]);
    assert!(ids(Some(&thread("c")), 10).await.is_empty());
    world.apply(&thread("a"), Command::Interrupt).await;
    assert_eq!(ids(None, 10).await, ["b", "c"]);
}

/// What nobody has written is not there.
pub async fn what_is_not_there(world: World) {
    let nobody = RunId::parse("nobody").expect("a name");
    assert!(world.store.run(&nobody).await.expect("a read").is_none());
    assert!(world.store.thread(&thread("nobody")).await.expect("a read").is_none());
    assert!(world.store.pending(&thread("nobody")).await.expect("a read").is_empty());
    assert!(world.store.messages(&thread("nobody"), 0, 10).await.expect("a read").is_empty());
    assert!(world.store.prompt(&thread("nobody"), &nobody).await.expect("a read").is_empty());
}
