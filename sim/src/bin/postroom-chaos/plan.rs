//! The plan of faults, drawn from a seed.

use std::fmt;
use std::time::Duration;

use postroom_sim::chance::Chance;
use postroom_testbed::Weather;

/// What a node talks to through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    Database,
    Nats,
}

/// One thing that fate does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL, and later a start.
    Kill(usize),
    /// SIGTERM, and later a start.
    Drain(usize),
    Start(usize),
    /// SIGSTOP, for longer than a lease.
    Freeze(usize),
    Thaw(usize),
    /// What happens between a node and a peer.
    Weather(usize, Peer, Weather),
    /// The answer to the node's next COMMIT.
    LoseReply(usize),
    /// A node's clock, so many hours from the right time.
    Shift(usize, i32),
    /// The database ends without tidying up.
    CrashDatabase,
    /// The database is killed.
    KillDatabase,
    StartDatabase,
    /// The database is killed for good, and its standby takes over.
    Promote,
    /// All connections to the database are ended by its server.
    DropConnections,
    FillDisk,
    EmptyDisk,
    KillNats,
    /// NATS forgets what it stored; it is down.
    WipeNats,
    StartNats,
}

impl Act {
    /// A word for the report; the acts that only heal have none.
    pub fn fault(self) -> Option<&'static str> {
        Some(match self {
            Self::Kill(_) => "node killed",
            Self::Drain(_) => "node drained",
            Self::Freeze(_) => "node frozen beyond its lease",
            Self::Weather(_, Peer::Database, Weather::Slow(_)) => "database slow for a node",
            Self::Weather(_, Peer::Database, Weather::Cut) => "node cut off from the database",
            Self::Weather(_, Peer::Database, Weather::HalfOpen) => "half-open to the database",
            Self::Weather(_, Peer::Nats, Weather::Slow(_)) => "NATS slow for a node",
            Self::Weather(_, Peer::Nats, Weather::Cut) => "node cut off from NATS",
            Self::Weather(_, Peer::Nats, Weather::HalfOpen) => "half-open to NATS",
            Self::LoseReply(_) => "reply to COMMIT lost",
            Self::Shift(_, hours) if hours != 0 => "clock shifted by hours",
            Self::CrashDatabase => "database stopped with -m immediate",
            Self::KillDatabase => "database killed",
            Self::Promote => "standby promoted",
            Self::DropConnections => "connections terminated",
            Self::FillDisk => "disk full",
            Self::KillNats => "NATS killed",
            Self::WipeNats => "NATS wiped",
            Self::Weather(_, _, Weather::Fair)
            | Self::Shift(..)
            | Self::Start(_)
            | Self::Thaw(_)
            | Self::StartDatabase
            | Self::EmptyDisk
            | Self::StartNats => return None,
        })
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What can be done here.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for a thing that is there or not")]
pub struct Means {
    pub nodes: usize,
    pub postgres: bool,
    pub nats: bool,
    pub faketime: bool,
    pub small_disk: bool,
    /// A freeze is longer than this.
    pub lease: Duration,
}

/// What happens when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub acts: Vec<(Duration, Act)>,
}

/// A fault and what ends it; the time between them.
type Fault = (Vec<Act>, Duration, Vec<Act>);

impl Plan {
    /// The plan of `seed`, for so long.
    pub fn of(seed: u64, length: Duration, means: Means) -> Self {
        let chance = Chance::new(seed);
        let mut acts = Vec::new();
        for node in 0..means.nodes {
            acts.extend(lane(&chance, length, 500..3_000, || node_fault(&chance, node, means)));
        }
        if means.postgres {
            acts.extend(lane(&chance, length, 2_000..7_000, || database_fault(&chance, means)));
        }
        if means.nats {
            acts.extend(lane(&chance, length, 2_000..8_000, || nats_fault(&chance)));
        }
        acts.sort_by_key(|(at, _)| *at);
        Self { acts }
    }
}

/// One thing's faults, one after the other.
fn lane(
    chance: &Chance,
    length: Duration,
    pause_ms: std::ops::Range<u64>,
    fault: impl Fn() -> Fault,
) -> Vec<(Duration, Act)> {
    let mut acts = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        at += chance.millis(pause_ms.clone());
        let (begins, lasts, ends) = fault();
        if at + lasts >= length {
            return acts;
        }
        acts.extend(begins.into_iter().map(|act| (at, act)));
        at += lasts;
        acts.extend(ends.into_iter().map(|act| (at, act)));
    }
}

