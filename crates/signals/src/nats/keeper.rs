//! Keeps what NATS is needed for: the connection, the stream, the consumer.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, consumer};
use tokio::time::Instant;

use super::{Shared, State, queue};

/// How often it is looked whether everything is still there.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The same while something is missing.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// A server that takes longer to say what it has is as good as none.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// How long the first connection may take before it is said to be missing.
const CONNECTS_WITHIN: Duration = Duration::from_secs(2);

/// Looks, and mends what it can, until the connection is given up.
pub(super) async fn keep(shared: Arc<Shared>) {
    let began = Instant::now();
    let mut connections = shared.connections.subscribe();
    // What was there on the connection before may be gone on this one.
    let mut is_prepared = false;
    loop {
        let looking = look(&shared, is_prepared);
        let state = match tokio::time::timeout(ANSWERS_WITHIN, looking).await {
            Ok(Ok(version)) => State::Ready { version },
            Ok(Err(reason)) => State::Lost { reason },
            Err(_) => State::Lost { reason: "it does not answer".to_owned() },
        };
        is_prepared = matches!(state, State::Ready { .. });
        shared.state.send_if_modified(|known| {
            let connects_still =
                *known == State::Connecting && !is_prepared && !shared.is_connected();
            if *known == state || connects_still && began.elapsed() < CONNECTS_WITHIN {
                return false;
            }
            *known = state;
            true
        });
        let pause = if is_prepared { LOOK_EVERY } else { LOOK_AGAIN_AFTER };
        tokio::select! {
            biased;
            () = shared.closed.cancelled() => return,
            _ = connections.changed() => is_prepared = false,
            () = shared.trouble.notified(), if is_prepared => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Answers the server's version if everything is there, made by this call perhaps; else what is
/// missing.
async fn look(shared: &Shared, is_prepared: bool) -> Result<String, String> {
    if !shared.is_connected() {
        return Err("there is no connection".to_owned());
    }
    if !(is_prepared && is_there(shared).await) {
        queue::prepare(shared).await?;
    }
    Ok(shared.client.server_info().version)
}

async fn is_there(shared: &Shared) -> bool {
    let context = jetstream::new(shared.client.clone());
    let stream = shared.subjects.stream();
    let found: Result<PullConsumer, _> = context
        .get_consumer_from_stream::<consumer::pull::Config, _, _>(queue::CONSUMER, stream)
        .await;
    found.is_ok()
}
