//! All that the store holds.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashMap;
use postroom_core::dispatch::{Dispatch, Priority};
use postroom_core::id::{AgentId, IdempotencyKey, RunId, TenantId, ThreadId};
use postroom_core::run::Run;
use postroom_core::thread::{Readiness, Thread};
use postroom_core::time::Timestamp;

use super::gradual::GradualMap;
use super::mailbox::MailboxRows;
use super::table::Table;

/// The threads, and what is found across them.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) mailboxes: GradualMap<ThreadId, Box<MailboxRows>>,
    pub(super) shared: Shared,
}

/// Rows that are found without knowing their thread, and the indexes across threads.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) runs: Table<Run, 4>,
    pub(super) dispatches: Table<Dispatch, 6>,
    /// When they were made.
    pub(super) made: Made,
    /// The runs that each run asked for, by number.
    pub(super) children: HashMap<RunId, Vec<u64>>,
    /// The runs whose end is owed a report, by number.
    pub(super) owing: BTreeSet<u64>,
    pub(super) threads: ThreadIndex,
    /// What is of tenants other than the default one.
    pub(super) tenants: Tenants,
    /// When the answers to submissions were kept.
    pub(super) answers: BTreeSet<(Timestamp, ThreadId, IdempotencyKey)>,
}

/// The times at which dispatches were made, as far as their order goes.
#[derive(Default)]
pub(super) struct Made {
    newest: Option<Timestamp>,
    /// Whether one was made before an earlier one: the clock went back.
    pub(super) went_back: bool,
}

impl Made {
    /// The next dispatch was made `at` this time.
    pub(super) fn note(&mut self, at: Timestamp) {
        self.went_back |= self.newest.is_some_and(|newest| at < newest);
        self.newest = self.newest.max(Some(at));
    }
}

/// The rows of each tenant but the default one, which has the rest.
#[derive(Default)]
pub(super) struct Tenants(BTreeMap<TenantId, OfTenant>);

/// The numbers of a tenant's rows.
#[derive(Default)]
pub(super) struct OfTenant {
    pub(super) threads: BTreeSet<u64>,
    pub(super) runs: BTreeSet<u64>,
    pub(super) dispatches: BTreeSet<u64>,
    /// Its dispatches by the order of their states.
    pub(super) depth: [u64; 6],
}

impl Tenants {
    /// Has `note` change what is of `tenant`, where that is kept.
    pub(super) fn note(&mut self, tenant: &TenantId, note: impl FnOnce(&mut OfTenant)) {
        if !tenant.is_default() {
            note(self.0.entry(tenant.clone()).or_default());
        }
    }

    /// What is of `tenant`; nothing where nothing is kept.
    pub(super) fn get(&self, tenant: &TenantId) -> Option<&OfTenant> {
        self.0.get(tenant)
    }

    /// How many dispatches of all of them are in each state.
    pub(super) fn depth(&self) -> [u64; 6] {
        let mut depth = [0; 6];
        for of_tenant in self.0.values() {
            for (sum, count) in depth.iter_mut().zip(of_tenant.depth) {
                *sum += count;
            }
        }
        depth
    }
}

/// The tenant whose a thread is: none for the default one, which comes before all others.
pub(super) type Named = Option<TenantId>;

/// The threads of one tenant whose head may start, by the agent of the head: an agent that a node has
/// no room for is passed over as a whole.
pub(super) type ReadyOfTenant = BTreeMap<AgentId, BTreeMap<(Priority, Timestamp, u64), ThreadId>>;

/// A tenant as the index names it.
pub(super) fn named(tenant: &TenantId) -> Named {
    (!tenant.is_default()).then(|| tenant.clone())
}

/// Where work is, and the threads in the order they came. Of equals the older thread goes first.
#[derive(Default)]
pub(super) struct ThreadIndex {
    /// The threads whose head may start.
    pub(super) ready: BTreeMap<Named, ReadyOfTenant>,
    /// The idle threads whose first dispatch is for later.
    pub(super) delayed: BTreeMap<(Timestamp, u64), ThreadId>,
    pub(super) queued: BTreeSet<ThreadId>,
    pub(super) by_number: BTreeMap<u64, ThreadId>,
    pub(super) newest: u64,
}

impl ThreadIndex {
    /// The thread of this number was `before` and is now `after`; each `None` where there is none.
    pub(super) fn moved(&mut self, number: u64, before: Option<&Thread>, after: Option<&Thread>) {
        if before.map(|thread| &thread.readiness) != after.map(|thread| &thread.readiness) {
            if let Some(thread) = before {
                self.unready(number, thread);
            }
            if let Some(thread) = after {
                self.ready(number, thread);
            }
        }
        let queued = |thread: Option<&Thread>| thread.is_some_and(|thread| thread.queued > 0);
        match (before, after) {
            (Some(thread), _) if queued(before) && !queued(after) => {
                self.queued.remove(&thread.id);
            }
            (_, Some(thread)) if !queued(before) && queued(after) => {
                self.queued.insert(thread.id.clone());
            }
            _ => {}
        }
    }

    fn ready(&mut self, number: u64, thread: &Thread) {
        match &thread.readiness {
            Readiness::Ready { priority, since, agent_id } => {
                let of_tenant = self.ready.entry(named(&thread.tenant)).or_default();
                let ready = of_tenant.entry(agent_id.clone()).or_default();
                ready.insert((*priority, *since, number), thread.id.clone());
            }
            Readiness::Delayed { until } => {
                self.delayed.insert((*until, number), thread.id.clone());
            }
            Readiness::Idle | Readiness::Busy => {}
        }
    }

    fn unready(&mut self, number: u64, thread: &Thread) {
        match &thread.readiness {
            Readiness::Ready { priority, since, agent_id } => {
                let tenant = named(&thread.tenant);
                let Some(of_tenant) = self.ready.get_mut(&tenant) else { return };
                if let Some(ready) = of_tenant.get_mut(agent_id) {
                    ready.remove(&(*priority, *since, number));
                    if ready.is_empty() {
                        of_tenant.remove(agent_id);
                    }
                }
                if of_tenant.is_empty() {
                    self.ready.remove(&tenant);
                }
            }
            Readiness::Delayed { until } => {
                self.delayed.remove(&(*until, number));
            }
            Readiness::Idle | Readiness::Busy => {}
        }
    }
}
