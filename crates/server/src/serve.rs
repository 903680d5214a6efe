//! Serving until told to close.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long answers that are under way may take once the server closes.
const CLOSING_TIME: Duration = Duration::from_secs(5);

/// Serves `router` on `listener` until `closing` is cancelled: then nothing new is accepted, event
/// streams end (give [`Options::closing`](crate::Options) the same token), and what is being
/// answered is finished, unless it takes long.
///
/// To drain, shut the service down first and cancel the token after: runs that end within the drain
/// time are still seen to end.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    closing: CancellationToken,
) -> io::Result<()> {
    // Events are small: each shall go out at once.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection has no TCP_NODELAY");
        }
    });
    let too_long = {
        let closing = closing.clone();
        async move {
            closing.cancelled().await;
            tokio::time::sleep(CLOSING_TIME).await;
        }
    };
    // A router that is not a maker of services is built anew, with all its routes, for each connection.
    let maker = router.into_make_service();
    let served = axum::serve(listener, maker).with_graceful_shutdown(closing.cancelled_owned());
    tokio::select! {
        result = served.into_future() => result,
        () = too_long => {
            tracing::warn!("some clients did not take their answers in time: closing without them");
            Ok(())
        }
    }
}
