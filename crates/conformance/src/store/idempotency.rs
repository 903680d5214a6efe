//! Repeated submissions: the first one's answer, and nothing written twice.

use std::time::Duration;

use postroom_core::command::{Command, Mode, Submit};
use postroom_core::id::{IdempotencyKey, MessageId};
use postroom_core::message::NewMessage;
use postroom_core::ports::Clock;

use crate::world::{World, said, thread};

fn keyed(text: &str) -> Submit {
    let key = IdempotencyKey::parse("key").expect("a key");
    Submit { idempotency_key: Some(key), ..said(Mode::Enqueue, text) }
}

/// The same key in the same thread: the first answer, whatever the repetition says.
pub async fn a_repeated_key(world: World) {
    let t = thread("t");
    let first = world.submit(&t, keyed("hello")).await;
    let before = world.snapshot(&t).await;
    for mode in [Mode::Enqueue, Mode::Interrupt, Mode::Reject] {
        let again = world.submit(&t, Submit { mode, ..keyed("other") }).await;
        assert!(again.replayed);
        assert_eq!((&again.run_id, again.dispatch_id), (&first.run_id, first.dispatch_id));
        assert_eq!(again.message_ids, first.message_ids);
        assert_eq!(again.event_seq_before, first.event_seq_before);
    }
    assert_eq!(world.snapshot(&t).await, before);
    let elsewhere = world.submit(&thread("u"), keyed("hello")).await;
    assert!(!elsewhere.replayed, "a key is its thread's");
}

/// Also when the run has long ended.
pub async fn after_the_end(world: World) {
    let t = thread("t");
    let first = world.submit(&t, keyed("hello")).await;
    let active = world.start(&t).await;
    world.ack(&t, &active.claim).await;
    let again = world.submit(&t, keyed("hello")).await;
    assert!(again.replayed);
    assert_eq!(again.run_id, first.run_id);
    assert_eq!(world.texts(&t).await, ["hello"]);
}

/// A refused submission's key is free.
pub async fn a_refused_key_is_free(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let command = Command::Submit(Box::new(Submit { mode: Mode::Reject, ..keyed("hello") }));
    world.refused(&t, command).await;
    world.ack(&t, &active.claim).await;
    assert!(!world.submit(&t, keyed("hello")).await.replayed);
}

/// A message id that the thread has is not appended again; the answer is what became of it.
pub async fn a_repeated_message(world: World) {
    let t = thread("t");
    let message = NewMessage {
        id: Some(MessageId::parse("m").expect("a name")),
        ..NewMessage::user("hello")
    };
    let first = world.submit(&t, Submit::new(Mode::Enqueue, vec![message.clone()])).await;
    let before = world.snapshot(&t).await;
    let again = world.submit(&t, Submit::new(Mode::Enqueue, vec![message.clone()])).await;
    assert!(again.replayed);
    assert_eq!((again.run_id, again.dispatch_id), (first.run_id, first.dispatch_id));
    assert_eq!(world.snapshot(&t).await, before);

    let messages = vec![message.clone(), NewMessage::user("new")];
    let mixed = world.submit(&t, Submit::new(Mode::Enqueue, messages)).await;
    assert!(!mixed.replayed, "what is new is accepted");
    assert_eq!(world.texts(&t).await, ["hello", "new"]);
    let elsewhere = Submit::new(Mode::Enqueue, vec![message]);
    assert!(!world.submit(&thread("u"), elsewhere).await.replayed, "an id is its thread's");
    world.snapshot(&t).await;
}

/// Keys as old as what is purged go with it.
pub async fn keys_are_purged(world: World) {
    let t = thread("t");
    world.submit(&t, keyed("hello")).await;
    let active = world.start(&t).await;
    world.ack(&t, &active.claim).await;
    world.store.purge_terminal(None, None, world.clock.now(), 100).await.expect("a purge");
    assert!(world.submit(&t, keyed("hello")).await.replayed, "it is not older");
    world.clock.advance(Duration::from_secs(1));
    world.store.purge_terminal(None, None, world.clock.now(), 100).await.expect("a purge");
    assert!(!world.submit(&t, keyed("hello")).await.replayed);
    world.snapshot(&t).await;
}
