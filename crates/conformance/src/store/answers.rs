//! Answers: a run that waits gets what is pending for it as soon as nothing keeps it back.

use postroom_core::command::{
    Activation, Command, Mode, Outcome, Reply, RunResult, Settle, Settled, Step, Submit, Wait,
};
use postroom_core::id::{MessageId, RunId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::pending::{Boundary, Delivery, Granularity};
use postroom_core::run::{RunState, WaitReason};

use crate::world::{LEASE, World, beginning, started, thread};

fn id(name: &str) -> MessageId {
    MessageId::parse(name).expect("a name")
}

fn submit(mode: Mode, name: &str, delivery: Delivery) -> Command {
    let message = NewMessage { id: Some(id(name)), ..NewMessage::user(name) };
    Command::Submit(Box::new(Submit { delivery, ..Submit::new(mode, vec![message]) }))
}

fn wait() -> Outcome {
    Outcome::Wait(Wait::new(WaitReason::UserInput))
}

fn read(active: &Activation) -> Vec<String> {
    active.input.iter().map(|row| row.message.content.text()).collect()
}

/// A run that waits for input, another that is queued, and between them, in this order: a barrier
/// that is for the other, and a message for the one that waits.
async fn kept_back(world: &World, name: &str) -> (ThreadId, RunId) {
    let t = thread(name);
    let active = world.started(&t).await;
    let plain = Delivery::default();
    let alone = Delivery { granularity: Granularity::One, ..plain };
    let boundary = Some(Boundary::NewRun);
    let barrier = Delivery { boundary, barrier: true, ..plain };
    world.apply(&t, submit(Mode::Steer, "first", alone)).await;
    world.apply(&t, submit(Mode::Enqueue, "other", barrier)).await;
    world.apply(&t, submit(Mode::Steer, "second", plain)).await;

    let command = Settle { next: Some(beginning("node")), ..settling(&active, wait()) };
    let next = settled(world, &t, command).await.next.expect("its answer was there");
    let again = started(*next);
    assert_eq!(again.run.id, active.run.id);
    assert_eq!(read(&again), ["begin", "first"], "what it has read before, and the answer");
    let settled = world.settle(&t, &again.claim, wait()).await;
    assert_eq!(settled.run.run_state(), RunState::Waiting);
    assert_eq!(settled.follow_up, None, "the barrier keeps it back");
    assert_eq!(world.pending_texts(&t).await, ["other", "second"]);
    (t, active.run.id.clone())
}

fn settling(active: &Activation, outcome: Outcome) -> Settle {
    let claim = active.claim.clone();
    Settle { claim, step: Step::default(), outcome, next: None }
}

async fn settled(world: &World, t: &ThreadId, command: Settle) -> Settled {
    match world.apply(t, Command::Settle(Box::new(command))).await {
        Reply::Settled(settled) => *settled,
        other => panic!("settle was answered {other:?}"),
    }
}

/// The barrier goes into the log with its run, and with the end of that the other goes on.
pub async fn behind_a_run_that_ends(world: World) {
    let (t, waiting) = kept_back(&world, "t").await;
    let other = world.start(&t).await;
    assert_eq!(read(&other), ["other"]);
    let command = Settle {
        next: Some(beginning("node")),
        ..settling(&other, Outcome::Ack(RunResult::natural_end(None)))
    };
    let next = settled(&world, &t, command).await.next.expect("the answer may be read now");
    let again = started(*next);
    assert_eq!(again.run.id, waiting);
    assert_eq!(read(&again), ["begin", "first", "second"]);
    world.snapshot(&t).await;
}

/// It need not end: where it is put back, or waits itself, its barrier is in the log all the same.
pub async fn behind_a_run_that_goes_on_later(world: World) {
    let later = Outcome::Nack { retry_in: LEASE, error: "for now".to_owned() };
    for (name, outcome) in [("nacked", later), ("waiting", wait())] {
        let (t, waiting) = kept_back(&world, name).await;
        let other = world.start(&t).await;
        let settled = world.settle(&t, &other.claim, outcome).await;
        let again = world.start(&t).await;
        assert_eq!((settled.follow_up, &again.run.id), (Some(again.dispatch.id), &waiting));
        assert_eq!(read(&again), ["begin", "first", "second"], "{name}");
        world.snapshot(&t).await;
    }
}

/// A barrier that is taken back keeps nothing from anybody.
pub async fn behind_what_is_retracted(world: World) {
    let (t, waiting) = kept_back(&world, "t").await;
    world.apply(&t, Command::RetractPending { message_id: id("other") }).await;
    assert_eq!(world.pending_texts(&t).await, [""; 0]);
    world.snapshot(&t).await;
    let other = world.start(&t).await;
    assert_eq!(read(&other), [""; 0], "the other was queued before");
    world.ack(&t, &other.claim).await;
    let again = world.start(&t).await;
    assert_eq!(again.run.id, waiting);
    assert_eq!(read(&again), ["begin", "first", "second"]);
}
