//! A transaction: mailboxes are locked, what its commands need and this node does not know is read,
//! the core decides, and what it decided is written and committed. Two round trips where all is known,
//! a few where it is not; [one](super::optimistic), where what is known may be believed.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::future::join_all;
use futures::join;
use postroom_core::command::{Command, Envelope, Mode};
use postroom_core::error::StoreError;
use postroom_core::id::{DispatchId, MessageId, RunId, ThreadId};
use postroom_core::mailbox::Mailbox;
use postroom_core::ports::{Applied, Clock, IdSource};
use postroom_core::time::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::cache::Cache;
use super::changes::Dirty;
use super::error::Fault;
use super::known::{Known, QUEUE_MAX};
use super::needs;
use super::numbers::Numbers;
use super::queries::Query;
use super::row::RowReader;
use super::save::{Failed, Save};
use super::server_time::ServerTime;
use super::session::Session;
use super::sheet::Sheet;
use super::slot::Slot;
use crate::sql::Columns;

/// How often what is missing is read before it must be a defect: no command needs half of it.
const ROUNDS_MAX: usize = 32;

/// What a transaction takes from the store.
#[derive(Clone, Copy)]
pub(super) struct Tools<'t> {
    pub(super) session: &'t Session,
    /// What tells the time, where it is not the server.
    pub(super) clock: Option<&'t dyn Clock>,
    pub(super) ids: &'t dyn IdSource,
    pub(super) versions: &'t dyn IdSource,
    pub(super) numbers: &'t Numbers,
    pub(super) cache: &'t Cache,
    pub(super) server_time: &'t ServerTime,
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

/// The mailboxes of a transaction.
pub(super) struct Mailboxes<'e> {
    /// Each once, in the order in which they are locked.
    pub(super) ids: Vec<&'e ThreadId>,
    /// Whether this node most likely knows all of them as they are.
    pub(super) all_known: bool,
    /// Those that are submitted to and of which it does not: what a submission looks at is read with
    /// their locks.
    pub(super) strange: Vec<&'e ThreadId>,
}

/// A transaction under way.
pub(super) struct Transaction<'t> {
    pub(super) tools: Tools<'t>,
    pub(super) sheet: Sheet,
    dirty: Dirty,
    /// Its commit waits for the disk, whatever it writes.
    durable: bool,
    /// Nothing is locked: what it goes by is believed, and checked when it is written.
    is_optimistic: bool,
    /// The server's time once the locks were held.
    pub(super) now: Timestamp,
}

