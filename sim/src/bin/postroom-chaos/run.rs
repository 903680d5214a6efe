//! One run: build, load and break, heal, wait, stop, check.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use postroom_conformance::snapshot::Snapshot;
use postroom_core::id::ThreadId;
use postroom_core::ports::MailboxStore;
use postroom_sim::chance::Chance;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::check::readers::Seen;
use crate::check::state::ThreadEnd;
use crate::check::{self, Findings};
use crate::clients::http::{Got, Http};
use crate::clients::{Phase, Town, meddler, person, reader, sender};
use crate::fate::{self, Deeds};
use crate::model::{self, Ledger};
use crate::plan::Plan;
use crate::report::Report;
use crate::site::{Backend, Binary, Blueprint, Node, Numbers, Site};
use crate::told::Told;
use crate::{Arguments, store, transitions};

/// How long the nodes may take to start for the first time.
const START: Duration = Duration::from_mins(1);
/// How long readers may take to see the rest.
const CATCH_UP: Duration = Duration::from_secs(20);
/// How long a node without work may take to end.
const STOP: Duration = Duration::from_secs(20);
/// The longest that a sender pauses between letters, in milliseconds.
const PAUSE_MS_MAX: u64 = 250;

/// What comes on top of the leases: what is queued has to be worked off.
const WORK: Duration = Duration::from_secs(20);

/// Within this after healing, everything that was accepted is done: a lease has ended, a sweep has
/// found it, the last retry is due; the same for the run behind it; and the work itself.
fn promised(numbers: &Numbers) -> Duration {
    let found_ms = numbers.suspended_lease_ms + numbers.sweep_interval_ms;
    Duration::from_millis(2 * (found_ms + numbers.retry_delay_ms_max)) + WORK
}

/// Everything that a run needs.
struct Stage {
    site: Site,
    town: Town,
    phase: watch::Sender<Phase>,
    ledger: Arc<Ledger>,
    chance: Chance,
    findings: Findings,
}

/// Runs it all; says what was found.
pub async fn run(arguments: Arguments, binary: Binary) -> anyhow::Result<Report> {
    let began = Instant::now();
    let mut stage = Stage::set(&arguments, binary).await?;
    let plan = Plan::of(arguments.seed, arguments.length(), stage.site.means(&Numbers::CHAOS));
    println!("seed {}: {} acts planned", arguments.seed, plan.acts.len());

    let (mut clients, mut readers) = stage.let_clients_in(&arguments);
    let length = arguments.length();
    let mut site = stage.site;
    let (returned, deeds) = spawn_blocking(move || {
        let deeds = fate::carry_out(&mut site, &plan, length)
            .and_then(|deeds| fate::heal(&mut site).map(|()| deeds));
        (site, deeds)
    })
    .await?;
    stage.site = returned;
    let deeds = match deeds {
        Ok(deeds) => deeds,
        Err(error) => {
            stage.findings.broken(0, format!("what was broken can't be healed: {error:#}"));
            Deeds::default()
        }
    };

    println!("{:8.3} s  healed", began.elapsed().as_secs_f64());
    stage.phase.send_replace(Phase::Healed);
    let healed = stage.until_quiet().await;
    stage.phase.send_replace(Phase::Over);
    while clients.join_next().await.transpose()?.is_some() {}
    let mut seen = Vec::new();
    while let Some(reader) = readers.join_next().await.transpose()? {
        seen.push(reader::catch_up(reader, &stage.town, &stage.chance, CATCH_UP).await);
    }
    Box::pin(stage.check(&arguments, seen)).await?;
    if !stage.findings.violations().is_empty() {
        let dir = arguments.logs.join(format!("seed-{}", arguments.seed));
        stage.site.keep_logs(&dir)?;
        println!("the logs are in {}", dir.display());
    }
    Ok(Report {
        seed: arguments.seed,
        took: began.elapsed(),
        healed,
        deeds,
        starts: stage.site.nodes.iter().map(Node::starts).sum(),
        replies_lost: stage.site.replies_lost(),
        calls: stage.ledger.calls().len(),
        book: stage.town.told.lock().clone(),
        findings: stage.findings,
    })
}

impl Stage {
    /// Starts everything.
    async fn set(arguments: &Arguments, binary: Binary) -> anyhow::Result<Self> {
        let sqlite = arguments.store == Backend::Sqlite;
        let ledger = Arc::new(Ledger::default());
        let model_port = model::serve(ledger.clone()).await.context("no model")?;
        let (nodes, store) = (if sqlite { 1 } else { arguments.nodes }, arguments.store);
        let (nats, sabotage) = (!sqlite && !arguments.without_nats, arguments.sabotage);
        let built = spawn_blocking(move || {
            let binary = &binary;
            let blueprint = Blueprint { binary, nodes, backend: store, nats, model_port, sabotage };
            let mut site = Site::build(&blueprint)?;
            site.start_nodes(START)?;
            if let Some(database) = &site.database {
                database.watch()?;
            }
            anyhow::Ok(site)
        });
        let site = built.await??;
        if !site.nodes.iter().all(Node::has_clock) {
            eprintln!(
                "!!!! no libfaketime here: wrong clocks are SKIPPED (apt-get install libfaketime)"
            );
        }
        let (phase, watched) = watch::channel(Phase::Load);
        let town = Town {
            http: Http::new()?,
            nodes: Arc::new(site.nodes.iter().map(Node::url).collect()),
            threads: Arc::new((0..arguments.threads).map(|no| format!("thread-{no}")).collect()),
            told: Arc::new(Told::default()),
            phase: watched,
        };
        let chance = Chance::new(arguments.seed ^ 0x5eed);
        Ok(Self { site, town, phase, ledger, chance, findings: Findings::default() })
    }

