//! `prompt`: a thread's messages as a model is given them.

use postroom_core::command::{Mode, Outcome, RunResult, Step, Submit};
use postroom_core::id::{RunId, ThreadId};
use postroom_core::message::{NewMessage, Role};

use crate::world::{World, commit, said, thread};

async fn prompt(world: &World, t: &ThreadId, run_id: &RunId) -> Vec<String> {
    let messages = world.store.prompt(t, run_id).await.expect("a read");
    messages.iter().map(|row| row.message.content.text()).collect()
}

/// Earlier runs' messages, then its own, whatever stands between them in the log.
pub async fn others_first_then_its_own(world: World) {
    let t = thread("t");
    let first = world.started(&t).await;
    let second = world.say(&t, "second").await;
    let step =
        Step { messages: vec![NewMessage::text(Role::Assistant, "answer")], ..Step::default() };
    world.apply(&t, commit(&first.claim, step)).await;
    assert_eq!(world.texts(&t).await, ["begin", "second", "answer"]);
    assert_eq!(prompt(&world, &t, &first.run.id).await, ["begin", "answer"], "not yet begun");
    world.ack(&t, &first.claim).await;
    let active = world.start(&t).await;
    assert_eq!(active.run.id, second.run_id);
    assert_eq!(prompt(&world, &t, &second.run_id).await, ["begin", "answer", "second"]);
    assert_eq!(prompt(&world, &t, &first.run.id).await, ["second", "begin", "answer"]);
}

/// A run that was rolled back is left out.
pub async fn without_what_was_rolled_back(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.settle(&t, &active.claim, Outcome::Ack(RunResult::cancelled())).await;
    let rollback =
        Submit { stopped_run_id: Some(active.run.id.clone()), ..said(Mode::Rollback, "instead") };
    let submitted = world.submit(&t, rollback).await;
    world.start(&t).await;
    assert_eq!(prompt(&world, &t, &submitted.run_id).await, ["instead"]);
}
