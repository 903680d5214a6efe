//! What PostgreSQL itself has counted.

use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use crate::yardstick::cpu_time_of;

/// What PostgreSQL has counted since it started.
pub struct Counters(Client);

#[derive(Clone, Copy)]
pub struct Counted {
    commits: i64,
    syncs: i64,
    wal_bytes: i64,
    server_cpu: Duration,
}

impl Counters {
    /// The connection that it counts over.
    pub fn client(&self) -> &Client {
        &self.0
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark's own connection")]
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("the connection that counts ended: {error}");
            }
        });
        Ok(Self(client))
    }

    pub async fn read(&self) -> anyhow::Result<Counted> {
        // What backends have counted reaches the server's memory with some delay.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let sql = "SELECT (SELECT sum(xact_commit)::bigint FROM pg_stat_database), \
                   (SELECT wal_sync FROM pg_stat_wal), \
                   pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, \
                   array(SELECT pid FROM pg_stat_activity)";
        let row = self.0.query_one(sql, &[]).await?;
        let pids: Vec<i32> = row.get(3);
        let mut server_cpu = Duration::ZERO;
        for pid in pids {
            // A process that has ended since has used nothing that counts here.
            server_cpu += cpu_time_of(&pid.to_string()).unwrap_or_default();
        }
        Ok(Counted { commits: row.get(0), syncs: row.get(1), wal_bytes: row.get(2), server_cpu })
    }
}

impl Counted {
    pub fn since(self, before: &Self) -> Self {
        Self {
            commits: self.commits - before.commits,
            syncs: self.syncs - before.syncs,
            wal_bytes: self.wal_bytes - before.wal_bytes,
            server_cpu: self.server_cpu.saturating_sub(before.server_cpu),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    pub fn print(self, name: &str, runs: u64) {
        let a_run = |count: i64| count as f64 / runs as f64;
        println!(
            "{name}: a run takes {:.3} commits (wanted: 0.2), {:.3} syncs (0.15), {:.0} bytes of WAL (4000), {:.0} µs of the server's CPU (200)",
            a_run(self.commits),
            a_run(self.syncs),
            a_run(self.wal_bytes),
            self.server_cpu.as_secs_f64() * 1e6 / runs as f64,
        );
    }
}
