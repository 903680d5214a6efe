//! Fate: carries the plan out.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use postroom_testbed::{LostReply, Signal, Weather};
use tokio::time::Instant;

use crate::plan::{Act, Peer, Plan};
use crate::site::Site;

/// How often nodes that ended by themselves are looked for.
const ROUND: Duration = Duration::from_millis(50);

/// How long a node may take to be ready when everything is well again.
const READY: Duration = Duration::from_secs(30);

/// What fate did.
#[derive(Debug, Default)]
pub struct Deeds {
    pub faults: BTreeMap<&'static str, u64>,
}

/// Carries out a plan, in real time; blocks until it is over.
#[expect(clippy::disallowed_methods, reason = "processes live in real time")]
pub fn carry_out(site: &mut Site, plan: &Plan, length: Duration) -> anyhow::Result<Deeds> {
    let began = Instant::now();
    let mut deeds = Deeds::default();
    let mut acts = plan.acts.iter().peekable();
    while began.elapsed() < length {
        while let Some((at, act)) = acts.next_if(|(at, _)| *at <= began.elapsed()) {
            let late = began.elapsed().saturating_sub(*at).as_millis();
            println!("{:8.3} s  {act} ({late} ms late)", began.elapsed().as_secs_f64());
            act_on(site, *act).with_context(|| format!("{act}"))?;
            if let Some(fault) = act.fault() {
                *deeds.faults.entry(fault).or_default() += 1;
            }
        }
        tend(site)?;
        std::thread::sleep(ROUND);
    }
    Ok(deeds)
}

/// Makes everything well again, and waits until it is.
pub fn heal(site: &mut Site) -> anyhow::Result<()> {
    if let Some(database) = &mut site.database {
        database.empty_disk()?;
        database.start_again()?;
        database.has_standby()?;
    }
    if let Some(nats) = site.nats.as_mut().filter(|nats| !nats.is_up()) {
        nats.start_again()?;
    }
    for number in 0..site.nodes.len() {
        for peer in [Peer::Database, Peer::Nats] {
            site.weather(number, peer, Weather::Fair);
        }
        let node = &mut site.nodes[number];
        node.shift(0)?;
        node.signal(Signal::Cont)?;
    }
    for node in &mut site.nodes {
        node.settle_down(READY)?;
    }
    Ok(())
}

fn tend(site: &mut Site) -> anyhow::Result<()> {
    site.nodes.iter_mut().try_for_each(crate::site::Node::tend)
}

fn act_on(site: &mut Site, act: Act) -> anyhow::Result<()> {
    match act {
        Act::Kill(node) => site.nodes[node].kill(),
        Act::Drain(node) => site.nodes[node].drain(),
        Act::Start(node) => site.nodes[node].start_anew(),
        Act::Freeze(node) => site.nodes[node].signal(Signal::Stop),
        Act::Thaw(node) => site.nodes[node].signal(Signal::Cont),
        Act::Weather(node, peer, weather) => {
            site.weather(node, peer, weather);
            Ok(())
        }
        Act::LoseReply(node) => {
            if let Some(proxy) = site.nodes[node].proxy(Peer::Database) {
                proxy.lose_next(LostReply::COMMIT);
            }
            Ok(())
        }
        Act::Shift(node, hours) => site.nodes[node].shift(hours),
        Act::CrashDatabase
        | Act::KillDatabase
        | Act::StartDatabase
        | Act::Promote
        | Act::DropConnections
        | Act::FillDisk
        | Act::EmptyDisk => on_database(site, act),
        Act::KillNats | Act::WipeNats | Act::StartNats => on_nats(site, act),
    }
}

fn on_database(site: &mut Site, act: Act) -> anyhow::Result<()> {
    let Some(database) = &mut site.database else { return Ok(()) };
    match act {
        Act::CrashDatabase => database.crash(),
        Act::KillDatabase => database.kill(),
        Act::DropConnections => database.drop_connections(),
        Act::FillDisk => database.fill_disk(),
        Act::EmptyDisk => {
            database.empty_disk()?;
            // It may have given up: whoever looks after it starts it again.
            database.start_again()
        }
        Act::Promote => {
            database.promote()?;
            site.aim_at_database();
            Ok(())
        }
        _ => database.start_again(),
    }
}

fn on_nats(site: &mut Site, act: Act) -> anyhow::Result<()> {
    let Some(nats) = &mut site.nats else { return Ok(()) };
    match act {
        Act::KillNats => Ok(nats.kill()?),
        Act::WipeNats => Ok(nats.wipe()?),
        _ => Ok(nats.start_again()?),
    }
}
