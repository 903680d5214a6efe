//! The service's numbers. The defaults are those of the specification.

use std::collections::BTreeMap;
use std::time::Duration;

use postroom_core::id::{AgentId, TenantId};
use serde::{Deserialize, Serialize};

/// All of them, by the tables of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How much at once.
    pub limits: Limits,
    /// How long, how often, how many times.
    pub mailbox: Mailbox,
}

/// How much a node takes on, and how much a thread may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Runs that execute here at once.
    pub max_concurrent_runs: usize,
    /// Runs of one agent that execute here at once; an agent that is not named has no limit of its
    /// own.
    pub max_concurrent_runs_by_agent: BTreeMap<AgentId, usize>,
    /// Runs of one tenant that execute here at once. In a configuration file it is said with the
    /// tenants' other limits.
    #[serde(skip)]
    pub max_concurrent_runs_by_tenant: TenantRuns,
    /// How long a shutdown lets runs finish.
    pub drain_ms: u64,
    /// Queued dispatches of one thread.
    pub max_queued_per_thread: u64,
    /// Pending messages of one thread.
    pub max_pending_per_thread: u64,
}

/// How many runs of each tenant may execute at once; `None` stands for as many as of all together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TenantRuns {
    /// Of these tenants.
    pub named: BTreeMap<TenantId, Option<usize>>,
    /// Of each that is not named.
    pub others: Option<usize>,
}

impl TenantRuns {
    /// How many of `tenant`.
    pub fn of(&self, tenant: &TenantId) -> Option<usize> {
        self.named.get(tenant).copied().unwrap_or(self.others)
    }

    /// Whether no tenant is limited.
    pub fn is_none(&self) -> bool {
        self.others.is_none() && self.named.values().all(Option::is_none)
    }
}

impl Default for Limits {
    fn default() -> Self {
        let of_a_thread = postroom_core::command::Limits::default();
        Self {
            max_concurrent_runs: 64,
            max_concurrent_runs_by_agent: BTreeMap::new(),
            max_concurrent_runs_by_tenant: TenantRuns::default(),
            drain_ms: 30_000,
            max_queued_per_thread: of_a_thread.max_queued,
            max_pending_per_thread: of_a_thread.max_pending,
        }
    }
}

impl Limits {
    /// The limits of a thread, as a submission carries them.
    pub fn of_a_thread(&self) -> postroom_core::command::Limits {
        postroom_core::command::Limits {
            max_queued: self.max_queued_per_thread,
            max_pending: self.max_pending_per_thread,
        }
    }
}

