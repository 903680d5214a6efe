//! Pending messages: delivered, edited, retracted, reordered, and taken in at their boundary.

use postroom_core::command::{
    Activation, Command, Committed, Envelope, Mode, Outcome, Reply, RunResult, Step, Submitted,
    SubmittedStatus, Take,
};
use postroom_core::error::Refusal;
use postroom_core::id::{MessageId, RunId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::pending::{Boundary, Delivery, Granularity};

use crate::world::{World, commit, said, settle, thread};

fn id(name: &str) -> MessageId {
    MessageId::parse(name).expect("a name")
}

fn named(name: &str) -> NewMessage {
    NewMessage { id: Some(id(name)), ..NewMessage::user(name) }
}

fn deliver(run_id: &RunId, name: &str, delivery: Delivery) -> Command {
    let messages = vec![named(name)];
    Command::Deliver { run_id: run_id.clone(), messages, delivery, max_pending: 10 }
}

async fn delivered(
    world: &World,
    t: &ThreadId,
    run: &RunId,
    name: &str,
    how: Delivery,
) -> Submitted {
    match world.apply(t, deliver(run, name, how)).await {
        Reply::Submitted(submitted) => submitted,
        other => panic!("deliver was answered {other:?}"),
    }
}

async fn executing(world: &World, names: &[&str]) -> (ThreadId, Activation) {
    let t = thread("t");
    let active = world.started(&t).await;
    for name in names {
        delivered(world, &t, &active.run.id, name, Delivery::default()).await;
    }
    (t, active)
}

async fn take(world: &World, t: &ThreadId, active: &Activation, take: Take) -> Vec<String> {
    let step = Step { take, ..Step::default() };
    match world.apply(t, commit(&active.claim, step)).await {
        Reply::Committed(Committed { taken, .. }) => {
            taken.iter().map(|row| row.message.content.text()).collect()
        }
        other => panic!("commit was answered {other:?}"),
    }
}

/// A delivered message is pending until a step takes it in, once, numbered, into the log.
pub async fn is_taken_in_once(world: World) {
    let (t, active) = executing(&world, &["a"]).await;
    assert_eq!(world.pending_texts(&t).await, ["a"]);
    assert_eq!(world.texts(&t).await, ["begin"]);
    assert!(take(&world, &t, &active, Take::Nothing).await.is_empty());
    assert_eq!(take(&world, &t, &active, Take::NextStep).await, ["a"]);
    assert!(take(&world, &t, &active, Take::NextStep).await.is_empty());
    assert!(world.pending_texts(&t).await.is_empty());
    let messages = world.snapshot(&t).await.messages;
    assert_eq!((messages.len(), &messages[1].run_id), (2, &active.run.id));
    assert_eq!(
        world.event_types(&t, 0).await.split_off(3),
        ["message_pending", "message_committed"]
    );
}

/// The same message delivered again is not there twice, pending or committed.
pub async fn is_delivered_once(world: World) {
    let (t, active) = executing(&world, &["a"]).await;
    let again = delivered(&world, &t, &active.run.id, "a", Delivery::default()).await;
    assert!(again.replayed);
    assert_eq!(world.pending_texts(&t).await, ["a"]);
    take(&world, &t, &active, Take::NextStep).await;
    assert!(delivered(&world, &t, &active.run.id, "a", Delivery::default()).await.replayed);
    assert!(world.pending_texts(&t).await.is_empty());
    world.snapshot(&t).await;
}

/// A message for the run's end is not taken in before.
pub async fn waits_for_its_boundary(world: World) {
    let (t, active) = executing(&world, &[]).await;
    let at_end = Delivery { boundary: Some(Boundary::OnNaturalEnd), ..Delivery::default() };
    delivered(&world, &t, &active.run.id, "end", at_end).await;
    delivered(&world, &t, &active.run.id, "next", Delivery::default()).await;
    assert_eq!(take(&world, &t, &active, Take::NextStep).await, ["next"]);
    assert_eq!(take(&world, &t, &active, Take::NaturalEnd).await, ["end"]);
    world.snapshot(&t).await;
}

/// One that wants to be alone is taken alone; the others together.
pub async fn granularity(world: World) {
    let (t, active) = executing(&world, &["a", "b"]).await;
    let alone = Delivery { granularity: Granularity::One, ..Delivery::default() };
    delivered(&world, &t, &active.run.id, "alone", alone).await;
    delivered(&world, &t, &active.run.id, "c", Delivery::default()).await;
    assert_eq!(take(&world, &t, &active, Take::NextStep).await, ["a", "b"]);
    assert_eq!(take(&world, &t, &active, Take::NextStep).await, ["alone"]);
    assert_eq!(take(&world, &t, &active, Take::NextStep).await, ["c"]);
}

/// A barrier that must wait is not overtaken.
pub async fn a_barrier_is_not_overtaken(world: World) {
    let (t, active) = executing(&world, &["a"]).await;
    let barrier =
        Delivery { boundary: Some(Boundary::OnNaturalEnd), barrier: true, ..Delivery::default() };
    delivered(&world, &t, &active.run.id, "barrier", barrier).await;
    delivered(&world, &t, &active.run.id, "b", Delivery::default()).await;
    assert_eq!(take(&world, &t, &active, Take::NextStep).await, ["a"]);
    assert!(take(&world, &t, &active, Take::NextStep).await.is_empty());
    let order = Command::ReorderPending { message_ids: vec![id("b"), id("barrier")] };
    assert_eq!(
        world.refused(&t, order).await,
        Refusal::BarrierOvertaken { barrier: id("barrier") }
    );
    assert_eq!(take(&world, &t, &active, Take::NaturalEnd).await, ["barrier", "b"]);
}

/// It can be edited and retracted as long as nobody has read it.
pub async fn edit_and_retract(world: World) {
    let (t, active) = executing(&world, &["a", "b"]).await;
    world.apply(&t, Command::EditPending { message_id: id("a"), content: "A".into() }).await;
    assert_eq!(world.pending_texts(&t).await, ["A", "b"], "it keeps its place");
    world.apply(&t, Command::RetractPending { message_id: id("b") }).await;
    assert_eq!(take(&world, &t, &active, Take::NextStep).await, ["A"]);
    world.snapshot(&t).await;

    let consumed = Refusal::AlreadyConsumed { message_id: id("a") };
    let edit = Command::EditPending { message_id: id("a"), content: "late".into() };
    assert_eq!(world.refused(&t, edit).await, consumed);
    let retract = |name| Command::RetractPending { message_id: id(name) };
    assert_eq!(world.refused(&t, retract("a")).await, consumed);
    assert_eq!(
        world.refused(&t, retract("b")).await,
        Refusal::UnknownMessage { message_id: id("b") }
    );
    let types = world.event_types(&t, 0).await;
    assert!(types.contains(&"message_retracted"), "{types:?}");
}

/// They can be put into another order; only all of them.
pub async fn reorder(world: World) {
    let (t, active) = executing(&world, &["a", "b", "c"]).await;
    let order = |names: &[&str]| Command::ReorderPending {
        message_ids: names.iter().map(|name| id(name)).collect(),
    };
    for incomplete in [&["a", "b"][..], &["a", "b", "b"], &["a", "b", "c", "c"]] {
        let refusal = world.refused(&t, order(incomplete)).await;
        assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal:?}");
    }
    let unknown = world.refused(&t, order(&["a", "b", "d"])).await;
    assert_eq!(unknown, Refusal::UnknownMessage { message_id: id("d") });
    world.apply(&t, order(&["c", "a", "b"])).await;
    assert_eq!(world.pending_texts(&t).await, ["c", "a", "b"]);
    world.snapshot(&t).await;
    assert_eq!(take(&world, &t, &active, Take::NextStep).await, ["c", "a", "b"]);
}

