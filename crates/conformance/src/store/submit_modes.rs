//! `submit`: what happens when the thread has work already, in each of the five modes.

use postroom_core::command::{
    Command, Mode, Outcome, RunResult, Step, Submit, SubmittedStatus, Take,
};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::Refusal;
use postroom_core::id::{MessageId, RunId};
use postroom_core::message::NewMessage;
use postroom_core::run::{Termination, WaitReason};

use crate::world::{World, beginning, commit, said, started, thread};

const MODES: [Mode; 5] =
    [Mode::Enqueue, Mode::Interrupt, Mode::Steer, Mode::Reject, Mode::Rollback];

fn submit(mode: Mode, text: &str) -> Command {
    Command::Submit(Box::new(said(mode, text)))
}

/// On an idle thread, new or not, every mode starts a run.
pub async fn every_mode_starts_an_idle_thread(world: World) {
    for mode in MODES {
        let t = thread(&format!("{mode:?}"));
        for text in ["first", "second"] {
            let submitted = world.submit(&t, said(mode, text)).await;
            assert_eq!(submitted.thread_id, t);
            assert_eq!(submitted.status, SubmittedStatus::Queued);
            assert_eq!(submitted.message_ids.len(), 1);
            assert!(!submitted.replayed);
            let active = world.start(&t).await;
            assert_eq!(active.run.id, submitted.run_id);
            assert_eq!(Some(active.dispatch.id), submitted.dispatch_id);
            assert_eq!(active.input[0].message.content.text(), text);
            assert_eq!(
                Some(active.input[0].message.id.clone()),
                submitted.message_ids.first().cloned()
            );
            world.ack(&t, &active.claim).await;
            world.snapshot(&t).await;
        }
    }
}

/// `enqueue` and `steer` wait their turn behind queued work.
pub async fn wait_behind_queued_work(world: World) {
    for mode in [Mode::Enqueue, Mode::Steer] {
        let t = thread(&format!("{mode:?}"));
        let first = world.say(&t, "first").await;
        let second = world.submit(&t, said(mode, "second")).await;
        assert_ne!(second.run_id, first.run_id);
        assert_eq!(second.status, SubmittedStatus::Queued);
        let active = world.start(&t).await;
        assert_eq!(active.run.id, first.run_id);
        world.ack(&t, &active.claim).await;
        assert_eq!(world.start(&t).await.run.id, second.run_id);
    }
}

/// `interrupt` and `rollback` supersede queued work, and its runs end.
pub async fn supersede_queued_work(world: World) {
    for mode in [Mode::Interrupt, Mode::Rollback] {
        let t = thread(&format!("{mode:?}"));
        let first = world.say(&t, "first").await;
        let epoch = world.thread(&t).await.epoch;
        let second = world.submit(&t, said(mode, "second")).await;
        assert_eq!(
            world.state(first.dispatch_id.expect("a dispatch")).await,
            DispatchState::Superseded
        );
        let run = world.run(&first.run_id).await;
        assert_eq!(run.termination(), Some(&Termination::Cancelled));
        assert_eq!(run.hidden, mode == Mode::Rollback);
        assert_eq!(world.thread(&t).await.epoch, epoch.next());
        assert_eq!(world.texts(&t).await, ["first", "second"], "the log stays whole");
        assert_eq!(world.start(&t).await.run.id, second.run_id);
        world.snapshot(&t).await;
    }
}

/// `interrupt` and `rollback` are refused while a run executes, and have destroyed nothing.
pub async fn do_not_touch_an_active_run(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    world.say(&t, "queued").await;
    for mode in [Mode::Interrupt, Mode::Rollback] {
        let refusal = world.refused(&t, submit(mode, "now")).await;
        let (run_id, dispatch_id) = (active.run.id.clone(), active.dispatch.id);
        assert_eq!(refusal, Refusal::ActiveRun { run_id, dispatch_id });
    }
}

