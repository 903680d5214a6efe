//! Finding what can be claimed, or must be taken back, across threads.

use std::time::Duration;

use postroom_core::command::{ClaimRequest, Command, Envelope, Reply};
use postroom_core::dispatch::DispatchState;
use postroom_core::dispatch::Priority;
use postroom_core::error::StoreError;
use postroom_core::id::{TenantId, ThreadId};
use postroom_core::ports::{ClaimedReady, Ids, PurgedEvents, ReclaimScope, Reclaimed};
use postroom_core::time::Timestamp;

use super::list::number;
use super::tables::Tables;

/// A thread that may be claimed from, in the order in which threads are served.
type Candidate = (Priority, Timestamp, u64, ThreadId);

impl Tables {
    /// Claims the heads of up to `limit` different ready threads. Each candidate is tried once.
    pub(super) fn claim_ready(
        &mut self,
        request: &ClaimRequest,
        limit: usize,
        now: Timestamp,
        ids: Ids<'_>,
    ) -> Result<ClaimedReady, StoreError> {
        let mut ready = ClaimedReady::default();
        for (_, _, _, thread_id) in self.candidates(request, limit, now) {
            if ready.claimed.len() == limit {
                break;
            }
            let command = Command::Claim(request.clone());
            let applied = self.apply(Envelope::new(thread_id, command), now, ids)?;
            ready.events.extend(applied.events);
            // `None` where delayed work has become due for an agent that is to be passed over: it
            // is in the queue now, and not among the delayed again.
            if let Reply::Claimed(Some(delivered)) = applied.reply {
                ready.claimed.push(*delivered);
            }
        }
        let next = self.shared.threads.delayed.first_key_value();
        ready.next_due_in = next.map(|((until, _), _)| until.since(now));
        Ok(ready)
    }

    /// The first `limit` threads whose head may start, and as many of which something delayed has
    /// become due: it takes its place among the others by its priority.
    fn candidates(&self, request: &ClaimRequest, limit: usize, now: Timestamp) -> Vec<Candidate> {
        let threads = &self.shared.threads;
        let room = threads.ready.iter().filter(|(id, _)| !request.except_agents.contains(id));
        let mut candidates: Vec<Candidate> = room
            .flat_map(|(_, ready)| ready.iter().take(limit))
            .map(|((priority, since, number), id)| (*priority, *since, *number, id.clone()))
            .collect();
        let due = threads.delayed.iter().take_while(|((until, _), _)| *until <= now);
        candidates.extend(due.take(limit.saturating_add(1)).map(|((until, number), id)| {
            (self.first_delayed_priority(id), *until, *number, id.clone())
        }));
        candidates.sort_unstable();
        candidates
    }

    fn first_delayed_priority(&self, thread_id: &ThreadId) -> Priority {
        let here = self.mailboxes.get(thread_id);
        let first = here.and_then(|here| here.delayed.first_key_value());
        let dispatch = first.and_then(|(_, number)| self.shared.dispatches.at(*number));
        dispatch.map_or_else(Priority::default, |dispatch| dispatch.priority)
    }

    /// Takes back up to `limit` claims.
    pub(super) fn reclaim(
        &mut self,
        scope: &ReclaimScope,
        retry_in: Duration,
        limit: usize,
        now: Timestamp,
        ids: Ids<'_>,
    ) -> Result<Reclaimed, StoreError> {
        let force = *scope == ReclaimScope::All;
        let leases = &self.shared.times.leases;
        let ended = leases.iter().take_while(|(until, _)| force || *until < now).take(limit);
        let dispatches = ended.filter_map(|(_, number)| self.shared.dispatches.at(*number));
        let threads: Vec<ThreadId> = dispatches.map(|row| row.thread_id.clone()).collect();
        let mut reclaimed = Reclaimed::default();
        for thread_id in threads {
            let command = Command::Reclaim { force, retry_in };
            let applied = self.apply(Envelope::new(thread_id, command), now, ids)?;
            reclaimed.events.extend(applied.events);
            if let Reply::Reclaimed(Some(dispatch)) = applied.reply {
                reclaimed.dispatches.push(dispatch);
            }
        }
        Ok(reclaimed)
    }

    /// Deletes up to `limit` dispatches of `tenant` that are older; of all, and as many answers to
    /// submissions.
    pub(super) fn purge_terminal(
        &mut self,
        tenant: Option<&TenantId>,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> u64 {
        let Some(state) = state else {
            if tenant.is_none() {
                self.purge_answers(older_than, limit);
            }
            return DispatchState::TERMINAL.iter().fold(0, |purged, state| {
                let left = limit.saturating_sub(usize::try_from(purged).unwrap_or(limit));
                purged + self.purge_state(tenant, *state, older_than, left)
            });
        };
        self.purge_state(tenant, state, older_than, limit)
    }

    fn purge_state(
        &mut self,
        tenant: Option<&TenantId>,
        state: DispatchState,
        older_than: Timestamp,
        limit: usize,
    ) -> u64 {
        let shared = &mut self.shared;
        let old = (state, Timestamp(i64::MIN), 0)..(state, older_than, 0);
        let old = shared.times.terminal.range(old).map(|(_, _, number)| *number);
        let wanted = |number: &u64| {
            let row = shared.dispatches.at(*number);
            tenant.is_none_or(|tenant| row.is_some_and(|row| row.tenant == *tenant))
        };
        let old: Vec<u64> = old.filter(wanted).take(limit).collect();
        let mut purged = 0;
        for number in old {
            if let Some(removed) = shared.remove_dispatch(number) {
                purged += 1;
                if let Some(here) = self.mailboxes.get_mut(&removed.thread_id) {
                    here.forget_dispatch(number);
                }
            }
        }
        purged
    }

    /// Deletes old events of up to `limit` threads, in the order in which they came.
    pub(super) fn purge_events(
        &mut self,
        older_than: Timestamp,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<PurgedEvents, StoreError> {
        let from = cursor.map_or(Ok(0), number)?;
        let threads = self.shared.threads.by_number.range(from..).take(limit);
        let threads: Vec<(u64, ThreadId)> =
            threads.map(|(number, id)| (*number, id.clone())).collect();
        let mut purged = PurgedEvents::default();
        for (number, id) in &threads {
            let Some(here) = self.mailboxes.get_mut(id) else { continue };
            let deleted = here.purge_events(older_than, limit);
            purged.deleted += deleted as u64;
            if purged.deleted >= limit as u64 {
                purged.next_cursor = Some(format!("{number:x}"));
                return Ok(purged);
            }
        }
        let last = threads.last().filter(|_| threads.len() == limit);
        purged.next_cursor = last.map(|(number, _)| format!("{:x}", number + 1));
        Ok(purged)
    }

    fn purge_answers(&mut self, older_than: Timestamp, limit: usize) {
        let shared = &mut self.shared;
        for _ in 0..limit {
            let Some((at, ..)) = shared.answers.first() else { break };
            if *at >= older_than {
                break;
            }
            let Some((_, thread_id, key)) = shared.answers.pop_first() else { break };
            if let Some(here) = self.mailboxes.get_mut(&thread_id) {
                here.answers.remove(&key);
            }
        }
    }
}
