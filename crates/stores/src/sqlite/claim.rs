//! Finding threads to claim in, and claims to take back. What happens to each is the core's to say.

use std::time::Duration;

use postroom_core::command::{ClaimRequest, Command, Envelope, Reply};
use postroom_core::id::{AgentId, ThreadId};
use postroom_core::ports::{Applied, ClaimedReady, ReclaimScope, Reclaimed};
use postroom_core::time::Timestamp;

use super::columns::only;
use super::error::Fault;
use super::queries::Query;
use super::work::Transaction;
use crate::sql::{Columns as _, Put};

/// A thread in which something can perhaps be claimed.
struct Candidate {
    thread_id: ThreadId,
    /// Whether it is one of the threads with delayed work.
    delayed: bool,
    /// Priority, since when, and the thread's number: what orders it among the others.
    rank: (u8, i64, i64),
}

impl Transaction<'_, '_> {
    /// Claims the heads of up to `limit` threads. Each candidate is tried once, so that one which
    /// brings nothing costs one try a call.
    pub(super) fn claim_ready(
        &mut self,
        request: &ClaimRequest,
        limit: usize,
    ) -> Result<ClaimedReady, Fault> {
        let now = self.clock.now();
        let mut candidates = self.ready(&request.except_agents, limit)?;
        let due = self.due(now, limit.saturating_add(1))?;
        let more_due = due.len() > limit;
        candidates.extend(due);
        candidates.sort_unstable_by_key(|candidate| candidate.rank);

        let mut ready = ClaimedReady::default();
        let mut candidates = candidates.into_iter();
        while ready.claimed.len() < limit
            && let Some(candidate) = candidates.next()
        {
            let command = Command::Claim(request.clone());
            let Ok(applied) = self.apply(&Envelope::new(candidate.thread_id, command))? else {
                continue;
            };
            ready.events.extend(applied.events);
            if let Reply::Claimed(Some(delivered)) = applied.reply {
                ready.claimed.push(*delivered);
            }
        }
        ready.next_due_in = if more_due || candidates.any(|candidate| candidate.delayed) {
            Some(Duration::ZERO)
        } else {
            self.next_due_in(now)?
        };
        Ok(ready)
    }

    /// The first `limit` ready threads whose head is not for one of `except`. It goes from agent to
    /// agent along the index: what waits for an agent that is passed over costs nothing.
    fn ready(&mut self, except: &[AgentId], limit: usize) -> Result<Vec<Candidate>, Fault> {
        let mut found = Vec::new();
        let mut passed: Option<AgentId> = None;
        loop {
            let values = self.statements.get(Query::ReadyAgent)?;
            let values = match &passed {
                Some(agent_id) => values.with(agent_id)?,
                None => values.with("")?,
            };
            let Some(agent_id) = values.one(only::<AgentId>)? else { break };
            if !except.contains(&agent_id) {
                found.extend(self.candidates(Query::ReadyThreads, &agent_id, limit)?);
            }
            passed = Some(agent_id);
        }
        Ok(found)
    }

    /// The first `limit` idle threads of whose delayed work something has become due. The core puts
    /// it in the queue even if it is then not claimed, so that none stands here twice.
    fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Candidate>, Fault> {
        self.candidates(Query::DueThreads, &now, limit)
    }

    fn candidates(
        &mut self,
        query: Query,
        of: &impl Put,
        limit: usize,
    ) -> Result<Vec<Candidate>, Fault> {
        self.statements.get(query)?.with(of)?.with(&limit)?.all(|row| {
            let (thread_id, number) = (row.take()?, row.take()?);
            let delayed = query == Query::DueThreads;
            Ok(Candidate { thread_id, delayed, rank: (row.take()?, row.take()?, number) })
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
