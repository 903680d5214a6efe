//! What a transaction writes, on its way: all statements in a row, without waiting for each other, and
//! the commit behind them.

use std::future::Future;
use std::pin::Pin;

use futures::future::join_all;
use postroom_core::time::Timestamp;
use tokio_postgres::Statement;

use super::column::Rows;
use super::error::Fault;
use super::needs::number;
use super::queries::Query;
use super::save::{Save, Written, check_length, check_written};
use super::session::Session;
use super::together;
use super::transaction::Tools;
use crate::depth::Depth;

/// What is to be sent.
pub(super) struct Sending<'s> {
    tools: Tools<'s>,
    /// What goes in one statement, where that is cheaper.
    joined: Option<Joined<'s>>,
    /// What goes by itself.
    single: Vec<Written<'s>>,
    depth: &'s Depth,
    has_events: bool,
    /// The commit waits for the disk.
    durable: bool,
    /// The time that it was decided for, if nothing was begun and locked.
    believed: Option<Timestamp>,
}

/// The kinds of rows that one statement writes; the other statement for them, if there is one of each.
struct Joined<'s> {
    writes: Vec<Written<'s>>,
    of_one: Option<Statement>,
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send + 'a>>;

impl<'s> Sending<'s> {
    /// What `save` means, with the rows that it `writes`. Prepares what was never sent on this
    /// connection.
    pub(super) async fn of(
        save: &Save<'s>,
        writes: Vec<Written<'s>>,
        may_join: bool,
        depth: &'s Depth,
    ) -> Result<Self, Fault> {
        let Save { tools, dirty, durable, believed, .. } = *save;
        let pays = believed.is_some() || together::pays(&writes);
        let joins = may_join && pays && tools.session.prepares();
        let (writes, single): (Vec<_>, Vec<_>) =
            writes.into_iter().partition(|(query, _)| joins && together::takes(*query));
        let joined = if joins {
            let of_one = together::of_one(tools.session, &writes).await?;
            Some(Joined { writes, of_one })
        } else {
            None
        };
        let has_events = dirty.has_events();
        let durable = durable || (believed.is_some() && has_events);
        Ok(Self { tools, joined, single, depth, has_events, durable, believed })
    }

    /// Sends it, and waits until it is committed.
    pub(super) async fn send(&self) -> Result<(), Fault> {
        let is_alone = self.is_alone();
        if is_alone {
            self.tools.session.begins_alone();
        }
        let sent = join_all(self.statements()).await;
        let failed = sent.into_iter().find_map(Result::err);
        if is_alone && failed.as_ref().is_none_or(Fault::is_of_statement) {
            self.tools.session.ended();
        }
        failed.map_or(Ok(()), Err)
    }

    /// Whether it is one statement, and nothing was begun: that is a transaction by itself, and its answer
    /// ends when it is committed.
    fn is_alone(&self) -> bool {
        self.believed.is_some()
            && self.durable
            && self.joined.is_some()
            && self.single.is_empty()
            && self.depth.tenants.is_empty()
    }

    /// All statements. Where nothing is locked yet, what locks the threads comes first; the counters come
    /// last: their row is what another transaction may wait for.
    fn statements(&self) -> Vec<Sent<'_>> {
        let session = self.tools.session;
        let mut sent: Vec<Sent<'_>> = Vec::with_capacity(self.single.len() + 5);
        if self.believed.is_some() && !self.is_alone() {
            sent.push(Box::pin(session.begin(self.durable)));
        }
        let is_first = |query: Query| query == Query::RunsRemove;
        for (query, rows) in self.single.iter().filter(|(query, _)| is_first(*query)) {
            sent.push(Box::pin(write(session, *query, rows)));
        }
        if let Some(joined) = &self.joined {
            sent.push(Box::pin(self.write_joined(joined)));
        }
        for (query, rows) in self.single.iter().filter(|(query, _)| !is_first(*query)) {
            sent.push(Box::pin(write(session, *query, rows)));
        }
        if self.joined.is_none() && self.depth.total != [0; 6] {
            sent.push(Box::pin(session.add_depth(&self.depth.total)));
        }
        if !self.depth.tenants.is_empty() {
            sent.push(Box::pin(session.add_tenant_depth(self.depth)));
        }
        if !self.durable && self.has_events {
            // Whoever has seen an event goes on after its number: after a crash that number must not
            // be another event's.
            sent.push(Box::pin(session.wait_for_disk()));
        }
        if !self.is_alone() {
            sent.push(Box::pin(session.commit()));
        }
        sent
    }

    async fn write_joined(&self, joined: &Joined<'_>) -> Result<(), Fault> {
        let Joined { writes, of_one } = joined;
        // Who is told the time by another clock than the server's need not ask it.
        let believed = self.believed.filter(|_| self.tools.clock.is_none());
        let (session, depth) = (self.tools.session, self.depth.total);
        let now = together::write(session, writes, of_one.as_ref(), depth, believed).await?;
        self.tools.server_time.was(now);
        Ok(())
    }
}

async fn write(session: &Session, query: Query, rows: &Rows) -> Result<(), Fault> {
    check_length(rows)?;
    if query == Query::ThreadsUpdate {
        // The server itself must check these, before it commits.
        let (mut values, count) = (rows.values(), number(rows.len() as u64));
        values.push(&count);
        return session.query(Query::ThreadsUpdateAlone, &values).await.map(drop);
    }
    let written = session.execute(query, &rows.values()).await?;
    if query == Query::PendingRemove { Ok(()) } else { check_written(query, rows, written) }
}
