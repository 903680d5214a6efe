//! Senders: submit letters in all modes, and try again until they know.

use std::time::Duration;

use postroom_conformance::front::at_once;
use postroom_core::command::{Mode, Start, Submit, Submitted};
use postroom_core::dispatch::Priority;
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{AgentId, DedupeKey, IdempotencyKey, MessageId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::pending::{Boundary, Delivery, Granularity};
use postroom_core::ports::MailboxStore;
use postroom_service::Error;

use super::Outside;
use crate::check;
use crate::letters::{Answer, text_of};
use crate::shape::AGENTS;
use crate::world::{World, pause};

/// After so many tries a sender would rather know what is wrong.
const TRIES_MAX: u32 = 400;

/// Sends all its letters, one after the other.
pub async fn send_all(outside: Outside, sender: usize) {
    let world = &outside.world;
    for _ in 0..world.shape.letters {
        pause(world.chance.millis(0..8_000)).await;
        let thread_id = thread(&outside);
        if world.chance.one_in(12) {
            send_batch(&outside, sender).await;
        } else {
            let letter = write(&outside, sender, thread_id);
            send(&outside, letter, false).await;
        }
    }
}

/// A thread to write to.
pub fn thread(outside: &Outside) -> ThreadId {
    let number = outside.world.chance.number(0..outside.world.shape.threads as u64);
    ThreadId::parse(&format!("t{number}")).expect("a name")
}

/// A letter, ready to be sent.
pub struct Parcel {
    token: usize,
    thread_id: ThreadId,
    submit: Submit,
    /// Whether its sender loses patience.
    gives_up: bool,
}

/// A letter in one of the modes, with this or that.
fn write(outside: &Outside, sender: usize, thread_id: ThreadId) -> Parcel {
    let world = &outside.world;
    let chance = &world.chance;
    let mode = chance.weighted(&[
        (10, Mode::Enqueue),
        (8, Mode::Steer),
        (3, Mode::Interrupt),
        (2, Mode::Rollback),
        (3, Mode::Reject),
    ]);
    world.mark(match mode {
        Mode::Enqueue => "submit enqueue",
        Mode::Interrupt => "submit interrupt",
        Mode::Steer => "submit steer",
        Mode::Reject => "submit reject",
        Mode::Rollback => "submit rollback",
    });
    let mut submit = Submit::new(mode, Vec::new());
    submit.max_attempts = u32::try_from(chance.number(1..5)).unwrap_or(1);
    let plain = chance.one_in(2);
    if !plain {
        vary(outside, &mut submit);
    }
    let order = (plain && matches!(mode, Mode::Enqueue | Mode::Steer)).then_some(mode);
    let token = world.letters.lock().write(&thread_id, sender, order);
    let mut message = NewMessage::user(&text_of(token, "from a sender"));
    let keyed = chance.one_in(5);
    if keyed {
        world.mark("submitted with an idempotency key");
        submit.idempotency_key = IdempotencyKey::parse(&format!("key {token}")).ok();
    }
    // Where old answers are purged soon, a key alone does not keep a letter from being doubled.
    let remembered = world.shape.config.mailbox.gc_ttl_ms > 1_000_000;
    if !(keyed && remembered && chance.one_in(2)) {
        let id = MessageId::parse(&format!("letter {token}")).expect("an id");
        world.letters.lock().letter(token).message_id = Some(id.clone());
        message.id = Some(id);
    }
    submit.messages = vec![message];
    Parcel { token, thread_id, submit, gives_up: chance.one_in(6) }
}

fn vary(outside: &Outside, submit: &mut Submit) {
    let chance = &outside.world.chance;
    submit.priority = Priority(*chance.pick(&[10, 128, 128, 200]));
    if chance.one_in(4) {
        outside.world.mark("submitted for later");
        submit.start = Start::In(chance.millis(0..20_000));
    }
    if chance.one_in(3) {
        let agent: &str = chance.pick::<&str>(&AGENTS);
        submit.agent_id = AgentId::parse(agent).ok();
    }
    if chance.one_in(3) {
        let key: &str = chance.pick::<&str>(&["spring", "summer"]);
        submit.dedupe_key = DedupeKey::parse(key).ok();
    }
    if chance.one_in(3) {
        let boundary =
            *chance.pick(&[Boundary::NextStep, Boundary::OnNaturalEnd, Boundary::NewRun]);
        let granularity = *chance.pick(&[Granularity::One, Granularity::Batch]);
        let barrier = chance.one_in(3);
        submit.delivery = Delivery { boundary: Some(boundary), granularity, barrier };
    }
}

/// Sends a letter until its sender knows what has become of it, or loses patience.
async fn send(outside: &Outside, parcel: Parcel, mut lost_one: bool) {
    let world = &outside.world;
    for tries in 1..=TRIES_MAX {
        let Some(door) = outside.house.any() else {
            pause(world.chance.millis(100..2_000)).await;
            continue;
        };
        let (thread_id, submit) = (parcel.thread_id.clone(), parcel.submit.clone());
        let answer = door
            .ask(move |postroom| async move { postroom.submit(Some(thread_id), submit).await })
            .await;
        if heard(outside, &parcel, lost_one, answer.as_ref()) {
            return;
        }
        lost_one = lost_one || may_be_written(answer.as_ref());
        if parcel.gives_up && tries >= 3 {
            world.mark("submission given up");
            settle(outside, parcel.token, lost_one, Answer::NotWritten);
            return;
        }
        world.letters.lock().letter(parcel.token).clean = !lost_one;
        pause(world.chance.millis(10..1_500)).await;
    }
    world.broken(4, format!("letter m{} is not taken in {TRIES_MAX} tries", parcel.token));
}

/// Several letters at once.
async fn send_batch(outside: &Outside, sender: usize) {
    let world = &outside.world;
    world.mark("submitted in a batch");
    let count = world.chance.number(2..4);
    let parcels: Vec<Parcel> = (0..count)
        .map(|_| {
            let parcel = write(outside, sender, thread(outside));
            // One of them may fail, and be sent again after the others.
            world.letters.lock().letter(parcel.token).order = None;
            parcel
        })
        .collect();
    let items: Vec<(Option<ThreadId>, Submit)> = parcels
        .iter()
        .map(|parcel| (Some(parcel.thread_id.clone()), parcel.submit.clone()))
        .collect();
    let mut answers = Vec::new();
    if let Some(door) = outside.house.any() {
        let asked = door.ask(move |postroom| async move { Ok(postroom.submit_batch(items).await) });
        answers = asked.await.and_then(Result::ok).unwrap_or_default();
    }
    let mut answers = answers.into_iter();
    for parcel in parcels {
        let answer = answers.next();
        if !heard(outside, &parcel, false, answer.as_ref()) {
            world.letters.lock().letter(parcel.token).clean = false;
            send(outside, parcel, may_be_written(answer.as_ref())).await;
        }
    }
}

/// Whether a request without success may have been carried out, or may be yet.
fn may_be_written(answer: Option<&Result<Submitted, Error>>) -> bool {
    !matches!(answer, Some(Err(Error::Store(StoreError::Unavailable { .. }))))
}

/// Notes an answer; `false` if the sender does not know yet.
fn heard(
    outside: &Outside,
    parcel: &Parcel,
    lost_one: bool,
    answer: Option<&Result<Submitted, Error>>,
) -> bool {
    let world = &outside.world;
    let Parcel { token, thread_id, .. } = parcel;
    match answer {
        None => {
            world.mark("submission unanswered");
            world.note("send", format_args!("m{token} {thread_id}: no answer"));
            false
        }
        Some(Ok(submitted)) => {
            world.mark("submission accepted");
            if submitted.replayed {
                world.mark("submission replayed");
            }
            world.note("send", format_args!("m{token} {thread_id}: {:?}", submitted.status));
            {
                let mut letters = world.letters.lock();
                let letter = letters.letter(*token);
                letter.answer = Answer::Accepted;
                letter.message_id = submitted.message_ids.first().cloned();
                letter.run_id = Some(submitted.run_id.clone());
                letter.own_run = is_new_run(world, submitted);
            }
            // A promise holds from the moment it is given.
            check::look(world, thread_id);
            check::look_at_letters(world, thread_id);
            true
        }
        Some(Err(error)) => {
            world.note("send", format_args!("m{token} {thread_id}: {error}"));
            let Some(refusal) = error.refusal() else { return false };
            world.mark("submission refused");
            match refusal {
                Refusal::ThreadBusy { .. } => world.mark("submission refused: thread busy"),
                Refusal::ActiveRun { .. } => world.mark("submission refused: active run"),
                Refusal::DuplicateKey { .. } => world.mark("submission refused: duplicate key"),
                _ => {}
            }
            settle(outside, *token, lost_one, Answer::NotWritten);
            true
        }
    }
}

/// Whether the submission made its run: the run's first event came with it.
fn is_new_run(world: &World, submitted: &Submitted) -> bool {
    let events = at_once(world.store.events(&submitted.thread_id, 0, usize::MAX));
    let events = events.unwrap_or_default();
    let first = events.iter().find(|event| event.run_id.as_ref() == Some(&submitted.run_id));
    !submitted.replayed && first.is_some_and(|event| event.seq > submitted.event_seq_before)
}

/// A request that got lost may still be under way: then nobody knows.
fn settle(outside: &Outside, token: usize, lost_one: bool, answer: Answer) {
    if !lost_one {
        outside.world.letters.lock().letter(token).answer = answer;
    }
}

/// Time between two looks of those who wait.
pub const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
