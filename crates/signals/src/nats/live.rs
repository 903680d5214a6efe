//! Live control over requests.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::select;
use postroom_core::live::{LiveCommand, LiveReceipt, LiveTarget};
use postroom_core::ports::{LiveControl, LiveHandler, Subscription};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Nats, PATIENCE, Shared};
use crate::local::takes;

/// Live control over requests to the subject of exactly the target. Nobody there is known at once:
/// the server says so.
#[derive(Clone)]
pub struct NatsLive {
    pub(super) nats: Nats,
}

const TAKEN: &[u8] = b"1";
const NOT_TAKEN: &[u8] = b"0";

#[async_trait]
impl LiveControl for NatsLive {
    async fn deliver(
        &self,
        target: &LiveTarget,
        command: LiveCommand,
        timeout: Duration,
    ) -> LiveReceipt {
        let shared = self.nats.shared();
        if !shared.is_connected() {
            return LiveReceipt::NoSubscriber;
        }
        let asking = ask(shared, target, command);
        match tokio::time::timeout(timeout, asking).await {
            Ok(Some(receipt)) => receipt,
            Ok(None) | Err(_) => LiveReceipt::NoSubscriber,
        }
    }

    async fn subscribe(&self, target: LiveTarget, handler: Arc<dyn LiveHandler>) -> Subscription {
        let shared = self.nats.shared();
        let ended = CancellationToken::new();
        let (hears, in_effect) = oneshot::channel();
        let task = take_all(shared.clone(), target, handler, hears);
        let (stop, closed) = (ended.clone(), shared.closed.clone());
        shared.spawner.spawn(Box::pin(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = closed.cancelled() => {}
                () = task => {}
            }
        }));
        // What is asked from then on is heard. Without a connection that may be much later.
        if shared.is_connected() && tokio::time::timeout(PATIENCE, in_effect).await.is_err() {
            tracing::debug!("a subscription to live commands takes effect later");
        }
        Subscription::new(move || ended.cancel())
    }
}

/// Asks whoever listens to the target. Those of a run that are past taking it say so; the one that
/// takes it decides.
async fn ask(shared: &Shared, target: &LiveTarget, command: LiveCommand) -> Option<LiveReceipt> {
    let inbox = shared.client.new_inbox();
    let mut answers = shared.client.subscribe(inbox.clone()).await.ok()?;
    let payload = Bytes::from(serde_json::to_vec(&command).ok()?);
    let subject = shared.subjects.live(target);
    shared.client.publish_with_reply(subject, inbox, payload).await.ok()?;
    loop {
        let answer = answers.next().await?;
        let nobody = answer.status == Some(StatusCode::NO_RESPONDERS);
        if !nobody && &*answer.payload == TAKEN {
            return Some(LiveReceipt::Delivered);
        }
        if nobody || target.dispatch_id.is_some() {
            return Some(LiveReceipt::NoSubscriber);
        }
    }
}

/// To commands for the dispatch, and for whichever executes the run.
async fn listen(shared: &Shared, target: &LiveTarget) -> Option<(Subscriber, Option<Subscriber>)> {
    let exact = shared.client.subscribe(shared.subjects.live(target)).await.ok()?;
    let of_run = match target.dispatch_id {
        Some(_) => {
            let subject = shared.subjects.live_run(&target.thread_id, &target.run_id);
            Some(shared.client.subscribe(subject).await.ok()?)
        }
        None => None,
    };
    Some((exact, of_run))
}

/// Takes commands for the target, and says on `hears` from when on.
async fn take_all(
    shared: Arc<Shared>,
    target: LiveTarget,
    handler: Arc<dyn LiveHandler>,
    hears: oneshot::Sender<()>,
) {
    let Some((exact, of_run)) = listen(&shared, &target).await else {
        return tracing::warn!(run_id = %target.run_id, "no live commands over NATS for this run");
    };
    let mut commands = select(exact, futures::stream::iter(of_run).flatten());
    shared.round_trip().await;
    // Who subscribes may have stopped waiting.
    let _ = hears.send(());
    while let Some(message) = commands.next().await {
        answer(&shared, message, &*handler).await;
    }
}

async fn answer(shared: &Shared, message: Message, handler: &dyn LiveHandler) {
    let Some(reply) = message.reply else { return };
    let Ok(command) = serde_json::from_slice::<LiveCommand>(&message.payload) else {
        return tracing::debug!("a live command that is not understood");
    };
    let receipt = if takes(handler, command) { TAKEN } else { NOT_TAKEN };
    if let Err(error) = shared.client.publish(reply, Bytes::from_static(receipt)).await {
        tracing::debug!(%error, "a receipt was not sent");
    }
}