/// Steering that no run has taken in becomes the next dispatch, with the end of the run.
pub async fn becomes_the_next_dispatch(world: World) {
    let (t, active) = executing(&world, &["a", "b"]).await;
    world.say(&t, "queued before").await;
    let settled = world.ack(&t, &active.claim).await;
    let follow_up = settled.follow_up.expect("the steering became a dispatch");
    assert_eq!(world.pending_texts(&t).await, ["queued before"], "sent later, it stays behind");
    world.snapshot(&t).await;
    let next = world.start(&t).await;
    assert_eq!(next.dispatch.id, follow_up, "it takes the place of the run it was for");
    let texts: Vec<_> = next.input.iter().map(|row| row.message.content.text()).collect();
    assert_eq!(texts, ["a", "b"]);
}

/// What came before in the same batch is as pending as what was there already.
pub async fn beside_others_of_the_same_batch(world: World) {
    let (t, active) = executing(&world, &["a"]).await;
    let end = settle(&active.claim, Outcome::Ack(RunResult::natural_end(None)));
    let steer = Command::Submit(Box::new(said(Mode::Steer, "b")));
    let batch = [steer, end].map(|command| Envelope::new(t.clone(), command));
    let mut answers = world.store.apply(batch.to_vec()).await;
    let Ok(Reply::Settled(settled)) = answers.remove(1).map(|applied| applied.reply) else {
        panic!("the run is settled")
    };
    assert!(settled.follow_up.is_some());
    world.snapshot(&t).await;
    let next = world.start(&t).await;
    let texts: Vec<_> = next.input.iter().map(|row| row.message.content.text()).collect();
    assert_eq!(texts, ["a", "b"]);
}

