//! Events: gapless, in order, readable from anywhere.

use postroom_core::command::{Command, Mode};

use crate::world::{World, said, thread};

/// What `apply` answers is what the log holds, and each thread counts for itself.
pub async fn the_answer_is_the_log(world: World) {
    let (t, u) = (thread("t"), thread("u"));
    let mut told = Vec::new();
    for text in ["a", "b"] {
        let command = Command::Submit(Box::new(said(Mode::Enqueue, text)));
        told.extend(world.try_apply(&t, command).await.expect("accepted").events);
        world.say(&u, text).await;
    }
    told.extend(world.try_apply(&t, Command::Interrupt).await.expect("accepted").events);
    assert_eq!(world.events(&t).await, told);
    assert!(told.iter().zip(1..).all(|(event, seq)| event.seq == seq && event.thread_id == t));
    assert_eq!(world.thread(&t).await.event_seq, told.len() as u64);
}

/// From any place, any number.
pub async fn from_anywhere(world: World) {
    let t = thread("t");
    for n in 0..10 {
        world.say(&t, &n.to_string()).await;
    }
    let all = world.events(&t).await;
    for after in [0, 1, 7, all.len()] {
        for limit in [0, 1, 5, 100] {
            let part = world.store.events(&t, after as u64, limit).await.expect("a read");
            let end = (after + limit).min(all.len());
            assert_eq!(part, all[after..end]);
        }
    }
    for after in [all.len() as u64 + 1, u64::MAX] {
        assert!(world.store.events(&t, after, 10).await.expect("a read").is_empty());
        assert!(world.store.messages(&t, after, 10).await.expect("a read").is_empty());
    }
    let messages = world.store.messages(&t, 3, 2).await.expect("a read");
    assert_eq!(messages.iter().map(|row| row.seq).collect::<Vec<_>>(), [4, 5]);
    assert!(world.store.events(&thread("nobody"), 0, 10).await.expect("a read").is_empty());
}

/// A submission says after which event its own begin.
pub async fn a_submission_says_where_it_begins(world: World) {
    let t = thread("t");
    assert_eq!(world.say(&t, "a").await.event_seq_before, 0);
    let seq = world.thread(&t).await.event_seq;
    assert_eq!(world.say(&t, "b").await.event_seq_before, seq);
}

/// A claim alone, a renewal and a handed-back claim that had not begun tell nobody anything.
pub async fn what_is_no_event(world: World) {
    let t = thread("t");
    world.say(&t, "a").await;
    let before = world.events(&t).await;
    let (_, claim) = world.claim(&t).await;
    let lease = crate::world::LEASE;
    world.apply(&t, Command::ExtendLease { claim: claim.clone(), lease }).await;
    world.apply(&t, Command::Release { claim }).await;
    assert_eq!(world.events(&t).await, before);
}