/// `enqueue` waits its turn behind an executing run; `steer` joins it, without a dispatch.
pub async fn beside_an_active_run(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let queued = world.submit(&t, said(Mode::Enqueue, "later")).await;
    assert_ne!(queued.run_id, active.run.id);
    assert_eq!(queued.status, SubmittedStatus::Queued);
    let steered = world.submit(&t, said(Mode::Steer, "now")).await;
    assert_eq!(steered.run_id, active.run.id);
    assert_eq!(steered.status, SubmittedStatus::Running);
    assert_eq!(world.pending_texts(&t).await, ["now"]);
    assert_eq!(world.thread(&t).await.queued, 1);
    world.snapshot(&t).await;
    world.apply(&t, commit(&active.claim, Step { take: Take::NextStep, ..Step::default() })).await;
    assert_eq!(world.texts(&t).await.last().map(String::as_str), Some("now"));
    world.ack(&t, &active.claim).await;
    assert_eq!(world.start(&t).await.run.id, queued.run_id);
    world.snapshot(&t).await;
}

/// `reject` is refused whenever there is work.
pub async fn reject(world: World) {
    let t = thread("t");
    world.say(&t, "first").await;
    let expected = Refusal::ThreadBusy { queued: 1, executing: false };
    assert_eq!(world.refused(&t, submit(Mode::Reject, "second")).await, expected);
    let active = world.start(&t).await;
    let expected = Refusal::ThreadBusy { queued: 0, executing: true };
    assert_eq!(world.refused(&t, submit(Mode::Reject, "second")).await, expected);
    world.ack(&t, &active.claim).await;
    world.submit(&t, said(Mode::Reject, "second")).await;
}

/// A rollback hides the run that was asked to stop, if it was indeed cancelled.
pub async fn rollback_hides_the_stopped_run(world: World) {
    for cancelled in [true, false] {
        let t = thread(&format!("cancelled {cancelled}"));
        let active = world.started(&t).await;
        let result = if cancelled { RunResult::cancelled() } else { RunResult::natural_end(None) };
        world.settle(&t, &active.claim, Outcome::Ack(result)).await;
        let mut rollback = said(Mode::Rollback, "again");
        rollback.stopped_run_id = Some(active.run.id.clone());
        world.submit(&t, rollback).await;
        assert_eq!(world.run(&active.run.id).await.hidden, cancelled);
        world.snapshot(&t).await;
    }
}

/// Neither messages nor decisions: refused, and no thread comes of it.
pub async fn nothing_at_all(world: World) {
    let t = thread("t");
    let empty = Command::Submit(Box::new(Submit::new(Mode::Enqueue, Vec::new())));
    assert!(matches!(world.refused(&t, empty).await, Refusal::Invalid { .. }));
    assert!(world.store.thread(&t).await.expect("a read").is_none());
}

/// A thread whose open run waits is continued: the same run, a new dispatch.
pub async fn a_waiting_run_is_continued(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let wait = postroom_core::command::Wait::new(WaitReason::UserInput);
    world.settle(&t, &active.claim, Outcome::Wait(wait)).await;
    let submitted = world.say(&t, "the answer").await;
    assert_eq!(submitted.run_id, active.run.id);
    assert_ne!(submitted.dispatch_id, Some(active.dispatch.id));
    world.snapshot(&t).await;
    let again = world.start(&t).await;
    assert_eq!((again.run.id.clone(), again.run.attempt), (active.run.id.clone(), 2));
    let texts: Vec<_> = again.input.iter().map(|row| row.message.content.text()).collect();
    assert_eq!(texts, ["begin", "the answer"]);
}

/// An interrupt ends a waiting run, and starts a new one.
pub async fn a_waiting_run_is_interrupted(world: World) {
    let t = thread("t");
    let run = world.waiting_for_permission(&t, "call").await;
    let submitted = world.submit(&t, said(Mode::Interrupt, "stop that")).await;
    assert_ne!(submitted.run_id, run.id);
    let run = world.run(&run.id).await;
    assert_eq!(run.termination(), Some(&Termination::Cancelled));
    assert!(!run.has_open_ticket());
    world.snapshot(&t).await;
}

/// A run that the caller names: new under that name; refused where it can't be continued.
pub async fn a_named_run(world: World) {
    let t = thread("t");
    let run_id = RunId::parse("mine").expect("a name");
    let named = |text: &str| Submit { run_id: Some(run_id.clone()), ..said(Mode::Enqueue, text) };
    let command = |text: &str| Command::Submit(Box::new(named(text)));
    assert_eq!(world.submit(&t, named("first")).await.run_id, run_id);
    let refusal = world.refused(&thread("other"), command("x")).await;
    assert_eq!(refusal, Refusal::RunElsewhere { run_id: run_id.clone() });
    let active = world.start(&t).await;
    world.ack(&t, &active.claim).await;
    let refusal = world.refused(&t, command("again")).await;
    let state = postroom_core::run::RunState::Done;
    assert_eq!(refusal, Refusal::IllegalRun { run_id, state, command: "submit" });
}

