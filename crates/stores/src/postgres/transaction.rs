//! A transaction: mailboxes are locked, what its commands need is read, the core decides, and what
//! it decided is written and committed. Two round trips where all is known at once, a few where it
//! is not.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::future::join_all;
use futures::join;
use postroom_core::command::{Command, Envelope};
use postroom_core::error::StoreError;
use postroom_core::id::ThreadId;
use postroom_core::mailbox::Mailbox;
use postroom_core::ports::{Applied, Clock, IdSource};
use postroom_core::time::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::changes::Dirty;
use super::error::Fault;
use super::numbers::Numbers;
use super::queries::Query;
use super::row::RowReader;
use super::save::Failed;
use super::session::Session;
use super::sheet::Sheet;
use crate::sql::{Columns, decode};

/// How often what is missing is read before it must be a defect: no command needs half of it.
const ROUNDS_MAX: usize = 32;

/// What a transaction takes from the store.
#[derive(Clone, Copy)]
pub(super) struct Tools<'t> {
    pub(super) session: &'t Session,
    /// What tells the time, where it is not the server.
    pub(super) clock: Option<&'t dyn Clock>,
    pub(super) ids: &'t dyn IdSource,
    pub(super) numbers: &'t Numbers,
}

impl Tools<'_> {
    /// The time as a statement takes it: nothing, for the server's.
    pub(super) fn time(&self) -> Option<i64> {
        self.clock.map(|clock| clock.now().0)
    }
}

/// A statement's values.
pub(super) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

/// An answer to a command, or why there is none.
pub(super) type Outcome = Result<Applied, StoreError>;

/// A transaction under way.
pub(super) struct Transaction<'t> {
    pub(super) tools: Tools<'t>,
    pub(super) sheet: Sheet,
    dirty: Dirty,
    /// Its commit waits for the disk, whatever it writes.
    durable: bool,
    /// The server's time once the locks were held.
    pub(super) now: Timestamp,
}

impl<'t> Transaction<'t> {
    /// Begins a transaction that locks the mailboxes of `thread_ids`.
    pub(super) async fn of_threads(
        tools: Tools<'t>,
        durable: bool,
        thread_ids: &[&ThreadId],
    ) -> Result<Self, Fault> {
        let ids: Vec<String> = thread_ids.iter().map(ToString::to_string).collect();
        let (mut transaction, _) =
            Self::begin(tools, durable, [(Query::LockThreads, &[&ids])]).await?;
        let unknown: Vec<&ThreadId> = thread_ids
            .iter()
            .copied()
            .filter(|id| !transaction.sheet.threads.contains_key(*id))
            .collect();
        let mut numbers = tools.numbers.take(tools.session, unknown.len()).await?;
        for id in unknown {
            let no =
                numbers.next().ok_or_else(|| Fault::Damaged("no number is left".to_owned()))?;
            transaction.sheet.take_no_thread(no, id.clone());
        }
        Ok(transaction)
    }

