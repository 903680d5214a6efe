//! Pulling from the work queue.

use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use futures::StreamExt;
use postroom_core::id::ThreadId;
use postroom_core::ports::{PulledSignal, SignalError, SignalReceipt};
use tokio::sync::oneshot;

use super::signals::{self, failed};
use super::{PATIENCE, Shared, queue};

/// Who waits for the signals. Gone, it takes none.
pub(super) type Taker = oneshot::Sender<Result<Vec<PulledSignal>, SignalError>>;

/// What the server answers a pull with.
#[derive(PartialEq, Eq)]
enum Answer {
    Signal,
    /// There is nothing, or nothing more.
    Nothing,
}

/// Pulls up to `max` signals for `taker`, waiting up to `wait` for the first. Where the taker is gone
/// they are given back at once: else they would wait until their acknowledgement is overdue.
pub(super) async fn pull_for(shared: &Shared, mut taker: Taker, max: usize, wait: Duration) {
    let mut connections = shared.connections.subscribe();
    let mut pull = match Pull::open(shared).await {
        Ok(pull) => pull,
        Err(error) => {
            // Who is gone needs no answer.
            let _ = taker.send(Err(error));
            return;
        }
    };
    let pulled = tokio::select! {
        biased;
        () = taker.closed() => return pull.take_back(wait).await,
        pulled = pull.pull(max, wait) => pulled,
        // The server has forgotten what it was asked on the connection before.
        _ = connections.changed() => {
            // Who is gone needs no answer.
            let _ = taker.send(Err(failed(&"the connection was made anew")));
            return pull.take_back(Duration::ZERO).await;
        }
    };
    let answer = match pulled {
        Err(error) if pull.signals.is_empty() => Err(error),
        // What has come is enough.
        _ => Ok(pull.signals),
    };
    if let Err(Ok(signals)) = taker.send(answer) {
        give_back_all(shared, signals).await;
    }
}

/// One pull under way.
struct Pull<'a> {
    shared: &'a Shared,
    inbox: Subscriber,
    reply: String,
    signals: Vec<PulledSignal>,
    /// How many signals the server may still send for what it was asked.
    awaited: usize,
}

impl<'a> Pull<'a> {
    async fn open(shared: &'a Shared) -> Result<Self, SignalError> {
        let reply = shared.client.new_inbox();
        let subscribing = shared.client.subscribe(reply.clone());
        let inbox = match tokio::time::timeout(PATIENCE, subscribing).await {
            Ok(inbox) => inbox.map_err(|error| failed(&error))?,
            Err(_) => return Err(failed(&"it takes nothing")),
        };
        Ok(Self { shared, inbox, reply, signals: Vec::new(), awaited: 0 })
    }

    /// Waits for one; what else is there by then comes with it. So no signal is held back here that
    /// another node could have, and none waits for a batch to be full.
    async fn pull(&mut self, max: usize, wait: Duration) -> Result<(), SignalError> {
        let nanos = wait.as_nanos().clamp(1_000_000, u128::from(u64::MAX / 2));
        self.request(1, &format!(r#""expires":{nanos}"#)).await?;
        if self.next(wait + PATIENCE).await? == Answer::Signal && max > 1 {
            self.request(max - 1, r#""no_wait":true"#).await?;
            while self.awaited > 0 && self.next(PATIENCE).await? == Answer::Signal {}
        }
        Ok(())
    }

    async fn request(&mut self, batch: usize, how: &str) -> Result<(), SignalError> {
        let wish = format!(r#"{{"batch":{batch},{how}}}"#);
        self.awaited = batch;
        let stream = self.shared.subjects.stream();
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{}", queue::CONSUMER);
        let client = &self.shared.client;
        let asking = client.publish_with_reply(subject, self.reply.clone(), wish.into());
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(asked) => asked.map_err(|error| failed(&error)),
            Err(_) => Err(failed(&"it takes nothing")),
        }
    }

    /// The server's next answer. A signal is put with the others.
    async fn next(&mut self, patience: Duration) -> Result<Answer, SignalError> {
        match tokio::time::timeout(patience, self.inbox.next()).await {
            Ok(Some(message)) => {
                let answer = read(message);
                if let Ok(Some(signal)) = answer {
                    self.awaited = self.awaited.saturating_sub(1);
                    self.signals.push(signal);
                    return Ok(Answer::Signal);
                }
                self.awaited = 0;
                answer.map(|_| Answer::Nothing)
            }
            Ok(None) => Err(failed(&"the connection is closed")),
            Err(_) => Err(failed(&"it does not answer")),
        }
    }

    /// Gives back what has come, and what still comes. It listens until the server has answered: to
    /// hang up would lose the signal that the server has just chosen this pull for. Not before, or what
    /// is given back would come to this pull again.
    async fn take_back(mut self, wait: Duration) {
        while self.awaited > 0 && self.next(wait + PATIENCE).await.is_ok() {}
        give_back_all(self.shared, self.signals).await;
    }
}

async fn give_back_all(shared: &Shared, signals: Vec<PulledSignal>) {
    for signal in &signals {
        // Where it can't be, its acknowledgement is overdue some time.
        let _ = signals::give_back(shared, &signal.receipt, Duration::ZERO).await;
    }
    if !signals.is_empty() {
        // The node may be gone, and with the last who holds the connection all that is not yet sent.
        let _ = tokio::time::timeout(PATIENCE, shared.client.flush()).await;
    }
}

/// A signal, or that there is none.
fn read(message: Message) -> Result<Option<PulledSignal>, SignalError> {
    match message.status.unwrap_or(StatusCode::OK) {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::TIMEOUT => return Ok(None),
        status => {
            let said = message.description.unwrap_or_default();
            return Err(failed(&format!("it says {status} {said}")));
        }
    }
    let unreadable = || failed(&"a signal that can't be read");
    let text = std::str::from_utf8(&message.payload).map_err(|_| unreadable())?;
    let thread_id = ThreadId::parse(text).map_err(|_| unreadable())?;
    let reply = message.reply.as_ref().ok_or_else(unreadable)?;
    let redeliveries = deliveries(reply.as_str()).ok_or_else(unreadable)?.saturating_sub(1);
    let receipt = SignalReceipt(reply.to_string());
    Ok(Some(PulledSignal { thread_id, redeliveries, receipt }))
}

/// How often it was delivered, as the subject for its acknowledgement says:
/// `$JS.ACK.<stream>.<consumer>.<deliveries>.…`, or since 2.12 perhaps
/// `$JS.ACK.<domain>.<account>.<stream>.<consumer>.<deliveries>.…`.
fn deliveries(reply: &str) -> Option<u32> {
    let tokens: Vec<&str> = reply.split('.').collect();
    let place = match tokens.len() {
        9 => 4,
        11.. => 6,
        _ => return None,
    };
    tokens[place].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_how_often() {
        let old = "$JS.ACK.POSTROOM_x_SIGNALS.nodes.3.17.21.1700000000000000000.0";
        let new = "$JS.ACK._.acchash.POSTROOM_x_SIGNALS.nodes.4.17.21.1700000000000000000.0";
        let newer = format!("{new}.token");
        assert_eq!(
            (deliveries(old), deliveries(new), deliveries(&newer)),
            (Some(3), Some(4), Some(4))
        );
        for strange in ["", "$JS.ACK.x", "a.b.c.d.e.f.g.h.i"] {
            assert_eq!(deliveries(strange), None);
        }
    }
}
