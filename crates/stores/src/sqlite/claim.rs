//! Finding threads to claim in, and claims to take back. What happens to each is the core's to say.

use std::time::Duration;

use postroom_core::command::{ClaimRequest, Command, Envelope, Reply};
use postroom_core::id::{AgentId, TenantId, ThreadId};
use postroom_core::ports::{Applied, ClaimedReady, ReclaimScope, Reclaimed};
use postroom_core::time::Timestamp;

use super::columns::{Columns, only};
use super::error::Fault;
use super::queries::Query;
use super::work::Transaction;
use crate::sql::{Columns as _, Damaged};
use crate::turns::{self, Candidate, DUE_BEYOND, Turns};

impl Transaction<'_, '_> {
    /// Claims the heads of up to `limit` threads. Each candidate is tried once, so that one which
    /// brings nothing costs one try a call.
    pub(super) fn claim_ready(
        &mut self,
        request: &ClaimRequest,
        limit: usize,
    ) -> Result<ClaimedReady, Fault> {
        let now = self.clock.now();
        let mut request = request.clone();
        let after = request.after_tenant.clone();
        let turns = Turns::of(self.ready_tenants(&request, limit)?, &request, limit);
        let mut candidates = Vec::new();
        for (tenant, share) in turns.shares() {
            self.ready(tenant, &request.except_agents, share, &mut candidates)?;
        }
        let most_due = limit.saturating_add(DUE_BEYOND);
        let ready = candidates.len();
        self.due(now, most_due, &mut candidates)?;
        let more_due = candidates.len() - ready >= most_due;
        let candidates = turns.order(candidates, after.as_ref());
        let may_have_more = turns.may_have_more(&candidates, &request);

        let mut ready = ClaimedReady::default();
        for candidate in candidates {
            let request_for = turns::request_for(&candidate, &request, ready.claimed.len(), limit);
            let Some(command) = request_for.map(Command::Claim) else { continue };
            let Ok(applied) = self.apply(&Envelope::new(candidate.thread_id, command))? else {
                continue;
            };
            ready.events.extend(applied.events);
            if let Reply::Claimed(Some(delivered)) = applied.reply {
                request.tenants.take(&candidate.tenant);
                ready.claimed.push(*delivered);
            }
        }
        let may_have_more = may_have_more && ready.claimed.len() < limit;
        ready.next_due_in =
            if more_due || may_have_more { Some(Duration::ZERO) } else { self.next_due_in(now)? };
        Ok(ready)
    }

    /// The first `limit` tenants with something ready that there is room for, from the one on that
    /// comes after the last one that was served; in any order, and the default one beside them.
    fn ready_tenants(
        &mut self,
        request: &ClaimRequest,
        limit: usize,
    ) -> Result<Vec<TenantId>, Fault> {
        let mut found = Vec::new();
        if self.ready_agent(&TenantId::default(), None)?.is_some() {
            found.push(TenantId::default());
        }
        let last = request.after_tenant.as_ref().filter(|last| !last.is_default());
        let mut passed = last.cloned();
        let mut is_around = last.is_none();
        let most = found.len().saturating_add(limit);
        while found.len() < most {
            let values = self.statements.get(Query::ReadyTenant)?;
            let values = match &passed {
                Some(tenant) => values.with(tenant)?,
                None => values.with("")?,
            };
            match values.one(only::<TenantId>)? {
                Some(tenant) => {
                    if is_around && last.is_some_and(|last| tenant > *last) {
                        break;
                    }
                    passed = Some(tenant.clone());
                    if request.tenants.of(&tenant) > 0 {
                        found.push(tenant);
                    }
                }
                None if is_around => break,
                None => {
                    is_around = true;
                    passed = None;
                }
            }
        }
        Ok(found)
    }

    /// The next of a tenant's agents for which some thread is ready.
    fn ready_agent(
        &mut self,
        tenant: &TenantId,
        passed: Option<&AgentId>,
    ) -> Result<Option<AgentId>, Fault> {
        let values = self.statements.get(Query::ReadyAgent)?.with(tenant)?;
        let values = match passed {
            Some(agent_id) => values.with(agent_id)?,
            None => values.with("")?,
        };
        values.one(only::<AgentId>)
    }

    /// The first `limit` ready threads of a tenant for each agent but those of `except`. It goes from
    /// agent to agent along the index: what waits for an agent that is passed over costs nothing.
    fn ready(
        &mut self,
        tenant: &TenantId,
        except: &[AgentId],
        limit: usize,
        found: &mut Vec<Candidate>,
    ) -> Result<(), Fault> {
        let mut passed: Option<AgentId> = None;
        while let Some(agent_id) = self.ready_agent(tenant, passed.as_ref())? {
            if !except.contains(&agent_id) {
                let values = self.statements.get(Query::ReadyThreads)?;
                let values = values.with(tenant)?.with(&agent_id)?.with(&limit)?;
                values.each(|row| {
                    found.push(candidate(row, false)?);
                    Ok(true)
                })?;
            }
            passed = Some(agent_id);
        }
        Ok(())
    }

    /// The first `limit` idle threads of whose delayed work something has become due. The core puts
    /// it in the queue even if it is then not claimed, so that none stands here twice.
    fn due(
        &mut self,
        now: Timestamp,
        limit: usize,
        found: &mut Vec<Candidate>,
    ) -> Result<(), Fault> {
        self.statements.get(Query::DueThreads)?.with(&now)?.with(&limit)?.each(|row| {
            found.push(candidate(row, true)?);
            Ok(true)
        })
    }

    /// How long until the next delayed dispatch is due.
    fn next_due_in(&mut self, now: Timestamp) -> Result<Option<Duration>, Fault> {
        let values = self.statements.get(Query::NextDue)?.with(&now)?;
        let next: Option<Timestamp> = values.one(only)?;
        Ok(next.map(|next| next.since(now)))
    }

    /// Takes up to `limit` claims back.
    pub(super) fn reclaim(
        &mut self,
        scope: &ReclaimScope,
        retry_in: Duration,
        limit: usize,
    ) -> Result<Reclaimed, Fault> {
        let force = *scope == ReclaimScope::All;
        let before = if force { Timestamp(i64::MAX) } else { self.clock.now() };
        let values = self.statements.get(Query::LeasedThreads)?.with(&before)?.with(&limit)?;
        let thread_ids: Vec<ThreadId> = values.all(only)?;

        let mut reclaimed = Reclaimed::default();
        for thread_id in thread_ids {
            let command = Command::Reclaim { force, retry_in };
            let Ok(Applied { reply, events }) = self.apply(&Envelope::new(thread_id, command))?
            else {
                continue;
            };
            reclaimed.events.extend(events);
            if let Reply::Reclaimed(Some(dispatch)) = reply {
                reclaimed.dispatches.push(dispatch);
            }
        }
        Ok(reclaimed)
    }
}

fn candidate(row: &mut Columns<'_, '_>, is_due: bool) -> Result<Candidate, Damaged> {
    let (thread_id, number, tenant) = (row.take()?, row.take()?, row.take()?);
    let (priority, since) = (row.take()?, row.take()?);
    Ok(Candidate { thread_id, tenant, is_due, rank: (priority, since, number) })
}