    /// Begins a transaction with statements that lock threads; says which each of them brought.
    pub(super) async fn begin<const N: usize>(
        tools: Tools<'t>,
        durable: bool,
        locks: [(Query, Values<'_>); N],
    ) -> Result<(Self, [Vec<ThreadId>; N]), Fault> {
        let session = tools.session;
        let time = tools.time();
        let lock = locks.map(|(query, values)| session.query(query, values));
        let times: Values<'_> = &[&time];
        let (begun, locked, now) =
            join!(session.begin(durable), join_all(lock), session.query(Query::Now, times),);
        begun?;
        let now = now?.first().map(|row| RowReader::of(row).take()).transpose()?;
        let now = now.ok_or_else(|| Fault::Damaged("the server told no time".to_owned()))?;
        let (sheet, dirty) = (Sheet::default(), Dirty::default());
        let mut transaction = Self { tools, sheet, dirty, durable, now };
        let mut ids = [const { Vec::new() }; N];
        for (rows, ids) in locked.into_iter().zip(&mut ids) {
            *ids = transaction.take_threads(&rows?)?;
        }
        Ok((transaction, ids))
    }

    /// Locks threads beside those that it began with; says which the statement brought. It must wait
    /// for no lock.
    pub(super) async fn lock(
        &mut self,
        query: Query,
        values: Values<'_>,
    ) -> Result<Vec<ThreadId>, Fault> {
        let rows = self.tools.session.query(query, values).await?;
        self.take_threads(&rows)
    }

    fn take_threads(&mut self, rows: &[Row]) -> Result<Vec<ThreadId>, Fault> {
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            let mut row = RowReader::of(row);
            let (no, thread) = decode::thread(&mut row)?;
            let version = row.take()?;
            ids.push(thread.id.clone());
            self.sheet.take_thread(no, version, thread);
        }
        Ok(ids)
    }

    /// Carries commands out, in their order. The thread of each is locked.
    pub(super) async fn carry_out(
        &mut self,
        envelopes: &[Envelope],
    ) -> Result<Vec<Outcome>, Fault> {
        for envelope in envelopes {
            self.expect(envelope);
        }
        self.carry_out_expected(envelopes).await
    }

    /// Carries commands out, of which is read already what they were [expected](Self::expect) to need.
    pub(super) async fn carry_out_expected(
        &mut self,
        envelopes: &[Envelope],
    ) -> Result<Vec<Outcome>, Fault> {
        let mut outcomes = Vec::with_capacity(envelopes.len());
        for _ in 0..ROUNDS_MAX {
            self.read_needs().await?;
            while let Some(envelope) = envelopes.get(outcomes.len()) {
                match self.apply(envelope)? {
                    Some(outcome) => outcomes.push(outcome),
                    None => break,
                }
            }
            let Some(left) = envelopes.get(outcomes.len()..).filter(|left| !left.is_empty()) else {
                return Ok(outcomes);
            };
            self.gather_needs(left);
        }
        Err(Fault::Damaged("a command never has all that it needs".to_owned()))
    }

    /// Reads what was asked for.
    pub(super) async fn read_needs(&mut self) -> Result<(), Fault> {
        if self.sheet.needs.is_empty() {
            return Ok(());
        }
        // Boxed: it holds all kinds of questions at once.
        Box::pin(self.sheet.read_needs(self.tools.session, self.now)).await
    }

    /// Notes what other commands lack too, so that it is read with what the first one lacks.
    fn gather_needs(&mut self, envelopes: &[Envelope]) {
        let mut seen = HashSet::new();
        for envelope in envelopes {
            // Only what the first command of a thread needs is known before it is carried out.
            if seen.insert(&envelope.thread_id) {
                let _ = Mailbox::load(&mut self.sheet, envelope, self.now);
            }
        }
    }

    /// Lets a mailbox decide; `None` if something must be read first.
    pub(super) fn apply(&mut self, envelope: &Envelope) -> Result<Option<Outcome>, Fault> {
        let Ok(mailbox) = Mailbox::load(&mut self.sheet, envelope, self.now) else {
            return Ok(None);
        };
        let Envelope { thread_id, command, .. } = envelope;
        // A defect must neither end the lane nor take the others' commands with it.
        let (now, ids) = (self.now, self.tools.ids);
        let decided = catch_unwind(AssertUnwindSafe(|| mailbox.decide(command.clone(), now, ids)));
        match decided.map_err(|_| Fault::Panicked(command.name()))? {
            Ok(decision) => {
                self.sheet.change(&mut self.dirty, thread_id, &decision.changes, now)?;
                let events = decision.changes.events;
                Ok(Some(Ok(Applied { reply: decision.reply, events })))
            }
            Err(refusal) => Ok(Some(Err(refusal.into()))),
        }
    }

    /// Writes what was decided, and commits.
    pub(super) async fn commit(self) -> Result<(), Failed> {
        self.sheet.save(self.tools.session, &self.dirty, self.durable).await
    }

    /// Asks for what a command will most likely need, so that it is read in one go.
    pub(super) fn expect(&mut self, envelope: &Envelope) {
        let Envelope { thread_id, command, .. } = envelope;
        let Some(slot) = self.sheet.threads.get(thread_id) else { return };
        let Some(thread) = &slot.thread else { return };
        let needs = &mut self.sheet.needs;
        needs.dispatches.extend(thread.claimed_dispatch_id);
        needs.runs.extend(thread.active_run_id.clone());
        let (begins, claims) = match command {
            Command::Submit(submit) => {
                needs.runs.extend(thread.open_run_id.clone());
                if submit.agent_id.is_none() {
                    needs.runs.extend(thread.latest_run_id.clone());
                }
                (submit.claim.as_ref().is_some_and(|claim| claim.begin), false)
            }
            Command::Claim(request) => (request.begin, true),
            Command::Settle(settle) => {
                let next = settle.next.as_ref();
                (next.is_some_and(|next| next.begin) && thread.queued > 0, next.is_some())
            }
            Command::Begin { .. } | Command::ClaimDispatch { .. } => (true, false),
            _ => (false, false),
        };
        if begins {
            needs.runs.extend(thread.ended_run_id.clone());
        }
        if thread.queued > 0 {
            needs.due.insert(slot.no, FRONT);
            needs.delayed.insert(slot.no, FRONT);
            if claims {
                needs.heads.insert(slot.no);
            }
        }
        if thread.pending > 0 && (begins || claims) {
            needs.pending.insert(slot.no);
        }
    }
}

/// How much of a queue's front is read at first: what two commands look at.
const FRONT: usize = 3;
