//! `cancel`: queued and waiting work ends at once; executing work is asked to stop.

use postroom_core::command::{CancelTarget, Cancelled, Command, Reply};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::Refusal;
use postroom_core::id::{DispatchId, RunId, ThreadId};
use postroom_core::ports::IdSource;
use postroom_core::run::{RunState, Termination};
use postroom_core::ticket::TicketState;

use crate::world::{World, thread};

fn cancel(target: CancelTarget) -> Command {
    Command::Cancel { target, stop_executing: true }
}

async fn cancelled(world: &World, t: &ThreadId, target: CancelTarget) -> Cancelled {
    match world.apply(t, cancel(target)).await {
        Reply::Cancelled(cancelled) => cancelled,
        other => panic!("cancel was answered {other:?}"),
    }
}

/// A queued dispatch, by its id, its run's or its thread's: it and its run are cancelled.
pub async fn queued_work_ends(world: World) {
    for by in 0..3 {
        let t = thread(&format!("t{by}"));
        let submitted = world.say(&t, "hello").await;
        let id = submitted.dispatch_id.expect("a dispatch");
        let target = match by {
            0 => CancelTarget::Dispatch(id),
            1 => CancelTarget::Run(submitted.run_id.clone()),
            _ => CancelTarget::Thread,
        };
        let Cancelled::Dispatch(dispatch) = cancelled(&world, &t, target).await else {
            panic!("it was queued")
        };
        assert_eq!((dispatch.id, dispatch.state()), (id, DispatchState::Cancelled));
        let run = world.run(&submitted.run_id).await;
        assert_eq!(run.termination(), Some(&Termination::Cancelled));
        assert!(world.try_claim(&t, crate::world::request("n")).await.is_none());
        assert_eq!(world.texts(&t).await, ["hello"], "the message stays in the log");
        world.snapshot(&t).await;
    }
}

/// Executing work is asked to stop, durably, and goes on until it has.
pub async fn executing_work_is_asked_to_stop(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let answer = cancelled(&world, &t, CancelTarget::Run(active.run.id.clone())).await;
    let expected = Cancelled::Executing {
        run_id: active.run.id.clone(),
        dispatch_id: active.dispatch.id,
        claim: active.claim.clone(),
    };
    assert_eq!(answer, expected);
    let run = world.run(&active.run.id).await;
    assert!(run.stop_requested);
    assert_eq!(run.run_state(), RunState::Running);
    assert_eq!(world.state(active.dispatch.id).await, DispatchState::Claimed);
    // Whatever it dies of now: it is not tried again.
    let settled = world.nack(&t, &active.claim).await;
    assert_eq!(settled.dispatch.state(), DispatchState::Superseded);
    assert_eq!(settled.run.termination(), Some(&Termination::Cancelled));
    world.snapshot(&t).await;
}

/// Executing work that shall be left alone is.
pub async fn executing_work_can_be_left_alone(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let command = Command::Cancel { target: CancelTarget::Thread, stop_executing: false };
    world.apply(&t, command).await;
    assert!(!world.run(&active.run.id).await.stop_requested);
}

/// A run that waits ends, and its tickets with it.
pub async fn waiting_work_ends(world: World) {
    let t = thread("t");
    let run = world.waiting_for_permission(&t, "call").await;
    let answer = cancelled(&world, &t, CancelTarget::Thread).await;
    assert_eq!(answer, Cancelled::WaitingRun(run.id.clone()));
    let run = world.run(&run.id).await;
    assert_eq!(run.termination(), Some(&Termination::Cancelled));
    assert_eq!(run.tickets[0].state, TicketState::Cancelled);
    assert_eq!(world.thread(&t).await.open_run_id, None);
    world.snapshot(&t).await;
}

/// What is over is refused, and what is unknown says so.
pub async fn what_can_not_be_cancelled(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.ack(&t, &active.claim).await;
    assert_eq!(
        world.refused(&t, cancel(CancelTarget::Dispatch(active.dispatch.id))).await,
        Refusal::IllegalDispatch {
            dispatch_id: active.dispatch.id,
            state: DispatchState::Acked,
            command: "cancel"
        }
    );
    assert_eq!(
        world.refused(&t, cancel(CancelTarget::Run(active.run.id.clone()))).await,
        Refusal::IllegalRun {
            run_id: active.run.id.clone(),
            state: RunState::Done,
            command: "cancel"
        }
    );
    let unknown = DispatchId::from(world.ids.new_uuid());
    assert_eq!(
        world.refused(&t, cancel(CancelTarget::Dispatch(unknown))).await,
        Refusal::UnknownDispatch { dispatch_id: unknown }
    );
    let run_id = RunId::parse("nobody").expect("a name");
    assert_eq!(
        world.refused(&t, cancel(CancelTarget::Run(run_id.clone()))).await,
        Refusal::UnknownRun { run_id }
    );
    assert_eq!(
        world.refused(&t, cancel(CancelTarget::Thread)).await,
        Refusal::NothingToCancel { thread_id: t.clone() }
    );
    let nobody = thread("nobody");
    assert_eq!(
        world.refused(&nobody, cancel(CancelTarget::Thread)).await,
        Refusal::UnknownThread { thread_id: nobody.clone() }
    );
}

/// Cancelling one leaves the others of the thread as they are.
pub async fn the_others_stay(world: World) {
    let t = thread("t");
    let first = world.say(&t, "first").await;
    let second = world.say(&t, "second").await;
    let target = CancelTarget::Dispatch(first.dispatch_id.expect("a dispatch"));
    cancelled(&world, &t, target).await;
    assert_eq!(Some(world.start(&t).await.dispatch.id), second.dispatch_id);
}
