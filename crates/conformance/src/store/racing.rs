//! Many at once: exactly one wins, nothing is lost and nothing doubled.

use std::collections::HashSet;
use std::sync::Arc;

use postroom_core::command::{Command, Envelope, Mode, Outcome, Reply, RunResult};
use postroom_core::dispatch::{Claim, DispatchState};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{DispatchId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::ports::MailboxStore;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::world::{World, claim_of, delivery, request, said, settle, thread};

const RACERS: usize = 32;

async fn claimed(store: &dyn MailboxStore, t: &ThreadId, node: usize) -> Option<Claim> {
    let command = Command::Claim(request(&format!("n{node}")));
    let answer = store.apply(vec![Envelope::new(t.clone(), command)]).await.remove(0);
    match answer.expect("a claim").reply {
        Reply::Claimed(delivered) => delivered.map(|boxed| claim_of(&boxed.dispatch)),
        other => panic!("claim was answered {other:?}"),
    }
}

/// Of any number of nodes that claim one thread exactly one gets it, every time.
pub async fn claimers_of_one_thread(world: World) {
    let t = thread("t");
    for round in 0..20 {
        world.enqueue(&t, delivery(&format!("r{round}"))).await;
        world.enqueue(&t, delivery(&format!("s{round}"))).await;
        let start = Arc::new(Barrier::new(RACERS));
        let mut racers = JoinSet::new();
        for node in 0..RACERS {
            let (store, t, start) = (world.store.clone(), t.clone(), start.clone());
            racers.spawn(async move {
                start.wait().await;
                claimed(&*store, &t, node).await
            });
        }
        let claims: Vec<Claim> = racers.join_all().await.into_iter().flatten().collect();
        let [claim] = &claims[..] else { panic!("{} have won", claims.len()) };
        world.ack(&t, claim).await;
        let (_, claim) = world.claim(&t).await;
        world.ack(&t, &claim).await;
    }
    world.snapshot(&t).await;
}

/// `claim_ready` from many nodes gives each thread to one of them.
pub async fn claimers_of_what_is_ready(world: World) {
    const THREADS: usize = 100;
    for n in 0..THREADS {
        world.enqueue(&thread(&format!("t{n}")), delivery(&format!("r{n}"))).await;
    }
    let start = Arc::new(Barrier::new(8));
    let mut racers = JoinSet::new();
    for node in 0..8 {
        let (store, start) = (world.store.clone(), start.clone());
        racers.spawn(async move {
            start.wait().await;
            let mut won = Vec::new();
            loop {
                let ready = store.claim_ready(request(&format!("n{node}")), 7).await;
                let claimed = ready.expect("a claim").claimed;
                if claimed.is_empty() {
                    return won;
                }
                won.extend(claimed.into_iter().map(|delivered| delivered.dispatch.id));
            }
        });
    }
    let won: Vec<DispatchId> = racers.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), THREADS);
    assert_eq!(won.iter().collect::<HashSet<_>>().len(), THREADS, "one was given twice");
}

/// Submissions from many senders are all there, each sender's in its order.
pub async fn submitters(world: World) {
    const EACH: usize = 20;
    let t = thread("t");
    let mut senders = JoinSet::new();
    for sender in 0..8 {
        let (store, t) = (world.store.clone(), t.clone());
        senders.spawn(async move {
            for n in 0..EACH {
                let submit = said(Mode::Enqueue, &format!("{sender} {n}"));
                let command = Command::Submit(Box::new(submit));
                let answers = store.apply(vec![Envelope::new(t.clone(), command)]).await;
                assert!(answers[0].is_ok());
            }
        });
    }
    senders.join_all().await;
    let texts = world.texts(&t).await;
    assert_eq!(texts.len(), 8 * EACH);
    for sender in 0..8 {
        let prefix = format!("{sender} ");
        let own: Vec<&str> = texts.iter().filter_map(|text| text.strip_prefix(&prefix)).collect();
        let expected: Vec<String> = (0..EACH).map(|n| n.to_string()).collect();
        assert_eq!(own, expected);
    }
}

/// One message, submitted by many at once, is there once, and all are told of the same run.
pub async fn submitters_of_the_same(world: World) {
    let t = thread("t");
    let mut senders = JoinSet::new();
    for _ in 0..RACERS {
        let (store, t) = (world.store.clone(), t.clone());
        senders.spawn(async move {
            let id = Some(postroom_core::id::MessageId::parse("m").expect("a name"));
            let message = NewMessage { id, ..NewMessage::user("hello") };
            let submit = postroom_core::command::Submit::new(Mode::Enqueue, vec![message]);
            let command = Command::Submit(Box::new(submit));
            let answer = store.apply(vec![Envelope::new(t, command)]).await.remove(0);
            match answer.expect("it is accepted").reply {
                Reply::Submitted(submitted) => (submitted.run_id, submitted.replayed),
                other => panic!("submit was answered {other:?}"),
            }
        });
    }
    let answers = senders.join_all().await;
    assert_eq!(answers.iter().filter(|(_, replayed)| !replayed).count(), 1);
    assert!(answers.iter().all(|(run_id, _)| *run_id == answers[0].0));
    assert_eq!(world.texts(&t).await, ["hello"]);
    world.snapshot(&t).await;
}

/// An end and a reclaim at the same moment: one of them, whole.
pub async fn settle_against_reclaim(world: World) {
    for round in 0..20 {
        let t = thread(&format!("t{round}"));
        let active = world.started(&t).await;
        let start = Arc::new(Barrier::new(2));
        let mut racers = JoinSet::new();
        let end = settle(&active.claim, Outcome::Ack(RunResult::natural_end(None)));
        let retry_in = std::time::Duration::ZERO;
        for command in [end, Command::Reclaim { force: true, retry_in }] {
            let (store, t, start) = (world.store.clone(), t.clone(), start.clone());
            racers.spawn(async move {
                start.wait().await;
                store.apply(vec![Envelope::new(t, command)]).await.remove(0)
            });
        }
        let mut settled = false;
        for answer in racers.join_all().await {
            match answer {
                Ok(applied) => settled |= matches!(applied.reply, Reply::Settled(_)),
                Err(StoreError::Refused(Refusal::StaleClaim { .. })) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let state = if settled { DispatchState::Acked } else { DispatchState::Queued };
        assert_eq!(world.state(active.dispatch.id).await, state);
        world.snapshot(&t).await;
    }
}
