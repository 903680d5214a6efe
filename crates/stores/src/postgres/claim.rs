//! Finding threads to claim in, and claims to take back. What happens to each is the core's to say.

use std::time::Duration;

use futures::join;
use postroom_core::command::{ClaimRequest, Command, Envelope, Reply};
use postroom_core::dispatch::{DispatchStatus, Priority};
use postroom_core::id::{DispatchId, TenantId, ThreadId};
use postroom_core::ports::{ClaimedReady, ReclaimScope, Reclaimed};
use postroom_core::thread::Readiness;
use postroom_core::time::Timestamp;

use super::error::Fault;
use super::queries::Query;
use super::row::RowReader;
use super::transaction::{Tools, Transaction, Values};
use crate::sql::Columns;
use crate::turns::{self, Candidate, DUE_BEYOND, Turns};

/// Claims the heads of up to `limit` ready threads; to be committed.
pub(super) async fn claim_ready<'t>(
    tools: Tools<'t>,
    request: &ClaimRequest,
    limit: usize,
) -> Result<(Transaction<'t>, ClaimedReady), Fault> {
    let mut request = request.clone();
    let (mut transaction, turns, candidates) = find(tools, &request, limit).await?;
    let more_due = candidates.iter().filter(|one| one.is_due).count() >= most_due(limit);
    for candidate in &candidates {
        let command = Command::Claim(request.clone());
        transaction.expect(&Envelope::new(candidate.thread_id.clone(), command));
    }
    transaction.read_needs().await?;
    let candidates = candidates.into_iter().map(|one| transaction.ranked(one)).collect();
    let candidates = turns.order(candidates, request.after_tenant.clone().as_ref());
    let may_have_more = turns.may_have_more(&candidates, &request);

    let mut claimed = ClaimedReady::default();
    for candidate in candidates {
        let request_for = turns::request_for(&candidate, &request, claimed.claimed.len(), limit);
        let Some(command) = request_for.map(Command::Claim) else { continue };
        let envelope = Envelope::new(candidate.thread_id, command);
        let outcomes = transaction.carry_out_expected(std::slice::from_ref(&envelope)).await?;
        for applied in outcomes.into_iter().flatten() {
            claimed.events.extend(applied.events);
            if let Reply::Claimed(Some(delivered)) = applied.reply {
                request.tenants.take(&candidate.tenant);
                claimed.claimed.push(*delivered);
            }
        }
    }
    let may_have_more = may_have_more && claimed.claimed.len() < limit;
    claimed.next_due_in = if more_due || may_have_more {
        Some(Duration::ZERO)
    } else {
        transaction.next_due_in().await?
    };
    Ok((transaction, claimed))
}

/// Of how many threads it is looked at what has become due.
fn most_due(limit: usize) -> usize {
    limit.saturating_add(DUE_BEYOND)
}

/// Begins with locks on threads in which something can perhaps be claimed. The default tenant's come
/// with the first round; where other tenants have something ready, theirs come with a second one.
async fn find<'t>(
    tools: Tools<'t>,
    request: &ClaimRequest,
    limit: usize,
) -> Result<(Transaction<'t>, Turns, Vec<Candidate>), Fault> {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let time = tools.time();
    let except: Vec<String> = request.except_agents.iter().map(ToString::to_string).collect();
    let most = number(limit.min(request.tenants.of(&TenantId::default())));
    let ready: (Query, Values<'_>) = if except.is_empty() {
        (Query::LockReady, &[&most])
    } else {
        (Query::LockReadyExcept, &[&most, &except])
    };
    let most_due = number(most_due(limit));
    let due: (Query, Values<'_>) = (Query::LockDue, &[&time, &most_due]);
    let after = request.after_tenant.as_ref().filter(|last| !last.is_default());
    let after = after.map(ToString::to_string).unwrap_or_default();
    let most_tenants = number(limit.saturating_add(request.tenants.full().count()));
    let who: Values<'_> = &[&after, &most_tenants];
    let (begun, others) = join!(
        Transaction::begin(tools, false, [ready, due]),
        tools.session.query(Query::ReadyTenants, who),
    );
    let (mut transaction, [ready, due]) = begun?;

    let default = (!ready.is_empty()).then(TenantId::default);
    let others = others?;
    let others = others.iter().map(|row| Ok(RowReader::of(row).take()?));
    let tenants: Vec<TenantId> = others.chain(default.map(Ok)).collect::<Result<_, Fault>>()?;
    let turns = Turns::of(tenants, request, limit);
    let of_others = turns.shares().filter(|(tenant, _)| !tenant.is_default());
    let (tenants, shares): (Vec<String>, Vec<i64>) =
        of_others.map(|(tenant, share)| (tenant.to_string(), number(share))).unzip();
    let of_others = match (tenants.is_empty(), except.is_empty()) {
        (true, _) => Vec::new(),
        (_, true) => transaction.lock(Query::LockReadyOf, &[&tenants, &shares]).await?,
        _ => transaction.lock(Query::LockReadyOfExcept, &[&tenants, &shares, &except]).await?,
    };
    let ready = ready.into_iter().chain(of_others).map(|id| (id, false));
    let found = ready.chain(due.into_iter().map(|id| (id, true)));
    let candidates = found.map(|(thread_id, is_due)| Candidate {
        thread_id,
        tenant: TenantId::default(),
        is_due,
        rank: (Priority(u8::MAX), Timestamp(i64::MAX), i64::MAX),
    });
    let candidates = candidates.collect();
    Ok((transaction, turns, candidates))
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
    /// A candidate with its tenant and what orders it among others.
    fn ranked(&self, mut candidate: Candidate) -> Candidate {
        let Some(slot) = self.sheet.threads.get(&candidate.thread_id) else { return candidate };
        let Some(thread) = &slot.thread else { return candidate };
        candidate.tenant = thread.tenant.clone();
        candidate.rank.2 = slot.no;
        match &thread.readiness {
            Readiness::Ready { priority, since, .. } => {
                (candidate.rank.0, candidate.rank.1) = (*priority, *since);
            }
            Readiness::Delayed { until } => {
                let rows =
                    slot.dispatches.iter().filter_map(|id| self.sheet.dispatches.get(id)?.as_ref());
                let delayed = rows.filter(|d| d.status == DispatchStatus::Queued { due: false });
                let first = delayed.min_by_key(|d| (d.available_at, d.ordinal));
                let priority = first.map_or_else(Priority::default, |d| d.priority);
                (candidate.rank.0, candidate.rank.1) = (priority, *until);
            }
            _ => {}
        }
        candidate
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
