//! Admission: how much executes here at once, in all and of each agent.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use postroom_core::id::AgentId;

use crate::config::Limits;
use crate::node::Node;

pub(crate) struct Admission {
    max: usize,
    used: AtomicUsize,
    /// Only agents with a limit of their own are counted.
    by_agent: Option<Mutex<HashMap<AgentId, Room>>>,
    none: Arc<[AgentId]>,
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
            none: Arc::new([]),
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

    /// Whether there is an agent that has no room.
    pub(crate) fn is_any_full(&self) -> bool {
        self.by_agent.is_some() && !self.full_agents(None).is_empty()
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

/// How many runs of one thread follow one another in a place while others may wait for it: a thread
/// goes on cheaply with its next run, but one with a long queue must not keep the others waiting.
const TURNS_MAX: u32 = 8;

/// A place for one run. Dropping it frees the place and lets the dispatcher look for work.
pub(crate) struct Permit {
    node: Arc<Node>,
    /// The agent whose place is held too.
    agent: Option<AgentId>,
    /// The place is lent to others while the run waits in memory.
    lent: bool,
    /// How many runs have ended in it.
    turns: u32,
}

impl Permit {
    /// A place, if one is free.
    pub(crate) fn take(node: &Arc<Node>) -> Option<Self> {
        let entered = node.admission.enter();
        entered.then(|| Self { node: node.clone(), agent: None, lent: false, turns: 0 })
    }

    /// Takes one of the agent's places too, instead of that of another agent; `false` if it has
    /// none left.
    pub(crate) fn assign(&mut self, agent: &AgentId) -> bool {
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

    /// The agent whose place is held too, if it has a limit of its own.
    pub(crate) fn agent(&self) -> Option<&AgentId> {
        self.agent.as_ref()
    }

    /// A run that waits in memory for a person must not keep others from running.
    pub(crate) fn lend(&mut self) {
        if !std::mem::replace(&mut self.lent, true) {
            self.node.admission.leave();
            self.node.ready.room();
        }
    }

    /// The run goes on. Its place may be taken by now: then one run too many executes for a while,
    /// which is better than one that can't go on.
    pub(crate) fn reclaim(&mut self) {
        if std::mem::replace(&mut self.lent, false) {
            self.node.admission.used.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A run has ended in this place: whether the thread's next one may take it.
    pub(crate) fn keeps(&mut self) -> bool {
        self.turns += 1;
        let others_wait = self.node.ready.is_marked() && self.node.admission.free() == 0;
        self.turns < TURNS_MAX || !others_wait
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
        self.leave_agent();
        if !self.lent {
            self.node.admission.leave();
        }
        self.node.ready.room();
    }
}
