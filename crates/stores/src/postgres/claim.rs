//! Finding threads to claim in, and claims to take back. What happens to each is the core's to say.

use std::time::Duration;

use postroom_core::command::{ClaimRequest, Command, Envelope, Reply};
use postroom_core::dispatch::{DispatchStatus, Priority};
use postroom_core::id::{DispatchId, ThreadId};
use postroom_core::ports::{ClaimedReady, ReclaimScope, Reclaimed};
use postroom_core::thread::Readiness;
use postroom_core::time::Timestamp;

use super::error::Fault;
use super::queries::Query;
use super::row::RowReader;
use super::transaction::{Tools, Transaction, Values};
use crate::sql::Columns;

/// Claims the heads of up to `limit` ready threads; to be committed.
pub(super) async fn claim_ready<'t>(
    tools: Tools<'t>,
    request: &ClaimRequest,
    limit: usize,
) -> Result<(Transaction<'t>, ClaimedReady), Fault> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let time = tools.time();
    let except: Vec<String> = request.except_agents.iter().map(ToString::to_string).collect();
    let ready: (Query, Values<'_>) = if except.is_empty() {
        (Query::LockReady, &[&most])
    } else {
        (Query::LockReadyExcept, &[&most, &except])
    };
    let more = most.saturating_add(1);
    let due: (Query, Values<'_>) = (Query::LockDue, &[&time, &more]);
    let (mut transaction, [ready, due]) = Transaction::begin(tools, false, [ready, due]).await?;
    let more_due = due.len() > limit;

    let command = Command::Claim(request.clone());
    for thread_id in ready.iter().chain(&due) {
        transaction.expect(&Envelope::new(thread_id.clone(), command.clone()));
    }
    transaction.read_needs().await?;
    let mut candidates: Vec<ThreadId> = ready.into_iter().chain(due.iter().cloned()).collect();
    candidates.sort_by_cached_key(|thread_id| transaction.rank(thread_id));

    let mut claimed = ClaimedReady::default();
    let mut left = Vec::new();
    for thread_id in candidates {
        if claimed.claimed.len() == limit {
            left.push(thread_id);
            continue;
        }
        let envelope = Envelope::new(thread_id, command.clone());
        let outcomes = transaction.carry_out_expected(std::slice::from_ref(&envelope)).await?;
        for applied in outcomes.into_iter().flatten() {
            claimed.events.extend(applied.events);
            if let Reply::Claimed(Some(delivered)) = applied.reply {
                claimed.claimed.push(*delivered);
            }
        }
    }
    claimed.next_due_in = if more_due || left.iter().any(|id| due.contains(id)) {
        Some(Duration::ZERO)
    } else {
        transaction.next_due_in().await?
    };
    Ok((transaction, claimed))
}

/// Takes up to `limit` claims back; to be committed.
pub(super) async fn reclaim<'t>(
    tools: Tools<'t>,
    scope: &ReclaimScope,
    retry_in: Duration,
    limit: usize,
) -> Result<(Transaction<'t>, Reclaimed), Fault> {
    let force = *scope == ReclaimScope::All;
    let time = tools.time();
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let leased: (Query, Values<'_>) = (Query::LockLeased, &[&time, &most, &force]);
    let (mut transaction, [mut thread_ids]) = Transaction::begin(tools, true, [leased]).await?;
    let command = Command::Reclaim { force, retry_in };
    for thread_id in &thread_ids {
        transaction.expect(&Envelope::new(thread_id.clone(), command.clone()));
    }
    transaction.read_needs().await?;
    // What was lost first goes on first.
    thread_ids.sort_by_cached_key(|thread_id| transaction.lease(thread_id));
    let reclaim = |id: ThreadId| Envelope::new(id, command.clone());
    let envelopes: Vec<Envelope> = thread_ids.into_iter().map(reclaim).collect();
    let mut reclaimed = Reclaimed::default();
    for applied in transaction.carry_out_expected(&envelopes).await?.into_iter().flatten() {
        reclaimed.events.extend(applied.events);
        if let Reply::Reclaimed(Some(dispatch)) = applied.reply {
            reclaimed.dispatches.push(dispatch);
        }
    }
    Ok((transaction, reclaimed))
}

impl Transaction<'_> {
    /// What orders a thread among those that something can be claimed in: the priority of what
    /// would be claimed, since when it could be, and the thread's number.
    fn rank(&self, thread_id: &ThreadId) -> (Priority, Timestamp, i64) {
        let Some(slot) = self.sheet.threads.get(thread_id) else {
            return (Priority(u8::MAX), Timestamp(i64::MAX), i64::MAX);
        };
        let readiness = slot.thread.as_ref().map(|thread| &thread.readiness);
        match readiness {
            Some(Readiness::Ready { priority, since, .. }) => (*priority, *since, slot.no),
            Some(Readiness::Delayed { until }) => {
                let rows =
                    slot.dispatches.iter().filter_map(|id| self.sheet.dispatches.get(id)?.as_ref());
                let delayed = rows.filter(|d| d.status == DispatchStatus::Queued { due: false });
                let first = delayed.min_by_key(|d| (d.available_at, d.ordinal));
                (first.map_or_else(Priority::default, |d| d.priority), *until, slot.no)
            }
            _ => (Priority(u8::MAX), Timestamp(i64::MAX), slot.no),
        }
    }

    /// When a thread's claim ends, and the dispatch it is for: ids grow with time.
    fn lease(&self, thread_id: &ThreadId) -> (Option<Timestamp>, Option<DispatchId>) {
        let thread = self.sheet.threads.get(thread_id).and_then(|slot| slot.thread.as_ref());
        let claimed = thread.and_then(|thread| thread.claimed_dispatch_id);
        let dispatch = claimed.and_then(|id| self.sheet.dispatches.get(&id)?.as_ref());
        (dispatch.and_then(|dispatch| dispatch.lease_until()), claimed)
    }

    /// How long until the next delayed dispatch is due.
    async fn next_due_in(&self) -> Result<Option<Duration>, Fault> {
        let rows = self.tools.session.query(Query::NextDue, &[&self.now.0]).await?;
        let next = rows.first().map(|row| RowReader::of(row).take::<Timestamp>()).transpose()?;
        Ok(next.map(|next| next.since(self.now)))
    }
}
