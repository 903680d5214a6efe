//! Whether and how connections are encrypted.

use std::sync::Arc;

use postroom_core::ports::Spawner;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::NoTls;
use tokio_postgres::{Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What connections are encrypted with. Whether they are is the address's to say (`sslmode`).
#[derive(Clone)]
pub(super) enum Tls {
    /// Nothing: an address that demands encryption can't be reached.
    None,
    /// TLS.
    Rustls(Box<MakeRustlsConnect>),
}

impl Tls {
    /// With `config`, or not at all.
    pub(super) fn of(config: Option<Arc<rustls::ClientConfig>>) -> Self {
        config.map_or(Self::None, |config| {
            Self::Rustls(Box::new(MakeRustlsConnect::new((*config).clone())))
        })
    }

    /// Connects; the connection's work goes on in a task.
    pub(super) async fn connect(
        &self,
        config: &Config,
        spawner: &dyn Spawner,
    ) -> Result<Client, tokio_postgres::Error> {
        match self {
            Self::None => {
                let (client, connection) = config.connect(NoTls).await?;
                drive(connection, spawner);
                Ok(client)
            }
            Self::Rustls(tls) => {
                let (client, connection) = config.connect((**tls).clone()).await?;
                drive(connection, spawner);
                Ok(client)
            }
        }
    }
}

fn drive<S, T>(connection: Connection<S, T>, spawner: &dyn Spawner)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    spawner.spawn(Box::pin(async move {
        // Whoever uses the connection is told too, and knows what was under way.
        if let Err(error) = connection.await {
            tracing::debug!(error = super::error::said(&error), "a connection to PostgreSQL ended");
        }
    }));
}
