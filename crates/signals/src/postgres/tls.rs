//! Connecting, encrypted or not.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::{BoxStream, StreamExt, poll_fn};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::NoTls;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What the server says unasked. Polling it is what drives the connection.
pub(super) type Messages = BoxStream<'static, Result<AsyncMessage, Error>>;

pub(super) async fn connect(
    config: &Config,
    tls: Option<&Arc<rustls::ClientConfig>>,
) -> Result<(Client, Messages), Error> {
    match tls {
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            Ok((client, messages(connection).boxed()))
        }
        Some(tls) => {
            let tls = MakeRustlsConnect::new((**tls).clone());
            let (client, connection) = config.connect(tls).await?;
            Ok((client, messages(connection).boxed()))
        }
    }
}

fn messages<S, T>(
    mut connection: Connection<S, T>,
) -> impl Stream<Item = Result<AsyncMessage, Error>> + Send
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    poll_fn(move |context: &mut Context<'_>| -> Poll<Option<_>> {
        connection.poll_message(context)
    })
}