fn node_fault(chance: &Chance, node: usize, means: Means) -> Fault {
    let with_peers = u64::from(means.postgres);
    let with_nats = u64::from(means.postgres && means.nats);
    let weights = [
        (30, 0),
        (10, 1),
        (20, 2),
        (25 * with_peers, 3),
        (20 * with_peers, 4),
        (10 * with_nats, 5),
        (10 * u64::from(means.faketime), 6),
    ];
    let some = chance.millis(200..2_500);
    match chance.weighted(&weights) {
        0 => (vec![Act::Kill(node)], some, vec![Act::Start(node)]),
        1 => (vec![Act::Drain(node)], some, vec![Act::Start(node)]),
        2 => {
            let frozen = means.lease + chance.millis(200..2_500);
            (vec![Act::Freeze(node)], frozen, vec![Act::Thaw(node)])
        }
        3 => storm(chance, node, Peer::Database, means.lease),
        4 => (vec![Act::LoseReply(node)], some, Vec::new()),
        5 => storm(chance, node, Peer::Nats, means.lease),
        _ => {
            let hours = *chance.pick(&[-30, -5, -1, 1, 7, 48]);
            (vec![Act::Shift(node, hours)], some * 4, vec![Act::Shift(node, 0)])
        }
    }
}

fn storm(chance: &Chance, node: usize, peer: Peer, lease: Duration) -> Fault {
    let weather = *chance.pick(&[
        Weather::Slow(Duration::from_millis(20)),
        Weather::Slow(Duration::from_millis(200)),
        Weather::Cut,
        Weather::HalfOpen,
    ]);
    let lasts = chance.millis(300..3_000) + if chance.one_in(3) { lease } else { Duration::ZERO };
    let begins = vec![Act::Weather(node, peer, weather)];
    (begins, lasts, vec![Act::Weather(node, peer, Weather::Fair)])
}

fn database_fault(chance: &Chance, means: Means) -> Fault {
    let some = chance.millis(100..2_500);
    let weights = [(20, 0), (15, 1), (20, 2), (30, 3), (15 * u64::from(means.small_disk), 4)];
    match chance.weighted(&weights) {
        0 => (vec![Act::CrashDatabase], some, vec![Act::StartDatabase]),
        1 => (vec![Act::KillDatabase], some, vec![Act::StartDatabase]),
        // Then its own standby is made, which takes a while.
        2 => (vec![Act::Promote], Duration::from_secs(5), Vec::new()),
        3 => (vec![Act::DropConnections], some, Vec::new()),
        _ => (vec![Act::FillDisk], some, vec![Act::EmptyDisk]),
    }
}

fn nats_fault(chance: &Chance) -> Fault {
    let some = chance.millis(200..4_000);
    let mut begins = vec![Act::KillNats];
    if chance.one_in(2) {
        begins.push(Act::WipeNats);
    }
    (begins, some, vec![Act::StartNats])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const MEANS: Means = Means {
        nodes: 3,
        postgres: true,
        nats: true,
        faketime: true,
        small_disk: true,
        lease: Duration::from_secs(3),
    };
    const LONG: Duration = Duration::from_mins(20);

    #[test]
    fn a_seed_repeats_its_plan() {
        assert_eq!(Plan::of(1, LONG, MEANS), Plan::of(1, LONG, MEANS));
        assert_ne!(Plan::of(1, LONG, MEANS), Plan::of(2, LONG, MEANS));
    }

    #[test]
    fn a_long_plan_has_every_fault() {
        let plan = Plan::of(1, LONG, MEANS);
        let faults: BTreeSet<_> = plan.acts.iter().filter_map(|(_, act)| act.fault()).collect();
        assert_eq!(faults.len(), 18, "{faults:#?}");
        assert!(plan.acts.iter().all(|(at, _)| *at < LONG));
    }

    #[test]
    fn without_means_nothing_is_planned_for_them() {
        let means =
            Means { postgres: false, nats: false, faketime: false, small_disk: false, ..MEANS };
        let plan = Plan::of(1, LONG, means);
        assert!(plan.acts.iter().all(|(_, act)| matches!(
            act,
            Act::Kill(_) | Act::Drain(_) | Act::Start(_) | Act::Freeze(_) | Act::Thaw(_)
        )));
    }
}
