//! The shape of a run: how many of what, and the service's numbers. Chosen by the seed.

use std::time::Duration;

use postroom_core::id::AgentId;
use postroom_service::Config;

use crate::chance::Chance;

/// The agents that submissions name.
pub const AGENTS: [&str; 3] = ["default", "clerk", "courier"];

/// What a seed looks like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The store is one process's alone: one node at a time, and its writes die with it.
    pub single: bool,
    /// Nodes at the same time.
    pub nodes: usize,
    /// Threads that are written to.
    pub threads: usize,
    /// Who submits.
    pub senders: usize,
    /// How many messages each submits.
    pub letters: u64,
    /// The store's clock may jump by more than a lease's margin. Nodes can't know; the fence must
    /// hold all the same.
    pub wild_clock: bool,
    /// Pending messages are moved about, so that their order says nothing.
    pub reorders: bool,
    /// How long faults come.
    pub trouble: Duration,
    /// The service's numbers.
    pub config: Config,
}

impl Shape {
    /// The shape of a seed.
    pub fn of(chance: &Chance) -> Self {
        let single = chance.one_in(5);
        let mut config = Config::default();
        let lease_ms = *chance.pick(&[6_000, 10_000, 30_000]);
        config.limits.max_concurrent_runs = *chance.pick(&[1, 2, 4, 64]);
        if chance.one_in(3) {
            let agent = AgentId::parse(AGENTS[1]).expect("a name");
            config.limits.max_concurrent_runs_by_agent.insert(agent, 1);
        }
        config.limits.drain_ms = chance.number(1_000..20_000);
        let mailbox = &mut config.mailbox;
        mailbox.lease_ms = lease_ms;
        mailbox.lease_renewal_interval_ms = lease_ms / 3;
        mailbox.suspended_lease_ms = *chance.pick(&[30_000, 60_000, 120_000]);
        mailbox.sweep_interval_ms = *chance.pick(&[5_000, 15_000, 30_000]);
        // Short enough for dead nodes to be forgotten while runs still wait for their tasks.
        mailbox.node_ttl_ms = *chance.pick(&[20_000, 3_600_000]);
        mailbox.signal_wait_ms = *chance.pick(&[500, 2_000, 5_000]);
        mailbox.event_poll_ms = *chance.pick(&[1_000, 3_000]);
        mailbox.decision_poll_ms = *chance.pick(&[1_000, 3_000]);
        // Short enough for some to be purged while others look on.
        mailbox.gc_interval_ms = 20_000;
        mailbox.gc_ttl_ms = *chance.pick(&[30_000, 86_400_000]);
        Self {
            single,
            nodes: if single { 1 } else { *chance.pick(&[2, 3, 3, 4]) },
            threads: *chance.pick(&[1, 2, 3]),
            senders: *chance.pick(&[2, 3, 4]),
            letters: chance.number(6..24),
            wild_clock: chance.one_in(8),
            reorders: chance.one_in(4),
            trouble: chance.millis(40_000..160_000),
            config,
        }
    }

    /// A lease's length.
    pub fn lease(&self) -> Duration {
        self.config.mailbox.lease()
    }
}
