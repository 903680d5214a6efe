//! An installation in the tests' PostgreSQL.

use std::str::FromStr;

use postroom_signals::postgres::{Bus, Options};
use postroom_testbed::Postgres;
use tokio_postgres::{Client, Config, NoTls};

use super::{OnRuntime, ids, unique};

/// One installation: nodes that hear each other, and nobody else.
pub struct Installation {
    name: String,
    config: Config,
    admin: Client,
}

impl Installation {
    /// In the server that all tests of this process share.
    pub async fn new() -> Self {
        Self::of(Postgres::shared()).await
    }

    pub async fn of(server: &Postgres) -> Self {
        let config = Config::from_str(&server.url()).expect("an address");
        let (admin, connection) = config.connect(NoTls).await.expect("PostgreSQL is there");
        postroom_core::ports::Spawner::spawn(
            &OnRuntime,
            Box::pin(async move {
                let _ = connection.await;
            }),
        );
        Self { name: unique("signals"), config, admin }
    }

    pub fn options(&self) -> Options {
        let mut config = self.config.clone();
        config.application_name(&self.name);
        Options {
            config,
            tls: None,
            installation: self.name.clone(),
            ids: ids(),
            spawner: std::sync::Arc::new(OnRuntime),
        }
    }

    /// One more node, connected.
    pub async fn bus(&self) -> Bus {
        let bus = Bus::open(self.options());
        bus.connected().wait_for(|connected| *connected).await.expect("it connects");
        bus
    }

    /// Ends all connections of the installation's nodes.
    pub async fn break_connections(&self) {
        let sql =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
        let ended = self.admin.execute(sql, &[&self.name]).await.expect("they end");
        assert!(ended > 0, "nothing was connected");
    }

    /// How many connections its nodes have.
    pub async fn connections(&self) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        self.admin.query_one(sql, &[&self.name]).await.expect("an answer").get(0)
    }
}
