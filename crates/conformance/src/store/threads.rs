//! Threads: created, patched, removed.

use postroom_core::command::{Command, CreateThread};
use postroom_core::error::Refusal;
use postroom_core::message::Metadata;
use postroom_core::ports::{DispatchFilter, RunFilter};
use serde_json::{Value, json};

use crate::snapshot::Snapshot;
use crate::world::{World, thread};

fn metadata(value: Value) -> Metadata {
    match value {
        Value::Object(metadata) => metadata,
        other => panic!("{other} is no object"),
    }
}

/// A thread without work, with what was given.
pub async fn create(world: World) {
    let t = thread("t");
    let create =
        CreateThread { metadata: metadata(json!({"a": 1})), parent: Some(thread("parent")) };
    world.apply(&t, Command::CreateThread(create.clone())).await;
    let row = world.thread(&t).await;
    assert_eq!((&*row.metadata, row.parent.clone()), (&create.metadata, create.parent.clone()));
    let refusal = world.refused(&t, Command::CreateThread(create)).await;
    assert_eq!(refusal, Refusal::ThreadExists { thread_id: t });
}

/// Keys are replaced one by one; a null takes one away.
pub async fn patch(world: World) {
    let t = thread("t");
    let create = CreateThread { metadata: metadata(json!({"a": 1, "b": 2, "c": 3})), parent: None };
    world.apply(&t, Command::CreateThread(create)).await;
    let patch = metadata(json!({"a": null, "b": {"x": [1]}, "d": "new"}));
    world.apply(&t, Command::PatchThread { metadata: patch }).await;
    let expected = metadata(json!({"b": {"x": [1]}, "c": 3, "d": "new"}));
    assert_eq!(*world.thread(&t).await.metadata, expected);
    let nobody = thread("nobody");
    let patch = Command::PatchThread { metadata: Metadata::new() };
    let expected = Refusal::UnknownThread { thread_id: nobody.clone() };
    assert_eq!(world.refused(&nobody, patch).await, expected);
}

/// An idle thread goes with all that belongs to it, and its name is free.
pub async fn delete(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.ack(&t, &active.claim).await;
    let kept = world.started(&thread("other")).await;
    world.apply(&t, Command::DeleteThread).await;
    let gone = Snapshot::read(&*world.store, &t).await.expect("a read");
    assert_eq!(gone.thread, None);
    assert!(gone.messages.is_empty() && gone.events.is_empty() && gone.runs.is_empty());
    assert_eq!(world.store.run(&active.run.id).await.expect("a read"), None);
    assert_eq!(world.store.dispatch(active.dispatch.id).await.expect("a read"), None);
    let runs = world.store.runs(&RunFilter::default(), 10, None).await.expect("a read");
    assert_eq!(runs.items.len(), 1);
    let all = world.store.dispatches(&DispatchFilter::default(), 10, None).await.expect("a read");
    assert_eq!(all.items[0].id, kept.dispatch.id);
    assert_eq!(world.store.depth().await.expect("a read").counts, [0, 1, 0, 0, 0, 0]);

    let again = world.started(&t).await;
    assert_eq!(again.input[0].seq, 1, "what comes under its name is another");
    world.snapshot(&t).await;
}

/// A thread with work is not removed.
pub async fn delete_is_refused_while_there_is_work(world: World) {
    let t = thread("t");
    world.say(&t, "hello").await;
    let refusal = world.refused(&t, Command::DeleteThread).await;
    assert_eq!(refusal, Refusal::ThreadBusy { queued: 1, executing: false });
    let active = world.start(&t).await;
    let refusal = world.refused(&t, Command::DeleteThread).await;
    assert_eq!(refusal, Refusal::ThreadBusy { queued: 0, executing: true });
    world.ack(&t, &active.claim).await;
    world.apply(&t, Command::DeleteThread).await;
    let refusal = world.refused(&t, Command::DeleteThread).await;
    assert_eq!(refusal, Refusal::UnknownThread { thread_id: t });
}
