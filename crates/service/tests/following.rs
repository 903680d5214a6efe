//! Following events: gapless, each once, from anywhere, however slowly.

mod common;

use std::time::Duration;

use common::*;
use futures::StreamExt;
use postroom_core::command::Mode;
use postroom_core::error::Refusal;
use postroom_core::event::EventBody;
use postroom_core::ports::RunOutcome;

fn talkative(deltas: usize) -> std::sync::Arc<Scripted> {
    scripted(move |_, context| async move {
        for number in 0..deltas {
            context.emit(EventBody::TextDelta { text: format!("{number} ") }).await.unwrap();
            if number % 10 == 9 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        RunOutcome::natural_end(None)
    })
}

#[tokio::test(start_paused = true)]
async fn every_subscriber_sees_every_event_once_from_wherever_it_starts() {
    let mut house = House::alone();
    let node = house.started(talkative(3000)).await;
    let first = node.events(&thread("t"), 0);
    send(&node, "t", Mode::Enqueue, "a").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let middle = history(&node, "t").await.len() as u64 / 2;
    let late = node.events(&thread("t"), middle);
    let last = send(&node, "t", Mode::Enqueue, "b").await;
    finished(&node, &last.run_id).await;
    let all = history(&node, "t").await;
    assert!(all.len() > 500);
    for (mut stream, after) in [(first, 0), (late, middle), (node.events(&thread("t"), 0), 0)] {
        // The first was not read from until now: its buffer ran over long ago.
        let seen = take(&mut stream, all.len() - usize::try_from(after).unwrap()).await;
        assert_eq!(seen[..], all[usize::try_from(after).unwrap()..]);
        let more = tokio::time::timeout(Duration::from_mins(1), stream.next()).await;
        assert!(more.is_err(), "nothing comes twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_on_another_node_sees_everything_too() {
    let mut house = House::shared();
    let node = house.started(talkative(200)).await;
    let other = house.started(echo()).await;
    let mut stream = other.events(&thread("t"), 0);
    let run = send(&node, "t", Mode::Enqueue, "a").await;
    let mut seen = Vec::new();
    while let Some(event) = stream.next().await {
        let event = event.unwrap();
        assert_eq!(event.seq, seen.len() as u64 + 1);
        let is_last = matches!(event.body, EventBody::RunFinished { .. });
        seen.push(event);
        if is_last {
            break;
        }
    }
    assert_eq!(seen, history(&node, "t").await);
    finished(&other, &run.run_id).await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_on_another_node_hears_of_events_at_once() {
    let mut house = House::shared();
    house.config.mailbox.event_poll_ms = 3_600_000;
    let node = house.started(talkative(200)).await;
    let other = house.started(echo()).await;
    let mut stream = other.events(&thread("t"), 0);
    send(&node, "t", Mode::Enqueue, "a").await;
    let began = tokio::time::Instant::now();
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match &event.unwrap().body {
            EventBody::TextDelta { text: more } => text.push_str(more),
            EventBody::RunFinished { .. } => break,
            _ => {}
        }
    }
    assert_eq!(text.split_whitespace().count(), 200);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_waits_on_another_node_is_told_at_once() {
    let mut house = House::shared();
    house.config.mailbox.event_poll_ms = 3_600_000;
    let node = house.started(lasting(Duration::from_secs(7))).await;
    let other = house.started(echo()).await;
    let run = send(&node, "t", Mode::Enqueue, "a").await;
    let began = tokio::time::Instant::now();
    finished(&other, &run.run_id).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn deltas_are_stored_together_and_whole() {
    let mut house = House::alone();
    let node = house.started(talkative(100)).await;
    let run = send(&node, "t", Mode::Enqueue, "a").await;
    finished(&node, &run.run_id).await;
    let events = history(&node, "t").await;
    let texts: Vec<&str> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::TextDelta { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let expected = (0..100).map(|number| format!("{number} ")).collect::<Vec<_>>().concat();
    assert_eq!(texts.concat(), expected);
    assert!(texts.len() <= 11, "{}", texts.len());
    let finished = events.last().unwrap();
    assert!(matches!(finished.body, EventBody::RunFinished { .. }));
}

#[tokio::test(start_paused = true)]
async fn all_threads_can_be_followed_live() {
    let mut house = House::alone();
    let node = house.started(echo()).await;
    send(&node, "before", Mode::Enqueue, "x").await;
    settle_down().await;
    let mut all = node.all_events();
    send(&node, "a", Mode::Enqueue, "x").await;
    send(&node, "b", Mode::Enqueue, "x").await;
    settle_down().await;
    let expected = history(&node, "a").await.len() + history(&node, "b").await.len();
    let seen = take(&mut all, expected).await;
    assert!(seen.iter().all(|event| ["a", "b"].contains(&event.thread_id.to_string().as_str())));
}

#[tokio::test(start_paused = true)]
async fn old_events_are_deleted_and_who_is_behind_is_told() {
    let mut house = House::alone();
    house.config.mailbox.event_retention_ms = 3_600_000;
    let node = house.started(echo()).await;
    let run = send(&node, "t", Mode::Enqueue, "x").await;
    finished(&node, &run.run_id).await;
    let old = history(&node, "t").await.len() as u64;
    let mut reader = node.events(&thread("t"), old);
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(history(&node, "t").await.len() as u64, old, "they are young");
    tokio::time::sleep(Duration::from_mins(40)).await;
    assert!(history(&node, "t").await.is_empty());

    let purged = |answer: Option<&Refusal>| {
        assert_eq!(answer, Some(&Refusal::EventsPurged { purged: old }));
    };
    purged(node.events_after(&thread("t"), 0, 10).await.unwrap_err().refusal());
    assert!(node.events_after(&thread("t"), old, 10).await.unwrap().is_empty());
    let late = node.events(&thread("t"), old - 1).next().await.unwrap();
    purged(late.unwrap_err().refusal());

    send(&node, "t", Mode::Enqueue, "y").await;
    let next = take(&mut reader, 1).await.remove(0);
    assert_eq!(next.seq, old + 1, "who was at the end goes on");
    purged(node.events_after(&thread("t"), 0, 10).await.unwrap_err().refusal());
    assert_eq!(log(&node, "t").await, ["x", "y"]);
}
