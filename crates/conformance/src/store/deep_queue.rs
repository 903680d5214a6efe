//! Ten thousand queued dispatches in one thread: all there, in order, and no slower to work with.

use std::time::Duration;

use postroom_core::command::{Command, Enqueue, Envelope, Reply, Start};
use postroom_core::dispatch::{DispatchState, Priority};
use postroom_core::id::ThreadId;
use postroom_core::ports::MailboxStore;

use crate::world::{World, delivery, request, thread};

const DEEP: usize = 10_000;

async fn fill(store: &dyn MailboxStore, t: &ThreadId, start: Start) {
    let commands: Vec<Envelope> = (0..DEEP)
        .map(|n| {
            let enqueue = Enqueue { start, ..delivery(&format!("{t}{n}")) };
            Envelope::new(t.clone(), Command::Enqueue(Box::new(enqueue)))
        })
        .collect();
    let answers = store.apply(commands).await;
    assert!(answers.iter().all(Result::is_ok));
}

/// Claims from the front, an urgent one first, settles, lists.
pub async fn is_worked_off_from_the_front(world: World) {
    let t = thread("t");
    fill(&*world.store, &t, Start::Now).await;
    let urgent = world.enqueue(&t, Enqueue { priority: Priority(0), ..delivery("urgent") }).await;
    assert_eq!(world.thread(&t).await.queued, DEEP as u64 + 1);
    for n in 0..100 {
        let (dispatch, claim) = world.claim(&t).await;
        if n == 0 {
            assert_eq!(dispatch.id, urgent.id);
        } else {
            assert_eq!(dispatch.run_id.to_string(), format!("t{}", n - 1));
        }
        world.ack(&t, &claim).await;
    }
    let depth = world.store.depth().await.expect("a read");
    assert_eq!(depth.get(DispatchState::Queued), DEEP as u64 - 99);
    assert_eq!(depth.get(DispatchState::Acked), 100);
}

/// One interrupt supersedes them all, in one transaction.
pub async fn is_interrupted_whole(world: World) {
    let t = thread("t");
    fill(&*world.store, &t, Start::Now).await;
    let Reply::Interrupted(interrupted) = world.apply(&t, Command::Interrupt).await else {
        panic!("it is interrupted")
    };
    assert_eq!(interrupted.superseded.len(), DEEP);
    let depth = world.store.depth().await.expect("a read");
    assert_eq!(depth.get(DispatchState::Superseded), DEEP as u64);
    assert_eq!(world.thread(&t).await.queued, 0);
    assert!(world.try_claim(&t, request("n")).await.is_none());
}

/// All of them become due at once, and keep their order.
pub async fn becomes_due_at_once(world: World) {
    let t = thread("t");
    fill(&*world.store, &t, Start::In(Duration::from_secs(5))).await;
    assert!(world.try_claim(&t, request("n")).await.is_none());
    world.clock.advance(Duration::from_secs(5));
    for n in 0..10 {
        let (dispatch, claim) = world.claim(&t).await;
        assert_eq!(dispatch.run_id.to_string(), format!("t{n}"));
        world.ack(&t, &claim).await;
    }
}
