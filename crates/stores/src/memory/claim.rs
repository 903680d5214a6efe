//! Finding what can be claimed, or must be taken back, across threads.

use std::collections::HashSet;
use std::time::Duration;

use postroom_core::command::{ClaimRequest, Command, Envelope, Reply};
use postroom_core::dispatch::Priority;
use postroom_core::error::StoreError;
use postroom_core::id::ThreadId;
use postroom_core::ports::{ClaimedReady, Ids, ReclaimScope, Reclaimed};
use postroom_core::time::Timestamp;

use super::tables::Tables;

/// A thread that may be claimed from, in the order in which threads are served.
type Candidate = (Priority, Timestamp, ThreadId);

impl Tables {
    /// Claims the heads of up to `limit` different ready threads.
    pub(super) fn claim_ready(
        &mut self,
        request: &ClaimRequest,
        limit: usize,
        now: Timestamp,
        ids: Ids<'_>,
    ) -> Result<ClaimedReady, StoreError> {
        let mut ready = ClaimedReady::default();
        let mut tried = HashSet::new();
        loop {
            let candidates = self.candidates(request, limit - ready.claimed.len(), now, &tried);
            if candidates.is_empty() {
                break;
            }
            for (_, _, thread_id) in candidates {
                tried.insert(thread_id.clone());
                let command = Command::Claim(request.clone());
                let applied = self.apply(Envelope::new(thread_id, command), now, ids)?;
                ready.events.extend(applied.events);
                // `None` where delayed work has become due for an agent that is to be passed over.
                if let Reply::Claimed(Some(delivered)) = applied.reply {
                    ready.claimed.push(*delivered);
                }
            }
        }
        let next = self.shared.threads.delayed.first();
        ready.next_due_in = next.map(|(until, _)| until.since(now));
        Ok(ready)
    }

    /// The first `limit` threads that have something for `request` and were not tried.
    fn candidates(
        &self,
        request: &ClaimRequest,
        limit: usize,
        now: Timestamp,
        tried: &HashSet<ThreadId>,
    ) -> Vec<Candidate> {
        if limit == 0 {
            return Vec::new();
        }
        let threads = &self.shared.threads;
        let untried = |thread_id: &ThreadId| !tried.contains(thread_id);
        let mut candidates: Vec<Candidate> = threads
            .ready
            .iter()
            .filter(|(agent_id, _)| !request.except_agents.contains(agent_id))
            .flat_map(|(_, ready)| {
                ready.iter().filter(|place| untried(&place.2)).take(limit).cloned()
            })
            .collect();
        // What was delayed and is due takes its place among the others by its own priority.
        let due = threads.delayed.iter().take_while(|(until, _)| *until <= now);
        candidates.extend(due.filter(|(_, thread_id)| untried(thread_id)).take(limit).map(
            |(until, thread_id)| (self.due_priority(thread_id, now), *until, thread_id.clone()),
        ));
        candidates.sort_unstable();
        candidates.truncate(limit);
        candidates
    }

    /// The priority of the most urgent delayed dispatch of a thread that is due.
    fn due_priority(&self, thread_id: &ThreadId, now: Timestamp) -> Priority {
        let delayed = self.mailboxes.get(thread_id).into_iter().flat_map(|here| &here.delayed);
        let due = delayed.take_while(|(available_at, _, _)| *available_at <= now);
        let dispatches = due.filter_map(|(_, _, id)| self.shared.dispatches.get(id));
        dispatches.map(|dispatch| dispatch.priority).min().unwrap_or_default()
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
        let ended = leases.iter().take_while(|(until, _)| force || *until < now);
        let threads: Vec<ThreadId> = ended.take(limit).map(|(_, id)| id.clone()).collect();
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

    /// Deletes up to `limit` dispatches, and as many answers to submissions, that are older.
    pub(super) fn purge_terminal(&mut self, older_than: Timestamp, limit: usize) -> u64 {
        let mut purged = 0;
        let shared = &mut self.shared;
        for _ in 0..limit {
            let Some((since, _)) = shared.times.terminal.first() else { break };
            if *since >= older_than {
                break;
            }
            let Some((_, id)) = shared.times.terminal.pop_first() else { break };
            if let Some(removed) = shared.dispatches.remove(&id) {
                purged += 1;
                if let Some(here) = self.mailboxes.get_mut(&removed.row.thread_id) {
                    here.forget_dispatch(removed.number);
                }
            }
        }
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
        purged
    }
}