/// What the caller believes the current run to be must be so.
pub async fn an_expected_run(world: World) {
    let t = thread("t");
    let submitted = world.say(&t, "first").await;
    let expecting = |run_id: &RunId| Submit {
        expected_run_id: Some(run_id.clone()),
        ..said(Mode::Enqueue, "second")
    };
    let wrong = RunId::parse("wrong").expect("a name");
    let refusal = world.refused(&t, Command::Submit(Box::new(expecting(&wrong)))).await;
    let actual = Some(submitted.run_id.clone());
    assert_eq!(refusal, Refusal::UnexpectedRun { expected: wrong, actual });
    world.submit(&t, expecting(&submitted.run_id)).await;
}

/// The new dispatch can be claimed, and begun, in the same transaction, if nothing is before it.
pub async fn can_be_claimed_at_once(world: World) {
    let t = thread("t");
    let at_once = |text: &str| Submit { claim: Some(beginning("n")), ..said(Mode::Enqueue, text) };
    let first = world.submit(&t, at_once("first")).await;
    assert_eq!(first.status, SubmittedStatus::Running);
    let active = started(*first.claimed.expect("it is claimed"));
    assert_eq!(active.input[0].message.content.text(), "first");
    world.snapshot(&t).await;
    let second = world.submit(&t, at_once("second")).await;
    assert_eq!((second.status, second.claimed), (SubmittedStatus::Queued, None));
    world.ack(&t, &active.claim).await;
    let third = world.submit(&t, at_once("third")).await;
    assert_eq!(third.claimed, None, "the second is before it");
    world.snapshot(&t).await;
}

/// Too much is refused.
pub async fn a_full_queue(world: World) {
    let t = thread("t");
    let mut limited = said(Mode::Enqueue, "x");
    limited.limits.max_queued = 2;
    world.submit(&t, limited.clone()).await;
    world.submit(&t, limited.clone()).await;
    let refusal = world.refused(&t, Command::Submit(Box::new(limited.clone()))).await;
    assert_eq!(refusal, Refusal::QueueFull { queued: 2, limit: 2 });
    let active = world.start(&t).await;
    limited.mode = Mode::Steer;
    limited.limits.max_pending = 0;
    let refusal = world.refused(&t, Command::Submit(Box::new(limited))).await;
    assert_eq!(refusal, Refusal::PendingFull { pending: 0, limit: 0 });
    world.ack(&t, &active.claim).await;
}

/// Several messages of one submission are one run's input, in order; one id is there once.
pub async fn several_messages(world: World) {
    let t = thread("t");
    let twice = NewMessage {
        id: Some(MessageId::parse("m").expect("a name")),
        ..NewMessage::user("named")
    };
    let messages = vec![NewMessage::user("a"), twice.clone(), NewMessage::user("b"), twice];
    let submitted = world.submit(&t, Submit::new(Mode::Enqueue, messages)).await;
    assert_eq!(submitted.message_ids.len(), 4);
    assert_eq!(world.texts(&t).await, ["a", "named", "b"]);
    let active = world.start(&t).await;
    assert_eq!(active.input.len(), 3);
    world.snapshot(&t).await;
}

/// A delivery may ask for a run of its own, or not to wait for one.
pub async fn the_boundary_overrules_the_mode(world: World) {
    use postroom_core::pending::{Boundary, Delivery};
    let t = thread("t");
    let active = world.started(&t).await;
    let with = |mode, boundary| Submit {
        delivery: Delivery { boundary: Some(boundary), ..Delivery::default() },
        ..said(mode, "x")
    };
    let own = world.submit(&t, with(Mode::Steer, Boundary::NewRun)).await;
    assert_ne!(own.run_id, active.run.id);
    let joined = world.submit(&t, with(Mode::Enqueue, Boundary::OnNaturalEnd)).await;
    assert_eq!(joined.run_id, active.run.id);
    world.snapshot(&t).await;
}
