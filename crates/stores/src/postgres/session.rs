//! Connections, and how they are kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool::managed::{
    self, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult,
};
use futures::future::try_join_all;
use parking_lot::Mutex;
use postroom_core::ports::Spawner;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Row, Statement};

use super::error::Fault;
use super::queries::{Query, Text, Texts};
use super::tls::Tls;
use crate::depth::Depth;

/// Makes connections.
pub(super) struct Manager {
    /// Where to.
    pub(super) config: Config,
    /// How they are encrypted.
    pub(super) tls: Tls,
    /// What is asked on them.
    pub(super) texts: Arc<Texts>,
    /// Whether statements are prepared once a connection; behind a pooler that does not know them
    /// they are sent with their text each time.
    pub(super) prepares: bool,
    /// What drives them.
    pub(super) spawner: Arc<dyn Spawner>,
}

/// A connection with its statements.
pub(super) struct Connection {
    client: Client,
    texts: Arc<Texts>,
    /// By the numbers of the queries; empty where none are prepared.
    statements: Vec<Statement>,
    /// What writes one row of each of some kinds: prepared when it is first needed.
    of_one: Mutex<HashMap<Vec<Query>, Statement>>,
    /// A transaction was begun and not seen to its end: nobody else may have this connection.
    in_transaction: AtomicBool,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = Fault;

    async fn create(&self) -> Result<Connection, Fault> {
        // Boxed: a handshake is large, and rare.
        let client = Box::pin(self.tls.connect(&self.config, &*self.spawner)).await?;
        let statements = if self.prepares {
            // All at once, before the first is used: what is sent in a row must not wait in the
            // middle for one to be prepared.
            let prepare = |query: &Query| {
                let text = self.texts.get(*query);
                client.prepare_typed(&text.sql, &text.types)
            };
            try_join_all(Query::ALL.iter().map(prepare)).await?
        } else {
            Vec::new()
        };
        let texts = self.texts.clone();
        let in_transaction = AtomicBool::new(false);
        Ok(Connection { client, texts, statements, of_one: Mutex::default(), in_transaction })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Fault> {
        if connection.client.is_closed() || connection.in_transaction.load(Ordering::Acquire) {
            return Err(RecycleError::message("it is closed, or was left in a transaction"));
        }
        Ok(())
    }
}

/// The connections of a store.
#[derive(Clone)]
pub(super) struct Sessions {
    pool: Pool<Manager>,
    wait: Duration,
}

impl Sessions {
    /// Up to `size` connections; who asks for one waits up to `wait` for it.
    pub(super) fn of(manager: Manager, size: usize, wait: Duration) -> Result<Self, String> {
        let pool = Pool::builder(manager)
            .max_size(size)
            // The one that was used last is the one whose server process is warm.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(wait))
            .create_timeout(Some(wait))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { pool, wait })
    }

    /// A connection.
    pub(super) async fn get(&self) -> Result<Session, Fault> {
        match self.pool.get().await {
            Ok(connection) => Ok(Session(connection)),
            Err(PoolError::Backend(fault)) => Err(fault),
            Err(PoolError::Timeout(_)) => Err(Fault::NoConnection(format!(
                "no connection to PostgreSQL within {} ms",
                self.wait.as_millis()
            ))),
            Err(error) => Err(Fault::NoConnection(error.to_string())),
        }
    }
}

/// A connection in use.
pub(super) struct Session(Object<Manager>);

impl Session {
    /// Asks for rows. It is sent when the future is first polled: futures that are polled in order
    /// travel in order, without waiting for each other.
    pub(super) async fn query(
        &self,
        query: Query,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        let Connection { client, texts, statements, .. } = &*self.0;
        let rows = match statements.get(query as usize) {
            Some(statement) => client.query(statement, values).await,
            None => {
                let text = texts.get(query);
                let types = text.types.iter().cloned();
                let pairs: Vec<_> = values.iter().copied().zip(types).collect();
                client.query_typed(&text.sql, &pairs).await
            }
        };
        Ok(rows?)
    }

