//! Who listens to what: said on a subject of its own, so that nothing is told that nobody hears.

use std::sync::{Arc, Weak};

use async_nats::Message;
use bytes::Bytes;
use futures::StreamExt;
use postroom_core::id::ThreadId;
use postroom_core::ports::FeedHint;
use serde::{Deserialize, Serialize};
use tokio::time::MissedTickBehavior;

use super::feed::Inner;
use super::{PATIENCE, Shared};
use crate::interest::{IS_KNOWN_AFTER, REPEAT_EVERY};

/// How many threads are named at once.
const THREADS_AT_ONCE: usize = 200;

/// What a node says of its listening.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ear {
    /// It listens to these.
    Listens(Vec<ThreadId>),
    /// It does not any more.
    Ended(ThreadId),
    /// It is new: what do the others listen to?
    Asks,
    /// It is going.
    Bye,
}

/// Borrowed where it is said, owned where it is heard.
#[derive(Serialize, Deserialize)]
struct Said<T> {
    from: u64,
    what: T,
}

/// Says it to all nodes. Lost, it is made good by the next repetition.
pub(super) async fn say(shared: &Shared, what: &Ear) {
    let Ok(json) = serde_json::to_vec(&Said { from: shared.me, what }) else { return };
    let saying = shared.client.publish(shared.subjects.ears(), Bytes::from(json));
    if !matches!(tokio::time::timeout(PATIENCE, saying).await, Ok(Ok(()))) {
        tracing::debug!("what this node listens to was not said");
    }
}

/// Hears what others listen to, and repeats what this node does, while somebody has the feed.
pub(super) async fn keep(shared: Arc<Shared>, inner: Weak<Inner>) {
    let keeping = async {
        let Ok(mut said) = shared.client.subscribe(shared.subjects.ears()).await else { return };
        let mut connections = shared.connections.subscribe();
        connections.mark_changed();
        let mut repeat = tokio::time::interval(REPEAT_EVERY);
        repeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                changed = connections.changed() => {
                    let (Ok(()), Some(inner)) = (changed, inner.upgrade()) else { return };
                    begin(&shared, &inner).await;
                }
                message = said.next() => {
                    let (Some(message), Some(inner)) = (message, inner.upgrade()) else { return };
                    hear(&shared, &inner, &message).await;
                }
                _ = repeat.tick() => {
                    let Some(inner) = inner.upgrade() else { return };
                    inner.interest.forget_the_silent();
                    repeat_topics(&shared, &inner).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = shared.closed.cancelled() => {
            say(&shared, &Ear::Bye).await;
            // The connection ends with what holds it.
            let _ = tokio::time::timeout(PATIENCE, shared.client.flush()).await;
        }
        () = keeping => {}
    }
}

/// The connection is new: what was told before is lost.
async fn begin(shared: &Shared, inner: &Inner) {
    if !shared.is_connected() {
        return;
    }
    say(shared, &Ear::Asks).await;
    repeat_topics(shared, inner).await;
    // Subscriptions were renewed first thing.
    shared.round_trip().await;
    tokio::time::sleep(IS_KNOWN_AFTER).await;
    for thread_id in inner.topics.threads() {
        inner.topics.tell(&thread_id, &FeedHint::Look);
    }
}

async fn hear(shared: &Shared, inner: &Inner, message: &Message) {
    let Ok(Said::<Ear> { from, what }) = serde_json::from_slice(&message.payload) else { return };
    if from == shared.me {
        return;
    }
    match what {
        Ear::Listens(threads) => inner.interest.heard(from, threads),
        Ear::Ended(thread_id) => inner.interest.ended(from, &thread_id),
        Ear::Asks => repeat_topics(shared, inner).await,
        Ear::Bye => inner.interest.gone(from),
    }
}

async fn repeat_topics(shared: &Shared, inner: &Inner) {
    for threads in inner.topics.threads().chunks(THREADS_AT_ONCE) {
        say(shared, &Ear::Listens(threads.to_vec())).await;
    }
}
