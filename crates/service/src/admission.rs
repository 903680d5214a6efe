//! Admission: how much executes here at once, in all, of each agent and of each tenant.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use postroom_core::command::{ClaimRequest, TenantRooms};
use postroom_core::dispatch::Dispatch;
use postroom_core::id::{AgentId, TenantId};

use crate::config::{Limits, TenantRuns};
use crate::node::Node;

pub(crate) struct Admission {
    max: usize,
    used: AtomicUsize,
    /// Only agents with a limit of their own are counted.
    by_agent: Option<Mutex<HashMap<AgentId, Room>>>,
    /// Only while some tenant is limited are tenants counted.
    by_tenant: Option<TenantPlaces>,
    none: Arc<[AgentId]>,
    /// The tenant whose run was claimed last among those of all threads.
    served: Mutex<Option<TenantId>>,
}

/// How many runs of each tenant execute here: of those of which any does.
struct TenantPlaces {
    max: TenantRuns,
    used: Mutex<BTreeMap<TenantId, usize>>,
}

#[derive(Clone, Copy)]
struct Room {
    max: usize,
    used: usize,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        let rooms: HashMap<_, _> = limits
            .max_concurrent_runs_by_agent
            .iter()
            .map(|(agent, max)| (agent.clone(), Room { max: *max, used: 0 }))
            .collect();
        Self {
            max: limits.max_concurrent_runs,
            used: AtomicUsize::new(0),
            by_agent: (!rooms.is_empty()).then(|| Mutex::new(rooms)),
            by_tenant: TenantPlaces::of(&limits.max_concurrent_runs_by_tenant),
            none: Arc::new([]),
            served: Mutex::new(None),
        }
    }

    /// How many more runs there is room for.
    pub(crate) fn free(&self) -> usize {
        self.max.saturating_sub(self.used.load(Ordering::Acquire))
    }

    /// How many dispatches can be claimed in one go without the risk that an agent's limit is
    /// overrun: those that are full already are left out of the claim.
    pub(crate) fn safe_batch(&self) -> usize {
        let Some(rooms) = &self.by_agent else { return usize::MAX };
        let rooms = rooms.lock();
        let left = rooms.values().filter(|room| room.used < room.max);
        left.map(|room| room.max - room.used).min().unwrap_or(usize::MAX)
    }

    /// The agents that have no room, not counting the place that whoever asks holds itself.
    pub(crate) fn full_agents(&self, own: Option<&AgentId>) -> Arc<[AgentId]> {
        let Some(rooms) = &self.by_agent else { return self.none.clone() };
        let rooms = rooms.lock();
        let full = rooms.iter().filter(|(agent, room)| {
            let held = usize::from(own == Some(*agent));
            room.used.saturating_sub(held) >= room.max
        });
        full.map(|(agent, _)| agent.clone()).collect()
    }

    /// Whether there is an agent or a tenant that has no room.
    pub(crate) fn is_any_full(&self) -> bool {
        let is_agent_full = self.by_agent.is_some() && !self.full_agents(None).is_empty();
        is_agent_full
            || self
                .by_tenant
                .as_ref()
                .is_some_and(|tenants| tenants.rooms(None).full().next().is_some())
    }

    /// How many more runs of each tenant there is room for, not counting the place that whoever asks
    /// holds itself.
    fn tenant_rooms(&self, own: Option<&TenantId>) -> TenantRooms {
        self.by_tenant.as_ref().map(|tenants| tenants.rooms(own)).unwrap_or_default()
    }

    /// Tenants take turns: the next claim across threads begins after this one.
    pub(crate) fn served(&self, tenant: &TenantId) {
        let mut served = self.served.lock();
        if served.as_ref() != Some(tenant) {
            *served = Some(tenant.clone());
        }
    }

    fn enter(&self) -> bool {
        let entered = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            (used < self.max).then_some(used + 1)
        });
        entered.is_ok()
    }

    fn leave(&self) {
        self.used.fetch_sub(1, Ordering::AcqRel);
    }

    /// Takes one of the agent's places; `None` if it has none left, and `Some(false)` if it needs
    /// none.
    fn enter_agent(&self, agent: &AgentId) -> Option<bool> {
        let Some(rooms) = &self.by_agent else { return Some(false) };
        match rooms.lock().get_mut(agent) {
            None => Some(false),
            Some(room) if room.used < room.max => {
                room.used += 1;
                Some(true)
            }
            Some(_) => None,
        }
    }

    fn leave_agent(&self, agent: &AgentId) {
        if let Some(rooms) = &self.by_agent
            && let Some(room) = rooms.lock().get_mut(agent)
        {
            room.used = room.used.saturating_sub(1);
        }
    }
}

impl TenantPlaces {
    fn of(max: &TenantRuns) -> Option<Self> {
        (!max.is_none()).then(|| Self { max: max.clone(), used: Mutex::default() })
    }

    fn rooms(&self, own: Option<&TenantId>) -> TenantRooms {
        let used = self.used.lock();
        let free = |tenant: &TenantId, max: Option<usize>| {
            let held = usize::from(own == Some(tenant));
            let used = used.get(tenant).map_or(0, |used| used.saturating_sub(held));
            max.map_or(usize::MAX, |max| max.saturating_sub(used))
        };
        let named = self.max.named.iter().map(|(tenant, max)| (tenant.clone(), free(tenant, *max)));
        let is_other =
            |tenant: &&TenantId| self.max.others.is_some() && !self.max.named.contains_key(*tenant);
        let others = used.keys().filter(is_other);
        let others = others.map(|tenant| (tenant.clone(), free(tenant, self.max.others)));
        TenantRooms {
            named: named.chain(others).collect(),
            others: self.max.others.unwrap_or(usize::MAX),
        }
    }

