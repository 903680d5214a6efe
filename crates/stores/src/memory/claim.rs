//! Finding what can be claimed, or must be taken back, across threads.

use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use postroom_core::command::{ClaimRequest, Command, Envelope, Reply};
use postroom_core::dispatch::{DispatchState, Priority};
use postroom_core::error::StoreError;
use postroom_core::id::{TenantId, ThreadId};
use postroom_core::ports::{ClaimedReady, Ids, PurgedEvents, ReclaimScope, Reclaimed};
use postroom_core::time::Timestamp;

use super::list::number;
use super::tables::{Tables, named};
use crate::turns::{self, Candidate, DUE_BEYOND, Turns};

impl Tables {
    /// Claims the heads of up to `limit` different ready threads. Each candidate is tried once.
    pub(super) fn claim_ready(
        &mut self,
        request: &ClaimRequest,
        limit: usize,
        now: Timestamp,
        ids: Ids<'_>,
    ) -> Result<ClaimedReady, StoreError> {
        let mut request = request.clone();
        let after = request.after_tenant.clone();
        let turns = Turns::of(self.ready_tenants(&request, limit), &request, limit);
        let mut candidates = self.ready(&turns, &request);
        candidates.extend(self.due(limit, now));
        let candidates = turns.order(candidates, after.as_ref());
        let may_have_more = turns.may_have_more(&candidates, &request);

        let mut ready = ClaimedReady::default();
        for candidate in candidates {
            let request_for = turns::request_for(&candidate, &request, ready.claimed.len(), limit);
            let Some(command) = request_for.map(Command::Claim) else { continue };
            let applied = self.apply(Envelope::new(candidate.thread_id, command), now, ids)?;
            ready.events.extend(applied.events);
            // `None` where delayed work has become due that is to be passed over: it is in the queue
            // now, and not among the delayed again.
            if let Reply::Claimed(Some(delivered)) = applied.reply {
                request.tenants.take(&candidate.tenant);
                ready.claimed.push(*delivered);
            }
        }
        ready.next_due_in = if may_have_more && ready.claimed.len() < limit {
            Some(Duration::ZERO)
        } else {
            let next = self.shared.threads.delayed.first_key_value();
            next.map(|((until, _), _)| until.since(now))
        };
        Ok(ready)
    }

    /// The first `limit` tenants with something ready that there is room for, from the one on that
    /// comes after the last one that was served.
    fn ready_tenants(&self, request: &ClaimRequest, limit: usize) -> Vec<TenantId> {
        let ready = &self.shared.threads.ready;
        let (from, to) = match request.after_tenant.as_ref().map(named) {
            None => (Unbounded, None),
            Some(last) => (Excluded(last.clone()), Some(last)),
        };
        let later = ready.range((from, Unbounded));
        let earlier = to.into_iter().flat_map(|last| ready.range(..=last));
        let tenants = later.chain(earlier).map(|(tenant, _)| tenant.clone().unwrap_or_default());
        tenants.filter(|tenant| request.tenants.of(tenant) > 0).take(limit).collect()
    }

    /// The most urgent threads whose head may start, so many of each tenant as its share is.
    fn ready(&self, turns: &Turns, request: &ClaimRequest) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (tenant, share) in turns.shares() {
            let agents = self.shared.threads.ready.get(&named(tenant)).into_iter().flatten();
            let agents = agents.filter(|(agent, _)| !request.except_agents.contains(agent));
            let heads = agents.flat_map(|(_, ready)| ready.iter().take(share));
            found.extend(heads.map(|((priority, since, number), id)| Candidate {
                thread_id: id.clone(),
                tenant: tenant.clone(),
                is_due: false,
                rank: (*priority, *since, number.cast_signed()),
            }));
        }
        found
    }

    /// Threads of which something delayed has become due: it takes its place among the others by its
    /// priority.
    fn due(&self, limit: usize, now: Timestamp) -> Vec<Candidate> {
        let due = self.shared.threads.delayed.iter().take_while(|((until, _), _)| *until <= now);
        let due = due.take(limit.saturating_add(DUE_BEYOND));
        let candidate = |((until, number), id): (&(Timestamp, u64), &ThreadId)| {
            let here = self.mailboxes.get(id);
            Candidate {
                thread_id: id.clone(),
                tenant: here.map(|here| here.thread.tenant.clone()).unwrap_or_default(),
                is_due: true,
                rank: (self.first_delayed_priority(id), *until, number.cast_signed()),
            }
        };
        due.map(candidate).collect()
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
        let mut reclaimed = Reclaimed::default();
        for thread_id in self.lost(force, limit, now) {
            let command = Command::Reclaim { force, retry_in };
            let applied = self.apply(Envelope::new(thread_id, command), now, ids)?;
            reclaimed.events.extend(applied.events);
            if let Reply::Reclaimed(Some(dispatch)) = applied.reply {
                reclaimed.dispatches.push(dispatch);
            }
        }
        Ok(reclaimed)
    }

    /// The threads of up to `limit` claims that have ended, the first to end first; of all claims if they
    /// are taken by force. One process executes no more than it can: looking at all of them now and then is
    /// quicker than keeping them in order with every claim.
    fn lost(&self, force: bool, limit: usize, now: Timestamp) -> Vec<ThreadId> {
        let dispatches = &self.shared.dispatches;
        // They are among the newest: from that end all are found soon, whatever has ended before.
        let claimed = dispatches.newest_first(&[DispatchState::Claimed as usize], u64::MAX);
        let mut lost: Vec<(Timestamp, u64, &ThreadId)> = claimed
            .filter_map(|(number, row)| Some((row.lease_until()?, number, &row.thread_id)))
            .filter(|(until, ..)| force || *until < now)
            .collect();
        lost.sort_unstable();
        lost.into_iter().take(limit).map(|(.., thread_id)| thread_id.clone()).collect()
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

    /// A dispatch ends after it was made, and they are numbered as they were made: behind the first that was
    /// made too late none is old, unless the clock went back.
    fn purge_state(
        &mut self,
        tenant: Option<&TenantId>,
        state: DispatchState,
        older_than: Timestamp,
        limit: usize,
    ) -> u64 {
        if !state.is_terminal() {
            return 0;
        }
        let shared = &mut self.shared;
        let ended = shared.dispatches.oldest_first(state as usize, 0);
        let old: Vec<u64> = ended
            .take_while(|(_, row)| shared.made.went_back || row.created_at < older_than)
            .filter(|(_, row)| row.updated_at < older_than)
            .filter(|(_, row)| tenant.is_none_or(|tenant| row.tenant == *tenant))
            .map(|(number, _)| number)
            .take(limit)
            .collect();
        let mut purged = 0;
        for number in old {
            if let Some(removed) = shared.remove_dispatch(number) {
                purged += 1;
                if let Some(here) = self.mailboxes.get_mut(&removed.thread_id) {
                    here.dispatches.forget(number);
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
