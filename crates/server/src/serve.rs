//! Serving until told to close.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long answers that are under way may take once the server closes.
const CLOSING_TIME: Duration = Duration::from_secs(5);
/// How long a connection may take for the head of its next request: clients that keep connections
/// for longer than others are those that end theirs themselves, after 60 s or 90 s.
const HEAD_TIME: Duration = Duration::from_mins(2);
/// How long nothing is accepted where the system has nothing left to accept it with.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `closing` is cancelled: then nothing new is accepted, event
/// streams end (give [`Options::closing`](crate::Options) the same token), and what is being
/// answered is finished, unless it takes long.
///
/// To drain, shut the service down first and cancel the token after: runs that end within the drain
/// time are still seen to end.
pub async fn serve(listener: TcpListener, router: Router, closing: CancellationToken) {
    // All routes with their layers are made here: connections share them.
    let router = router.with_state(());
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            biased;
            () = closing.cancelled() => break,
            stream = accept(&listener) => stream,
        };
        connections.spawn(connection(stream, router.clone(), closing.clone()));
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(CLOSING_TIME, connections.wait()).await.is_err() {
        tracing::warn!("some clients did not take their answers in time: closing without them");
    }
}

/// The next connection.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if has_gone(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted: it is tried again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether only the one connection that was to be accepted is lost.
fn has_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers what comes on a connection, until either side ends it.
async fn connection(stream: TcpStream, router: Router, closing: CancellationToken) {
    // Events are small: each shall go out at once.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection has no TCP_NODELAY");
    }
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served);
    let ended = tokio::select! {
        biased;
        ended = served.as_mut() => ended,
        () = closing.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