macro_rules! mailbox {
    (
        times { $($(#[$doc:meta])* $name:ident, $duration:ident = $default:literal;)* }
        counts { $($(#[$count_doc:meta])* $count:ident: $type:ty = $count_default:literal;)* }
    ) => {
        /// Times, intervals and retries.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Mailbox {
            $($(#[$doc])* pub $name: u64,)*
            $($(#[$count_doc])* pub $count: $type,)*
        }

        impl Default for Mailbox {
            fn default() -> Self {
                Self { $($name: $default,)* $($count: $count_default,)* }
            }
        }

        impl Mailbox {
            $($(#[$doc])* pub fn $duration(&self) -> Duration {
                Duration::from_millis(self.$name)
            })*

            /// Every time in milliseconds, with its name.
            fn times_ms(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

mailbox! {
    times {
        /// How long a claim holds without renewal.
        lease_ms, lease = 30_000;
        /// The same while the run is suspended in memory.
        suspended_lease_ms, suspended_lease = 600_000;
        /// How often all leases are renewed.
        lease_renewal_interval_ms, lease_renewal_interval = 10_000;
        /// How long before its lease may have ended a run is stopped, at most a quarter of the lease.
        lease_margin_ms, lease_margin = 1_000;
        /// How often a node says that it lives; at least three times a lease.
        heartbeat_interval_ms, heartbeat_interval = 10_000;
        /// How long a node that says nothing any more stays in the list of nodes.
        node_ttl_ms, node_ttl = 3_600_000;
        /// How often expired leases and dead nodes' tasks are looked for; up to a fifth sooner, so
        /// that nodes do not all look together.
        sweep_interval_ms, sweep_interval = 30_000;
        /// How often old terminal dispatches are deleted.
        gc_interval_ms, gc_interval = 60_000;
        /// How old they are then.
        gc_ttl_ms, gc_ttl = 86_400_000;
        /// How old events are when they are deleted; 0: they are kept. A store may keep those of a
        /// day until the whole day is as old.
        event_retention_ms, event_retention = 0;
        /// How long ago runs ended when they are forgotten; 0: they are kept. Longer than `gc_ttl_ms`.
        run_retention_ms, run_retention = 0;
        /// The delay before the second attempt; it doubles with each further one.
        default_retry_delay_ms, default_retry_delay = 250;
        /// The longest delay before another attempt.
        max_retry_delay_ms, max_retry_delay = 30_000;
        /// How long an interrupting submission waits for the active run to stop.
        cancel_wait_ms, cancel_wait = 5_000;
        /// How long a run that is asked to stop may take to do so by itself. Shorter than
        /// `cancel_wait_ms`, so that an interrupting submission outlives a stubborn run.
        cancel_grace_ms, cancel_grace = 4_000;
        /// How long a pull waits for the first signal.
        signal_wait_ms, signal_wait = 500;
        /// How long a failed pull waits before the next.
        signal_error_delay_ms, signal_error_delay = 250;
        /// The delay of a signal that is given back; it doubles with each redelivery.
        signal_nack_base_delay_ms, signal_nack_base_delay = 500;
        /// The longest such delay.
        signal_nack_max_delay_ms, signal_nack_max_delay = 30_000;
        /// How long a live command waits for its receipt.
        live_timeout_ms, live_timeout = 1_000;
        /// How long token deltas are gathered before they are stored.
        delta_flush_ms, delta_flush = 30;
        /// How often a suspended run looks for decisions whose live command was lost.
        decision_poll_ms, decision_poll = 3_000;
        /// How often a quiet subscriber looks for events of other nodes.
        event_poll_ms, event_poll = 1_000;
    }
    counts {
        /// After how many failed attempts a dispatch is given up, where its submission does not say.
        default_max_attempts: u32 = 5;
        /// Signals pulled at once.
        signal_batch: usize = 32;
        /// Signals handled at once.
        signal_max_concurrent: usize = 32;
        /// Gathered deltas are stored at the latest when they have so many bytes.
        delta_flush_bytes: usize = 4_096;
    }
}

/// A number that can't work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value}: {rule}")]
pub struct InvalidConfig {
    /// Which.
    pub key: &'static str,
    /// What it is.
    pub value: u64,
    /// What it must be.
    pub rule: &'static str,
}

/// Where zero has a meaning: at once, or not at all.
const MAY_BE_ZERO: [&str; 9] = [
    "event_retention_ms",
    "run_retention_ms",
    "lease_margin_ms",
    "gc_ttl_ms",
    "default_retry_delay_ms",
    "max_retry_delay_ms",
    "cancel_wait_ms",
    "cancel_grace_ms",
    "delta_flush_ms",
];

impl Config {
    /// Checks the numbers against each other.
    ///
    /// # Errors
    /// [`InvalidConfig`] names the first that can't work.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let Mailbox { lease_ms, lease_renewal_interval_ms, .. } = self.mailbox;
        let fail = |key, value, rule| Err(InvalidConfig { key, value, rule });
        if self.limits.max_concurrent_runs == 0 {
            return fail("limits.max_concurrent_runs", 0, "it must be at least 1");
        }
        let tenants = &self.limits.max_concurrent_runs_by_tenant;
        if tenants.named.values().chain([&tenants.others]).any(|max| *max == Some(0)) {
            return fail("limits.max_concurrent_runs_by_tenant", 0, "it must be at least 1");
        }
        if let Some((key, value)) =
            self.mailbox.times_ms().find(|(key, ms)| *ms == 0 && !MAY_BE_ZERO.contains(key))
        {
            return fail(key, value, "it must be at least 1");
        }
        if lease_renewal_interval_ms.saturating_mul(2) > lease_ms {
            return fail(
                "lease_renewal_interval_ms",
                lease_renewal_interval_ms,
                "it must be at most half of lease_ms, so that one lost renewal is not the end",
            );
        }
        if self.mailbox.suspended_lease_ms < lease_ms {
            return fail(
                "suspended_lease_ms",
                self.mailbox.suspended_lease_ms,
                "it must not be shorter than lease_ms",
            );
        }
        let Mailbox { run_retention_ms, gc_ttl_ms, .. } = self.mailbox;
        if run_retention_ms != 0 && run_retention_ms < gc_ttl_ms {
            return fail(
                "run_retention_ms",
                run_retention_ms,
                "it must not be shorter than gc_ttl_ms: a run is kept as long as its dispatches",
            );
        }
        if self.mailbox.default_max_attempts == 0 {
            return fail("default_max_attempts", 0, "it must be at least 1");
        }
        if self.mailbox.signal_batch == 0 {
            return fail("signal_batch", 0, "it must be at least 1");
        }
        if self.mailbox.signal_max_concurrent == 0 {
            return fail("signal_max_concurrent", 0, "it must be at least 1");
        }
        Ok(())
    }
}