    /// What writes one row of each of `kinds` together. The first time on a connection, it is prepared.
    pub(super) async fn together_of_one(&self, kinds: &[Query]) -> Result<Statement, Fault> {
        let Connection { client, texts, of_one, .. } = &*self.0;
        if let Some(statement) = of_one.lock().get(kinds) {
            return Ok(statement.clone());
        }
        let Text { sql, types } = texts.together_of_one(kinds);
        let statement = client.prepare_typed(&sql, &types).await?;
        of_one.lock().insert(kinds.to_vec(), statement.clone());
        Ok(statement)
    }

    /// Asks for rows with what was prepared on this connection. Sent like [`Session::query`].
    pub(super) async fn query_prepared(
        &self,
        statement: &Statement,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        Ok(self.0.client.query(statement, values).await?)
    }

    /// How many values a statement takes.
    pub(super) fn values_of(&self, query: Query) -> usize {
        self.0.texts.get(query).types.len()
    }

    /// Whether statements are planned once, and not each time they are sent.
    pub(super) fn prepares(&self) -> bool {
        !self.0.statements.is_empty()
    }

    /// Has rows written; says how many. Sent like [`Session::query`].
    pub(super) async fn execute(
        &self,
        query: Query,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Fault> {
        let Connection { client, texts, statements, .. } = &*self.0;
        let written = match statements.get(query as usize) {
            Some(statement) => client.execute(statement, values).await,
            None => {
                let text = texts.get(query);
                let types = text.types.iter().cloned();
                let pairs: Vec<_> = values.iter().copied().zip(types).collect();
                client.execute_typed(&text.sql, &pairs).await
            }
        };
        Ok(written?)
    }

    /// Adds to the number of dispatches in each state. Sent like [`Session::query`].
    pub(super) async fn add_depth(&self, depth: &[i64; 6]) -> Result<(), Fault> {
        let values = depth.each_ref().map(|delta| delta as &(dyn ToSql + Sync));
        self.execute(Query::DepthAdd, &values).await.map(drop)
    }

    /// The same for each tenant but the default one. Their rows are taken in the order of their names,
    /// so that no two transactions wait for each other in a circle.
    pub(super) async fn add_tenant_depth(&self, depth: &Depth) -> Result<(), Fault> {
        let names: Vec<String> = depth.tenants.keys().map(ToString::to_string).collect();
        let columns: [Vec<i64>; 6] = std::array::from_fn(|state| {
            depth.tenants.values().map(|counts| counts[state]).collect()
        });
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&names];
        values.extend(columns.iter().map(|column| column as &(dyn ToSql + Sync)));
        self.execute(Query::TenantDepthAdd, &values).await.map(drop)
    }

    /// Begins a transaction. Sent like [`Session::query`].
    pub(super) async fn begin(&self, durable: bool) -> Result<(), Fault> {
        self.0.in_transaction.store(true, Ordering::Release);
        let sql = if durable { "BEGIN" } else { "BEGIN; SET LOCAL synchronous_commit = off" };
        Ok(self.0.client.batch_execute(sql).await?)
    }

    /// A statement follows that is a transaction by itself: until it has [ended](Self::ended), nobody else
    /// may have this connection.
    pub(super) fn begins_alone(&self) {
        self.0.in_transaction.store(true, Ordering::Release);
    }

    /// The statement that was a transaction by itself was carried out, or refused.
    pub(super) fn ended(&self) {
        self.0.in_transaction.store(false, Ordering::Release);
    }

    /// Lets a transaction wait for the disk when it commits, although it began otherwise. Sent like
    /// [`Session::query`].
    pub(super) async fn wait_for_disk(&self) -> Result<(), Fault> {
        Ok(self.0.client.batch_execute("SET LOCAL synchronous_commit TO DEFAULT").await?)
    }

    /// Commits. Sent like [`Session::query`].
    pub(super) async fn commit(&self) -> Result<(), Fault> {
        self.0.client.batch_execute("COMMIT").await?;
        self.0.in_transaction.store(false, Ordering::Release);
        Ok(())
    }

    /// Runs statements without values, each at once.
    pub(super) async fn run_script(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.0.client.batch_execute(sql).await?)
    }

    /// Undoes a transaction that failed, if it is still open. A connection on which that fails too is not
    /// used again.
    pub(super) async fn roll_back(&self) {
        if self.0.in_transaction.load(Ordering::Acquire)
            && self.0.client.batch_execute("ROLLBACK").await.is_ok()
        {
            self.0.in_transaction.store(false, Ordering::Release);
        }
    }
}