/// A retry takes in what its attempt before has not.
pub async fn stays_for_the_retry(world: World) {
    let (t, active) = executing(&world, &["a"]).await;
    assert!(world.nack(&t, &active.claim).await.follow_up.is_none());
    assert_eq!(world.pending_texts(&t).await, ["a"]);
    world.snapshot(&t).await;
    let again = world.start(&t).await;
    assert_eq!(take(&world, &t, &again, Take::NextStep).await, ["a"]);
}

/// A run that is over, or not begun, is not active; too many are refused.
pub async fn what_is_refused(world: World) {
    let (t, active) = executing(&world, &[]).await;
    let queued = world.say(&t, "second").await;
    let not_active = |run_id: &RunId| Refusal::RunNotActive { run_id: run_id.clone() };
    let refusal = world.refused(&t, deliver(&queued.run_id, "a", Delivery::default())).await;
    assert_eq!(refusal, not_active(&queued.run_id));
    let unknown = RunId::parse("nobody").expect("a name");
    let refusal = world.refused(&t, deliver(&unknown, "a", Delivery::default())).await;
    assert_eq!(refusal, Refusal::UnknownRun { run_id: unknown });
    let full = Command::Deliver {
        run_id: active.run.id.clone(),
        messages: vec![named("a"), named("b")],
        delivery: Delivery::default(),
        max_pending: 1,
    };
    assert_eq!(world.refused(&t, full).await, Refusal::PendingFull { pending: 0, limit: 1 });
    world.settle(&t, &active.claim, Outcome::Ack(RunResult::cancelled())).await;
    let refusal = world.refused(&t, deliver(&active.run.id, "a", Delivery::default())).await;
    assert_eq!(refusal, not_active(&active.run.id));
}

/// Behind what is pending, new work's messages keep the order in which they were sent.
pub async fn the_log_keeps_the_order(world: World) {
    let (t, active) = executing(&world, &["steered"]).await;
    let queued = world.submit(&t, said(Mode::Enqueue, "queued")).await;
    assert_eq!(queued.status, SubmittedStatus::Queued);
    assert_eq!(take(&world, &t, &active, Take::NextStep).await, ["steered"]);
    world.ack(&t, &active.claim).await;
    let next = world.start(&t).await;
    assert_eq!(next.run.id, queued.run_id);
    assert_eq!(next.input[0].message.content.text(), "queued");
    assert_eq!(world.texts(&t).await, ["begin", "steered", "queued"]);
    world.snapshot(&t).await;
}
