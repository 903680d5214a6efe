//! The connection: made, kept, and made anew.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, Statement};
use tokio_util::sync::CancellationToken;

use super::bus::Shared;
use super::frame::Frame;
use super::outbox::To;
use super::peers::HELLO_EVERY;
use super::tls::{self, Messages};
use crate::interest::REPEAT_EVERY;

/// How long what is said is gathered. PostgreSQL takes a lock over all databases at the commit of a
/// NOTIFY, so this limits each node to 200 turns at it in a second.
const GATHER: Duration = Duration::from_millis(5);
/// A statement that takes longer will not come back.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many hellos may be without an echo before the connection is taken for a dead one.
const SILENCES_MAX: u32 = 2;

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("{}", said(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("it does not answer")]
    Silent,
    #[error("it was closed")]
    Closed,
}

/// The error with what is behind it, which alone says what went wrong.
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => std::error::Error::source(error)
            .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}")),
    }
}

/// Keeps a connection for as long as the place on the bus is taken.
pub(super) async fn keep(shared: Arc<Shared>, address: Address) {
    let left = shared.left.clone();
    let mut pause = RETRY_FIRST;
    let mut is_known_lost = false;
    while !left.is_cancelled() {
        let lost = match connect(&shared, &address).await {
            Ok(line) => {
                if is_known_lost {
                    tracing::info!("notifications of PostgreSQL are back");
                }
                (pause, is_known_lost) = (RETRY_FIRST, false);
                let lost = serve(&shared, line).await;
                shared.connected.send_replace(false);
                lost
            }
            Err(lost) => lost,
        };
        if left.is_cancelled() {
            return;
        }
        // Once for each loss: it may last.
        if !is_known_lost {
            tracing::warn!(error = %lost, "no notifications from PostgreSQL: work is found by looking");
            is_known_lost = true;
        }
        tokio::select! {
            biased;
            () = left.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(RETRY_MAX);
    }
}

/// A connection that listens.
struct Line {
    client: Client,
    notify: Statement,
    /// Cancelled when the connection has ended.
    ended: CancellationToken,
}

async fn connect(shared: &Arc<Shared>, address: &Address) -> Result<Line, Lost> {
    let connecting = async {
        let (client, messages) = tls::connect(&address.config, address.tls.as_ref()).await?;
        let ended = CancellationToken::new();
        shared.spawner.spawn(Box::pin(hear(shared.clone(), messages, ended.clone())));
        // Nothing that is said here must survive a crash. The names are made of digits.
        let (all, mine) = (shared.channels.of(To::All), shared.channels.of(To::Node(shared.me)));
        let listen = format!("SET synchronous_commit = off; LISTEN \"{all}\"; LISTEN \"{mine}\"");
        client.batch_execute(&listen).await?;
        let notify = client.prepare(include_str!("queries/notify.sql")).await?;
        Ok(Line { client, notify, ended })
    };
    tokio::time::timeout(PATIENCE, connecting).await.unwrap_or(Err(Lost::Silent))
}

/// Takes in what comes. This is what drives the connection.
async fn hear(shared: Arc<Shared>, mut messages: Messages, ended: CancellationToken) {
    let _ended = ended.clone().drop_guard();
    loop {
        let message = tokio::select! {
            biased;
            () = ended.cancelled() => return,
            message = messages.next() => message,
        };
        match message {
            Some(Ok(AsyncMessage::Notification(said))) => shared.hear(said.payload()),
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                return tracing::debug!(error = said(&error), "the line to PostgreSQL broke");
            }
            None => return,
        }
    }
}

/// Says what there is to say until the connection ends or the place is left.
async fn serve(shared: &Shared, line: Line) -> Lost {
    let _hangs_up = line.ended.clone().drop_guard();
    // What waited was meant for others than those who are there now, or is told anew.
    shared.outbox.clear();
    shared.connected.send_replace(true);
    shared.outbox.put(To::All, shared.hello(true));
    // What was said while this node did not hear is in the store; the echo tells to look.
    shared.say_topics(To::All, true);

    let mut hello = tokio::time::interval(HELLO_EVERY);
    hello.set_missed_tick_behavior(MissedTickBehavior::Delay);
    hello.reset();
    let mut repeat = tokio::time::interval(REPEAT_EVERY);
    repeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    repeat.reset();
    let mut said_at: Option<Instant> = None;
    let (mut echoes, mut silences) = (0, 0);
    loop {
        tokio::select! {
            biased;
            () = shared.left.cancelled() => {
                shared.outbox.put(To::All, Frame::Bye);
                // Who does not hear it notices the silence.
                let _ = say(shared, &line).await;
                return Lost::Closed;
            }
            () = line.ended.cancelled() => return Lost::Closed,
            _ = hello.tick() => {
                let echoes_before = mem::replace(&mut echoes, shared.echoes.load(Ordering::Acquire));
                silences = if echoes == echoes_before { silences + 1 } else { 0 };
                if silences > SILENCES_MAX {
                    return Lost::Silent;
                }
                shared.peers.forget_the_silent();
                shared.interest.forget_the_silent();
                shared.outbox.put(To::All, shared.hello(false));
            }
            _ = repeat.tick() => shared.say_topics(To::All, false),
            () = shared.outbox.filled() => {
                if let Some(said_at) = said_at {
                    tokio::time::sleep_until(said_at + GATHER).await;
                }
                said_at = Some(Instant::now());
                if let Err(lost) = say(shared, &line).await {
                    return lost;
                }
            }
        }
    }
}

async fn say(shared: &Shared, line: &Line) -> Result<(), Lost> {
    let packed = shared.outbox.take(shared.me).into_iter();
    let (channels, payloads): (Vec<String>, Vec<String>) =
        packed.map(|(to, payload)| (shared.channels.of(to), payload)).unzip();
    if payloads.is_empty() {
        return Ok(());
    }
    let said: [&(dyn ToSql + Sync); 2] = [&channels, &payloads];
    match tokio::time::timeout(PATIENCE, line.client.execute(&line.notify, &said)).await {
        Ok(said) => said.map(drop).map_err(Lost::from),
        Err(_) => Err(Lost::Silent),
    }
}
