//! `requeue`: an operator gives a dead letter's run a fresh budget.

use std::sync::Arc;

use postroom_core::command::{Command, Outcome, Reply, RunResult};
use postroom_core::dispatch::{Dispatch, DispatchState, DispatchStatus};
use postroom_core::error::Refusal;
use postroom_core::id::{DispatchId, ThreadId};
use postroom_core::ports::IdSource;
use postroom_core::run::RunState;

use crate::world::{World, thread};

async fn dead_letter(world: &World, t: &ThreadId) -> Arc<Dispatch> {
    let active = world.started(t).await;
    let outcome = Outcome::DeadLetter { code: "broken".to_owned(), error: "broken".to_owned() };
    world.settle(t, &active.claim, outcome).await.dispatch
}

fn requeue(dispatch_id: DispatchId, max_attempts: Option<u32>) -> Command {
    Command::Requeue { dispatch_id, max_attempts }
}

/// A new dispatch of the same run; the dead letter stays, and says what became of it.
pub async fn makes_a_new_dispatch(world: World) {
    let t = thread("t");
    let dead = dead_letter(&world, &t).await;
    let Reply::Enqueued(again) = world.apply(&t, requeue(dead.id, Some(2))).await else {
        panic!("it is queued again")
    };
    assert_ne!(again.id, dead.id);
    assert_eq!((&again.run_id, again.state()), (&dead.run_id, DispatchState::Queued));
    assert_eq!((again.attempt_count, again.max_attempts), (0, 2));
    assert_eq!((again.attempt.as_ref(), again.last_error.as_ref()), (None, None));
    let status = world.dispatch(dead.id).await.status.clone();
    assert_eq!(status, DispatchStatus::DeadLetter { requeued_as: Some(again.id) });
    let run = world.run(&dead.run_id).await;
    assert_eq!((run.is_done(), &run.output, &run.error), (false, &None, &None));
    world.snapshot(&t).await;

    let active = world.start(&t).await;
    assert_eq!((active.run.id.clone(), active.dispatch.id), (dead.run_id.clone(), again.id));
    let result = RunResult::natural_end(Some("now it works".to_owned()));
    let settled = world.settle(&t, &active.claim, Outcome::Ack(result)).await;
    assert_eq!(settled.run.run_state(), RunState::Done);
    world.snapshot(&t).await;
}

/// Once: asked again, it names the dispatch that it made.
pub async fn once(world: World) {
    let t = thread("t");
    let dead = dead_letter(&world, &t).await;
    let Reply::Enqueued(again) = world.apply(&t, requeue(dead.id, None)).await else {
        panic!("it is queued again")
    };
    assert_eq!(again.max_attempts, dead.max_attempts);
    let expected = Refusal::AlreadyRequeued { dispatch_id: dead.id, requeued_as: again.id };
    assert_eq!(world.refused(&t, requeue(dead.id, None)).await, expected);
}

/// Nothing else leaves its end.
pub async fn only_dead_letters(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let id = active.dispatch.id;
    let refused = |state| Refusal::IllegalDispatch { dispatch_id: id, state, command: "requeue" };
    assert_eq!(world.refused(&t, requeue(id, None)).await, refused(DispatchState::Claimed));
    world.ack(&t, &active.claim).await;
    assert_eq!(world.refused(&t, requeue(id, None)).await, refused(DispatchState::Acked));
    let unknown = DispatchId::from(world.ids.new_uuid());
    let expected = Refusal::UnknownDispatch { dispatch_id: unknown };
    assert_eq!(world.refused(&t, requeue(unknown, None)).await, expected);
}

/// It waits its turn behind what is queued.
pub async fn waits_its_turn(world: World) {
    let t = thread("t");
    let dead = dead_letter(&world, &t).await;
    let queued = world.say(&t, "more").await;
    world.apply(&t, requeue(dead.id, None)).await;
    let first = world.start(&t).await;
    assert_eq!(Some(first.dispatch.id), queued.dispatch_id);
    world.ack(&t, &first.claim).await;
    assert_eq!(world.start(&t).await.run.id, dead.run_id);
    world.snapshot(&t).await;
}