    /// Takes one of the tenant's places, if it has one left.
    fn enter(&self, tenant: &TenantId) -> bool {
        let mut used = self.used.lock();
        let used_by = used.get(tenant).copied().unwrap_or(0);
        let has_room = self.max.of(tenant).is_none_or(|max| used_by < max);
        if has_room {
            used.insert(tenant.clone(), used_by + 1);
        }
        has_room
    }

    /// Takes one whether it has one left or not.
    fn enter_again(&self, tenant: &TenantId) {
        *self.used.lock().entry(tenant.clone()).or_default() += 1;
    }

    /// Frees one; says whether the tenant had none left before.
    fn leave(&self, tenant: &TenantId) -> bool {
        let mut used = self.used.lock();
        let Some(used_by) = used.get_mut(tenant) else { return false };
        let was_full = self.max.of(tenant).is_some_and(|max| *used_by >= max);
        *used_by = used_by.saturating_sub(1);
        if *used_by == 0 {
            used.remove(tenant);
        }
        was_full
    }
}

impl Node {
    /// What this node asks for when it claims: what it has room for, the place included that whoever
    /// holds `own` is about to leave.
    pub(crate) fn claim_request(&self, own: Option<&Permit>) -> ClaimRequest {
        let admission = &self.admission;
        ClaimRequest {
            node: self.id.clone(),
            lease: self.config.mailbox.lease(),
            begin: true,
            except_agents: admission.full_agents(own.and_then(|permit| permit.agent.as_ref())),
            tenants: admission.tenant_rooms(own.and_then(|permit| permit.tenant.as_ref())),
            after_tenant: None,
        }
    }

    /// The same for a claim across threads.
    pub(crate) fn claim_request_for_all(&self) -> ClaimRequest {
        let after_tenant = self.admission.served.lock().clone();
        ClaimRequest { after_tenant, ..self.claim_request(None) }
    }
}

/// How many runs of one thread follow one another in a place while others may wait for it: a thread
/// goes on cheaply with its next run, but one with a long queue must not keep the others waiting.
const TURNS_MAX: u32 = 8;

/// A place for one run. Dropping it frees the place and lets the dispatcher look for work.
pub(crate) struct Permit {
    node: Arc<Node>,
    /// The agent whose place is held too.
    agent: Option<AgentId>,
    /// The tenant whose place is held too, and lent with this one.
    tenant: Option<TenantId>,
    /// The place is lent to others while the run waits in memory.
    lent: bool,
    /// How many runs have ended in it.
    turns: u32,
}

impl Permit {
    /// A place, if one is free.
    pub(crate) fn take(node: &Arc<Node>) -> Option<Self> {
        let entered = node.admission.enter();
        entered.then(|| Self {
            node: node.clone(),
            agent: None,
            tenant: None,
            lent: false,
            turns: 0,
        })
    }

    /// Takes one of the places of the dispatch's agent too, and of its tenant, instead of those of
    /// others; `false` if one of them has none left.
    pub(crate) fn assign(&mut self, dispatch: &Dispatch) -> bool {
        self.assign_tenant(&dispatch.tenant) && self.assign_agent(&dispatch.agent_id)
    }

    fn assign_tenant(&mut self, tenant: &TenantId) -> bool {
        let node = self.node.clone();
        let Some(tenants) = &node.admission.by_tenant else { return true };
        if self.tenant.as_ref() == Some(tenant) {
            return true;
        }
        self.leave_tenant();
        let entered = tenants.enter(tenant);
        self.tenant = entered.then(|| tenant.clone());
        entered
    }

    fn assign_agent(&mut self, agent: &AgentId) -> bool {
        if self.agent.as_ref() == Some(agent) {
            return true;
        }
        self.leave_agent();
        match self.node.admission.enter_agent(agent) {
            Some(counted) => {
                self.agent = counted.then(|| agent.clone());
                true
            }
            None => false,
        }
    }

    /// A run that waits in memory for a person must not keep others from running.
    pub(crate) fn lend(&mut self) {
        if !std::mem::replace(&mut self.lent, true) {
            self.node.admission.leave();
            self.free_tenants();
            self.node.ready.room();
        }
    }

    /// The run goes on. Its place may be taken by now: then one run too many executes for a while,
    /// which is better than one that can't go on.
    pub(crate) fn reclaim(&mut self) {
        if std::mem::replace(&mut self.lent, false) {
            self.node.admission.used.fetch_add(1, Ordering::AcqRel);
            if let (Some(tenants), Some(tenant)) = (&self.node.admission.by_tenant, &self.tenant) {
                tenants.enter_again(tenant);
            }
        }
    }

    /// A run has ended in this place: whether the thread's next one may take it.
    pub(crate) fn keeps(&mut self) -> bool {
        self.turns += 1;
        let others_wait = self.node.ready.is_marked() && self.node.admission.free() == 0;
        self.turns < TURNS_MAX || !others_wait
    }

    fn leave_tenant(&mut self) {
        if !self.lent {
            self.free_tenants();
        }
        self.tenant = None;
    }

    fn free_tenants(&self) {
        if let (Some(tenants), Some(tenant)) = (&self.node.admission.by_tenant, &self.tenant)
            && tenants.leave(tenant)
        {
            // Its threads were passed over while it was full.
            self.node.ready.mark();
        }
    }

    fn leave_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            self.node.admission.leave_agent(&agent);
            // Threads whose head is this agent's were passed over while it was full.
            self.node.ready.mark();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.leave_tenant();
        self.leave_agent();
        if !self.lent {
            self.node.admission.leave();
        }
        self.node.ready.room();
    }
}
