//! The world of one run: what all nodes and all who use them share.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use postroom_conformance::SeededIds;
use postroom_core::ports::Spawner;
use postroom_service::TokioSpawner;
use postroom_stores::memory::MemoryStore;

use crate::chance::Chance;
use crate::check::Watch;
use crate::clock::JumpingClock;
use crate::feed::Grapevine;
use crate::ledger::Ledger;
use crate::letters::Letters;
use crate::live::Exchange;
use crate::shape::Shape;
use crate::signals::Queue;
use crate::tally::Tally;
use crate::trace::Trace;
use crate::verdict::Verdict;
use crate::weather::Weather;

/// More calls than any run needs: what gets here goes round in circles.
const CALLS_MAX: u64 = 300_000;

/// What is broken on purpose in the simulation's own store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// A submission is answered with success, and then not written.
    ReplyBeforeDurable,
}

/// All that is shared.
pub struct World {
    /// The run's shape.
    pub shape: Shape,
    /// The run's randomness.
    pub chance: Chance,
    /// The store's clock.
    pub clock: Arc<JumpingClock>,
    /// Everybody's ids.
    pub ids: Arc<SeededIds>,
    /// The one store, without faults.
    pub store: MemoryStore,
    /// What happens to calls now.
    pub weather: Mutex<Weather>,
    /// What is broken on purpose.
    pub fault: Option<StoreFault>,
    /// What happened.
    pub trace: Trace,
    /// How often.
    pub tally: Tally,
    /// Whether all is well.
    pub verdict: Verdict,
    /// Looks at each write.
    pub watch: Mutex<Watch>,
    /// What executors did and were given.
    pub ledger: Mutex<Ledger>,
    /// What was submitted, and what senders were told.
    pub letters: Mutex<Letters>,
    /// Signals.
    pub signals: Queue,
    /// Live commands.
    pub live: Exchange,
    /// Hints of events, from node to node.
    pub feed: Grapevine,
    calls: AtomicU64,
    numbers: AtomicU64,
}

impl World {
    /// The world of `seed`. To be made inside the runtime.
    pub fn new(seed: u64, printed: bool, fault: Option<StoreFault>) -> Arc<Self> {
        let chance = Chance::new(seed);
        let shape = Shape::of(&chance);
        let clock = Arc::new(JumpingClock::new());
        let ids = Arc::new(SeededIds::new(!seed));
        Arc::new(Self {
            shape,
            store: MemoryStore::new(clock.clone(), ids.clone()),
            chance,
            clock,
            ids,
            weather: Mutex::new(Weather::clear()),
            fault,
            trace: Trace::new(printed),
            tally: Tally::default(),
            verdict: Verdict::default(),
            watch: Mutex::default(),
            ledger: Mutex::default(),
            letters: Mutex::default(),
            signals: Queue::default(),
            live: Exchange::default(),
            feed: Grapevine::default(),
            calls: AtomicU64::new(0),
            numbers: AtomicU64::new(0),
        })
    }

    /// Adds a line to the trace.
    pub fn note(&self, who: &str, what: fmt::Arguments<'_>) {
        self.trace.line(self.clock.elapsed(), who, what);
    }

    /// Something happened that is counted.
    pub fn mark(&self, what: &'static str) {
        self.tally.mark(what);
    }

    /// An invariant is broken.
    pub fn broken(&self, invariant: u8, facts: String) {
        if !self.verdict.is_broken() {
            self.note("!!!!", format_args!("invariant {invariant}: {facts}"));
        }
        self.verdict.broken(invariant, facts);
    }

    /// Whether something happens that does so `mille` times in a thousand.
    pub fn struck(&self, mille: impl FnOnce(&Weather) -> u64) -> bool {
        let mille = mille(&self.weather.lock());
        self.chance.per_mille(mille)
    }

    /// One more call of the store; says whether it is one too many.
    pub fn count_call(&self) -> bool {
        let too_many = self.calls.fetch_add(1, Ordering::Relaxed) >= CALLS_MAX;
        if too_many {
            self.broken(4, format!("{CALLS_MAX} calls of the store, and no end"));
        }
        too_many
    }

    /// A number that nothing else has.
    pub fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// How many calls of the store there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Starts a task of the world itself, which no node's death ends.
    pub fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let world = self.clone();
        TokioSpawner.spawn(Box::pin(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                world.broken(0, format!("the simulation panicked: {}", said(&*panic)));
            }
        }));
    }
}

/// What a panic said.
pub fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Waits, in the run's time.
pub async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
