//! The operator: cancels, interrupts, requeues, and moves pending messages about.

use postroom_conformance::front::at_once;
use postroom_core::command::Cancelled;
use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::id::{MessageId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::pending::Delivery;
use postroom_core::ports::{DispatchFilter, MailboxStore, RunFilter};
use postroom_core::run::RunState;
use postroom_service::Error;

use super::Outside;
use super::sender::thread;
use crate::house::Door;
use crate::letters::{Answer, text_of};
use crate::trace::Brief;
use crate::world::pause;

/// Meddles while there is trouble.
pub async fn meddle(outside: Outside) {
    let world = &outside.world;
    loop {
        pause(world.chance.millis(500..9_000)).await;
        let Some(door) = outside.house.any() else { continue };
        let thread_id = thread(&outside);
        match world.chance.number(0..9) {
            0 | 1 => cancel(&outside, &door, thread_id).await,
            2 => interrupt(&outside, &door, thread_id).await,
            3 => requeue(&outside, &door, thread_id).await,
            4 => edit(&outside, &door, thread_id).await,
            5 => retract(&outside, &door, thread_id).await,
            6 if world.shape.reorders => reorder(&outside, &door, thread_id).await,
            _ => deliver(&outside, &door, thread_id).await,
        }
    }
}

async fn cancel(outside: &Outside, door: &Door, thread_id: ThreadId) {
    let world = &outside.world;
    let dispatch = some_dispatch(outside, &thread_id, &[]);
    let way = world.chance.number(0..3);
    let asked = door.ask(move |postroom| async move {
        match (way, dispatch) {
            (0, Some(dispatch)) => postroom.cancel_dispatch(dispatch.id).await,
            (1, Some(dispatch)) => postroom.cancel_run(&dispatch.run_id).await,
            _ => postroom.cancel_thread(&thread_id).await,
        }
    });
    if let Some(Ok(cancelled)) = asked.await {
        let (what, run_id) = match &cancelled {
            Cancelled::Dispatch(dispatch) => ("cancelled queued", &dispatch.run_id),
            Cancelled::WaitingRun(run_id) => ("cancelled waiting", run_id),
            Cancelled::Executing { run_id, .. } => ("cancelled executing", run_id),
        };
        world.mark(what);
        world.note("oper", format_args!("run {}: {what}", Brief(run_id)));
    }
}

async fn interrupt(outside: &Outside, door: &Door, thread_id: ThreadId) {
    let asked = door.ask(move |postroom| async move { postroom.interrupt(&thread_id).await });
    if let Some(Ok(_)) = asked.await {
        outside.world.mark("interrupted");
    }
}

async fn requeue(outside: &Outside, door: &Door, thread_id: ThreadId) {
    let Some(dead) = some_dispatch(outside, &thread_id, &[DispatchState::DeadLetter]) else {
        return;
    };
    let asked = door.ask(move |postroom| async move { postroom.requeue(dead.id).await });
    if let Some(Ok(_)) = asked.await {
        outside.world.mark("dead letter requeued");
    }
}

/// A dispatch of the thread.
fn some_dispatch(
    outside: &Outside,
    thread_id: &ThreadId,
    states: &[DispatchState],
) -> Option<Dispatch> {
    let world = &outside.world;
    let filter = DispatchFilter {
        thread_id: Some(thread_id.clone()),
        states: states.to_vec(),
        ..DispatchFilter::default()
    };
    let found = at_once(world.store.dispatches(&filter, 4, None)).ok()?.items;
    (!found.is_empty()).then(|| world.chance.pick(&found).clone())
}

/// A pending letter of the thread whose sender knows that it is accepted.
fn some_pending(outside: &Outside, thread_id: &ThreadId) -> Option<(MessageId, usize)> {
    let world = &outside.world;
    let pending = at_once(world.store.pending(thread_id)).ok()?;
    let letters = world.letters.lock();
    let known: Vec<(MessageId, usize)> = pending
        .iter()
        .filter_map(|pending| {
            Some((pending.message.id.clone(), letters.find(&pending.message.id)?))
        })
        .collect();
    drop(letters);
    (!known.is_empty()).then(|| world.chance.pick(&known).clone())
}

/// A letter that is accepted and most likely read by now.
fn some_letter(outside: &Outside, thread_id: &ThreadId) -> Option<(MessageId, usize)> {
    let letters = outside.world.letters.lock();
    let known: Vec<(MessageId, usize)> = letters
        .of_thread(thread_id)
        .filter(|(_, letter)| letter.answer == Answer::Accepted)
        .filter_map(|(token, letter)| Some((letter.message_id.clone()?, token)))
        .collect();
    drop(letters);
    (!known.is_empty()).then(|| outside.world.chance.pick(&known).clone())
}

async fn edit(outside: &Outside, door: &Door, thread_id: ThreadId) {
    // Some come too late.
    let late = outside.world.chance.one_in(4).then(|| some_letter(outside, &thread_id)).flatten();
    let Some((id, token)) = late.or_else(|| some_pending(outside, &thread_id)) else { return };
    let content = text_of(token, "edited").as_str().into();
    let asked = door
        .ask(move |postroom| async move { postroom.edit_pending(&thread_id, &id, content).await });
    match asked.await {
        Some(Ok(())) => outside.world.mark("pending edited"),
        Some(Err(error)) => consumed(outside, &error),
        None => {}
    }
}

async fn retract(outside: &Outside, door: &Door, thread_id: ThreadId) {
    let world = &outside.world;
    let Some((id, token)) = some_pending(outside, &thread_id) else { return };
    {
        let mut letters = world.letters.lock();
        let letter = letters.letter(token);
        // Another copy of a letter that was sent twice may be under way.
        if letter.answer != Answer::Accepted || !letter.clean {
            return;
        }
        // From now on it may be there or not.
        letter.answer = Answer::None;
    }
    let asked =
        door.ask(move |postroom| async move { postroom.retract_pending(&thread_id, &id).await });
    let answer = match asked.await {
        Some(Ok(())) => {
            world.mark("pending retracted");
            Answer::Retracted
        }
        Some(Err(error)) if error.refusal().is_some() => {
            consumed(outside, &error);
            Answer::Accepted
        }
        _ => Answer::None,
    };
    world.letters.lock().letter(token).answer = answer;
}

async fn reorder(outside: &Outside, door: &Door, thread_id: ThreadId) {
    let world = &outside.world;
    let Ok(pending) = at_once(world.store.pending(&thread_id)) else { return };
    let mut ids: Vec<MessageId> =
        pending.iter().map(|pending| pending.message.id.clone()).collect();
    if ids.len() < 2 {
        return;
    }
    let swapped = usize::try_from(world.chance.number(1..ids.len() as u64)).unwrap_or(1);
    ids.swap(0, swapped);
    let asked =
        door.ask(move |postroom| async move { postroom.reorder_pending(&thread_id, ids).await });
    match asked.await {
        Some(Ok(())) => world.mark("pending reordered"),
        Some(Err(error)) => consumed(outside, &error),
        None => {}
    }
}

fn consumed(outside: &Outside, error: &Error) {
    let refusal = error.refusal().map(postroom_core::error::Refusal::code);
    if refusal == Some("already_consumed") {
        outside.world.mark("pending already consumed");
    }
}

/// Steers exactly one run.
async fn deliver(outside: &Outside, door: &Door, thread_id: ThreadId) {
    let world = &outside.world;
    let filter = RunFilter { thread_id: Some(thread_id.clone()), ..RunFilter::default() };
    let runs = at_once(world.store.runs(&filter, 4, None)).map(|page| page.items);
    let unfinished: Vec<_> = runs
        .unwrap_or_default()
        .into_iter()
        .filter(|run| matches!(run.run_state(), RunState::Running | RunState::Waiting))
        .collect();
    let Some(run) = unfinished.first() else { return };
    let token = world.letters.lock().write(&thread_id, usize::MAX, None);
    let id = MessageId::parse(&format!("letter {token}")).expect("an id");
    let message = NewMessage { id: Some(id), ..NewMessage::user(&text_of(token, "delivered")) };
    let run_id = run.id.clone();
    let asked = door.ask(move |postroom| async move {
        postroom.deliver(&run_id, vec![message], Delivery::default()).await
    });
    match asked.await {
        Some(Ok(submitted)) => {
            world.mark("delivered to a run");
            let mut letters = world.letters.lock();
            let letter = letters.letter(token);
            letter.answer = Answer::Accepted;
            letter.message_id = submitted.message_ids.first().cloned();
        }
        Some(Err(error)) if error.refusal().is_some() => {
            world.letters.lock().letter(token).answer = Answer::NotWritten;
        }
        _ => {}
    }
}