    /// Starts all clients.
    fn let_clients_in(&self, arguments: &Arguments) -> (JoinSet<()>, JoinSet<Seen>) {
        let chance = || Chance::new(self.chance.number(0..u64::MAX));
        let mut clients = JoinSet::new();
        for number in 0..arguments.senders {
            clients.spawn(sender::send(number, self.town.clone(), chance(), PAUSE_MS_MAX));
        }
        clients.spawn(meddler::meddle(self.town.clone(), chance()));
        clients.spawn(person::decide(self.town.clone(), chance()));
        let mut readers = JoinSet::new();
        for thread_id in self.town.threads.iter() {
            readers.spawn(reader::follow(thread_id.clone(), self.town.clone(), chance()));
        }
        (clients, readers)
    }

    /// Waits until everything that was accepted is done; how long that took.
    async fn until_quiet(&mut self) -> Duration {
        let began = Instant::now();
        let promised = promised(&Numbers::CHAOS);
        loop {
            let unrest = self.unrest().await;
            let took = began.elapsed();
            match unrest {
                None => {
                    self.findings.that(4, "quiet after healing", true, String::new);
                    return took;
                }
                Some(unrest) if took > promised => {
                    let facts = format!("{took:?} after healing, {promised:?} promised: {unrest}");
                    self.findings.broken(4, facts);
                    return took;
                }
                Some(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// What is not done yet.
    async fn unrest(&self) -> Option<String> {
        let open = self.town.told.lock().open;
        if open > 0 {
            return Some(format!("{open} letters have no answer"));
        }
        let node = &self.town.nodes[0];
        let runs = ["created", "running", "waiting"].map(|status| format!("runs?status={status}"));
        let dispatches = ["queued", "claimed"].map(|status| format!("dispatches?status={status}"));
        for path in runs.iter().chain(&dispatches) {
            match self.town.http.get(&format!("{node}/v1/{path}&limit=1")).await {
                Got::Answer { status: 200, body } => {
                    let first = &body["items"][0];
                    if !first.is_null() {
                        return Some(format!("{path}: {first}"));
                    }
                }
                got => return Some(format!("{path}: {got:?}")),
            }
        }
        None
    }

    /// Stops the nodes, and reads and judges everything.
    async fn check(&mut self, arguments: &Arguments, seen: Vec<Seen>) -> anyhow::Result<()> {
        let mut kept = BTreeMap::new();
        for thread_id in self.town.threads.iter() {
            let node = self.town.node(&self.chance);
            match reader::kept(thread_id, &self.town, &node).await {
                Ok(events) => drop(kept.insert(thread_id.clone(), events)),
                Err(error) => self.findings.broken(7, format!("no events: {error:#}")),
            }
        }
        for node in &mut self.site.nodes {
            if let Err(error) = node.stop(STOP) {
                self.findings.broken(0, format!("a node that does not end: {error:#}"));
            }
            node.look_at_logs();
            for complaint in node.complaints() {
                self.findings.broken(0, complaint.clone());
            }
        }
        let snapshots = Box::pin(self.snapshots(arguments)).await?;
        let ends: Vec<ThreadEnd> = snapshots.iter().map(ThreadEnd::from).collect();
        let book = self.town.told.lock().clone();
        let findings = &mut self.findings;
        check::state::check(&snapshots, findings);
        check::letters::check(&book, &ends, findings);
        check::answers::check(&self.ledger.calls(), &ends, findings);
        check::ends::check(&book, &ends, findings);
        check::readers::check(&seen, &kept, findings);
        if let Some(database) = &self.site.database {
            check::transitions::check(&transitions::read(database.primary())?, findings);
        }
        Ok(())
    }

    /// All threads as the store has them.
    async fn snapshots(&mut self, arguments: &Arguments) -> anyhow::Result<Vec<Snapshot>> {
        let store: Arc<dyn MailboxStore> = match (&self.site.database, self.site.sqlite_path()) {
            (Some(database), _) => store::postgres(&database.primary().url()).await?,
            (None, Some(path)) => store::sqlite(&path)?,
            (None, None) => bail!("there is no store: {arguments:?}"),
        };
        let mut snapshots = Vec::new();
        for thread_id in self.town.threads.iter() {
            match Snapshot::read(&*store, &ThreadId::parse(thread_id)?).await {
                Ok(snapshot) if snapshot.thread.is_some() => snapshots.push(snapshot),
                // Nobody has written to it.
                Ok(_) => {}
                Err(error) => self.findings.broken(9, format!("{thread_id}: {error}")),
            }
        }
        Ok(snapshots)
    }
}