impl<'t> Transaction<'t> {
    /// Begins a transaction that locks the mailboxes of `threads`.
    pub(super) async fn of_threads(
        tools: Tools<'t>,
        durable: bool,
        threads: &Mailboxes<'_>,
    ) -> Result<Self, Fault> {
        let texts = |ids: &[&ThreadId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (ids, strange) = (texts(&threads.ids), texts(&threads.strange));
        let lock = if threads.all_known { Query::LockKnown } else { Query::LockThreads };
        let (session, ids): (_, Values<'_>) = (tools.session, &[&ids]);
        // Behind the locks, on the same way.
        let (begun, runs, dispatches) = join!(
            Self::begin(tools, durable, [(lock, ids)]),
            needs::ask(session, Query::RunsPointed, strange.len(), [&strange]),
            needs::ask(session, Query::DispatchesClaimed, strange.len(), [&strange]),
        );
        let (mut transaction, _) = begun?;
        for row in &runs? {
            transaction.sheet.take_run(needs::run(row)?);
        }
        for row in &dispatches? {
            transaction.sheet.take_dispatch(needs::dispatch(row)?);
        }
        // Those that are not as they were known.
        transaction.read_needs().await?;
        let ids = threads.ids.iter().copied();
        let unknown: Vec<&ThreadId> =
            ids.filter(|id| !transaction.sheet.threads.contains_key(*id)).collect();
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
        tools.server_time.was(now);
        let mut transaction = Self { durable, ..Self::of_nothing(tools, now) };
        let mut ids = [const { Vec::new() }; N];
        for (rows, ids) in locked.into_iter().zip(&mut ids) {
            *ids = transaction.take_threads(&rows?)?;
        }
        Ok((transaction, ids))
    }

    fn of_nothing(tools: Tools<'t>, now: Timestamp) -> Self {
        let (sheet, dirty) = (Sheet::default(), Dirty::default());
        Self { tools, sheet, dirty, durable: false, is_optimistic: false, now }
    }

    /// Begins nothing: goes by what is known, for a time that the server's is near to. When it is
    /// written, the server checks both.
    pub(super) fn of_known(
        tools: Tools<'t>,
        durable: bool,
        known: &[Arc<Known>],
        now: Timestamp,
    ) -> Self {
        let mut transaction = Self { durable, is_optimistic: true, ..Self::of_nothing(tools, now) };
        known.iter().for_each(|known| transaction.sheet.take_known(known));
        transaction
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
            let mut start = RowReader::of(row);
            let (version, no): (i64, i64) = (start.take()?, start.take()?);
            let id: ThreadId = start.take()?;
            let known = self.tools.cache.get(&id);
            match known.filter(|known| (known.no, known.version) == (no, version)) {
                Some(known) => self.sheet.take_known(&known),
                None if row.len() == VERSION_COLUMNS => {
                    self.sheet.needs.threads.insert(no);
                }
                None => {
                    let (no, version, thread) = needs::thread(row)?;
                    self.sheet.take_thread(no, version, thread);
                }
            }
            ids.push(id);
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
                let checked = self.sheet.threads.values().all(Slot::checks_beliefs);
                return if checked { Ok(outcomes) } else { Err(Fault::Unchecked) };
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
        let Self { tools, sheet, dirty, durable, is_optimistic, now } = self;
        let version = new_version(tools.versions);
        let believed = is_optimistic.then_some(now);
        sheet.save(Save { tools, dirty: &dirty, version, durable, believed }).await?;
        for id in &dirty.threads {
            let slot = sheet.threads.get(id);
            match slot.and_then(|slot| Known::of(&sheet, slot, version)) {
                Some(known) => tools.cache.put(id.clone(), known),
                None => tools.cache.forget(id),
            }
        }
        Ok(())
    }

    /// Whether all that a transaction in one round trip relies on is checked when it is written: a
    /// thread that is not written is not checked either.
    pub(super) fn checks_all(&self) -> bool {
        self.dirty.deleted.is_empty()
            && self.dirty.collected_runs.is_empty()
            && !self.sheet.takes_keys(&self.dirty)
            && self.sheet.threads.values().all(Slot::checks_beliefs)
            && self.sheet.threads.keys().all(|id| self.dirty.threads.contains(id))
    }

    /// Asks for what a command will most likely need, so that it is read in one go.
    pub(super) fn expect(&mut self, envelope: &Envelope) {
        let Envelope { thread_id, command, .. } = envelope;
        self.expect_names(thread_id, command);
        let Some(slot) = self.sheet.threads.get(thread_id) else { return };
        let Some(thread) = &slot.thread else { return };
        let mut runs = vec![&thread.active_run_id];
        let (begins, claims) = match command {
            Command::Submit(submit) => {
                runs.extend([&submit.run_id, &thread.open_run_id]);
                if submit.agent_id.is_none() {
                    runs.push(&thread.latest_run_id);
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
            runs.push(&thread.ended_run_id);
        }
        let knows_front = self.sheet.knows_front(slot, claims);
        let needs = &mut self.sheet.needs;
        let unknown = |id: &&DispatchId| !self.sheet.dispatches.contains_key(*id);
        needs.dispatches.extend(thread.claimed_dispatch_id.iter().filter(unknown));
        let unknown = |id: &&RunId| !self.sheet.runs.contains_key(*id);
        needs.runs.extend(runs.into_iter().flatten().filter(unknown).cloned());
        if thread.queued > 0 && !knows_front {
            // Who wrote the mailbox last will most likely go on with it: it reads ahead.
            let (front, heads) = if slot.was_known { (AHEAD, AHEAD) } else { (FRONT, 1) };
            needs.due.insert(slot.no, front);
            needs.delayed.insert(slot.no, FRONT);
            if claims {
                needs.heads.insert(slot.no, heads);
            }
        }
        if thread.pending > 0 && slot.pending.is_none() && (begins || claims) {
            needs.pending.insert(slot.no);
        }
    }
}

impl Transaction<'_> {
    /// The same of the names that a command brings: of messages, and of the submission itself. What goes
    /// to the log is written as new, and most of it is: it is believed. The rest is looked for.
    fn expect_names(&mut self, thread_id: &ThreadId, command: &Command) {
        let believes = self.sheet.believes;
        let Some(slot) = self.sheet.threads.get_mut(thread_id) else { return };
        let Some(thread) = &slot.thread else { return };
        let (messages, key, to_log) = match command {
            Command::Submit(submit) => {
                let to_log = submit.mode == Mode::Enqueue && thread.pending == 0;
                (&submit.messages, &submit.idempotency_key, to_log)
            }
            Command::Commit { step, .. } => (&step.messages, &None, true),
            Command::Settle(settle) => (&settle.step.messages, &None, true),
            Command::Deliver { messages, .. } => (messages, &None, false),
            _ => return,
        };
        let unknown = |id: &&MessageId| !slot.message_runs.contains_key(*id);
        let messages = messages.iter().filter_map(|message| message.id.as_ref()).filter(unknown);
        let keys = key.iter().filter(|key| !slot.submissions.contains_key(*key));
        let needs = &mut self.sheet.needs;
        if believes && to_log {
            slot.believed.messages.extend(messages.cloned());
        } else {
            needs.message_runs.extend(messages.map(|id| (slot.no, id.clone())));
        }
        if believes {
            slot.believed.keys.extend(keys.cloned());
        } else {
            needs.submissions.extend(keys.map(|key| (slot.no, key.clone())));
        }
    }
}

/// How much of a queue's front is read at first: what two commands look at.
const FRONT: usize = 3;

/// How much of it is read ahead.
const AHEAD: usize = QUEUE_MAX / 4;

/// How many columns tell a thread's version and no more.
const VERSION_COLUMNS: usize = 3;

/// The name of a write: no other one has it. A positive number, with room for nodes of earlier
/// versions, which count on from it.
fn new_version(versions: &dyn IdSource) -> i64 {
    i64::try_from(versions.random() >> 2).unwrap_or_default()
}
