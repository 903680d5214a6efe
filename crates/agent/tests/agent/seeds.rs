//! The turn loop under everything at once, from seeds: executors that die, people who steer, cancel,
//! interrupt, allow and deny at random moments. A failure prints its seed; one seed is one story.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use postroom_agent::model::{Model, ModelError, ModelEvent, ModelRequest, ModelStream, Stop};
use postroom_agent::tool::{ToolContext, tool_fn};
use postroom_agent::{AgentConfig, AgentExecutor, Agents, Approval, Settings};
use postroom_core::command::{Mode, Submit};
use postroom_core::id::{NodeId, ThreadId, ToolCallId};
use postroom_core::message::{NewMessage, Role};
use postroom_core::ports::RunFilter;
use postroom_core::run::{Run, RunState, Termination, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction};
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::system::SystemIds;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::crashes::{Death, Mortal, PausedClock, What, assert_is_valid};
use crate::fake::{agent, builder, one_agent};
use crate::scripted::{call, finished};

const SEEDS: u64 = 300;
const ACTS: usize = 8;
const DEATHS: usize = 3;

/// A model that thinks for a while and then works, asks or answers, as the conversation has it.
struct Worker;

#[async_trait]
impl Model for Worker {
    fn name(&self) -> &'static str {
        "worker"
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        assert_is_valid(&request);
        let answers = request.messages.iter().filter(|message| message.role == Role::Assistant);
        let answered = answers.count();
        let work = |what: &str| call(what, "work", json!({"what": what}));
        let calls = match answered % 4 {
            0 => vec![work("a"), work("b")],
            1 => vec![call("g", "guarded", json!({"what": "g"})), work("c")],
            2 => vec![call("w", "wait", json!({"seconds": 3})), work("d")],
            _ => Vec::new(),
        };
        let mut events = vec![ModelEvent::TextDelta("Hm. ".to_owned())];
        events.extend(calls.into_iter().map(ModelEvent::ToolCallReady));
        events.push(finished(Stop::Complete));
        let slowly = stream::iter(events).then(|event| async move {
            sleep(Duration::from_millis(150)).await;
            Ok(event)
        });
        Ok(slowly.boxed())
    }
}

/// What one story leaves.
struct House {
    node: Postroom,
    thread: ThreadId,
    /// How often each call was made.
    made: Arc<Mutex<BTreeMap<ToolCallId, usize>>>,
    said: Vec<String>,
}

impl House {
    async fn new(random: &mut StdRng) -> Self {
        let clock = Arc::new(PausedClock(Instant::now()));
        let made = Arc::new(Mutex::new(BTreeMap::<ToolCallId, usize>::new()));
        let tool = |name: &str| {
            let ledger = made.clone();
            tool_fn(name, "Works.", move |what: What, context: ToolContext| {
                *ledger.lock().entry(context.call_id.clone()).or_default() += 1;
                async move {
                    sleep(Duration::from_millis(200)).await;
                    Ok(json!({"did": what.what}))
                }
            })
        };
        let config = AgentConfig {
            approve: vec!["guarded".into()],
            approval: Approval { patience_ms: 700, ..Approval::default() },
            max_steps: 12,
            ..agent("worker", &["work", "guarded", "wait"])
        };
        let registry = builder()
            .model("worker", Arc::new(Worker))
            .tool(Arc::new(tool("work")))
            .tool(Arc::new(tool("guarded")))
            .agents(one_agent(config))
            .build()
            .unwrap();
        let deaths = (0..random.random_range(0..=DEATHS)).map(|_| {
            let death = if random.random_bool(0.5) { Death::Before } else { Death::After };
            (random.random_range(0..25), death)
        });
        let executor = Mortal {
            dies: Arc::new(deaths.collect()),
            inner: AgentExecutor::new(Arc::new(Agents::new(registry)), Settings::default()),
            commits: Arc::new(AtomicUsize::new(0)),
        };
        let parts = Parts {
            store: Arc::new(MemoryStore::new(clock, Arc::new(SystemIds::new()))),
            signals: Arc::new(LocalSignals::default()),
            live: Arc::new(LocalLive::default()),
            feed: Arc::new(LocalFeed::default()),
            executor: Arc::new(executor),
            ids: Arc::new(SystemIds::new()),
            spawner: Arc::new(TokioSpawner),
            tracer: None,
            on_collect: None,
        };
        let node = Postroom::new(parts, Config::default(), NodeId::parse("node").unwrap());
        node.start().await.unwrap();
        Self { node, thread: ThreadId::parse("t").unwrap(), made, said: Vec::new() }
    }

    async fn say(&mut self, mode: Mode) {
        let text = format!("message {}", self.said.len());
        let submit = Submit::new(mode, vec![NewMessage::user(&text)]);
        // One that interrupts may be refused, and has then written nothing.
        if self.node.submit(Some(self.thread.clone()), submit).await.is_ok() {
            self.said.push(text);
        }
    }

    async fn runs(&self) -> Vec<Run> {
        self.node.store().runs(&RunFilter::default(), 1_000, None).await.unwrap().items
    }

    async fn act(&mut self, random: &mut StdRng) {
        match random.random_range(0..10) {
            0..=1 => self.say(Mode::Enqueue).await,
            2..=4 => self.say(Mode::Steer).await,
            5 => self.say(Mode::Interrupt).await,
            6 => drop(self.node.cancel_thread(&self.thread).await),
            _ => self.decide(random).await,
        }
    }

    async fn decide(&self, random: &mut StdRng) {
        for run in self.runs().await {
            if run.wait_reason() != Some(WaitReason::ToolPermission) {
                continue;
            }
            let action = if random.random_bool(0.7) {
                DecisionAction::Resume
            } else {
                DecisionAction::Cancel
            };
            let open = run.tickets.iter().filter(|ticket| ticket.is_open());
            let decisions: Vec<_> =
                open.map(|ticket| Decision::new(ticket.tool_call_id.clone(), action)).collect();
            if !decisions.is_empty() {
                // The run may have been cancelled at this very moment.
                let _ = self.node.decide(&run.id, decisions).await;
            }
        }
    }

    async fn settle(&self, random: &mut StdRng) {
        let give_up = Instant::now() + Duration::from_hours(2);
        loop {
            self.decide(random).await;
            let runs = self.runs().await;
            if runs.iter().all(|run| run.run_state() == RunState::Done) {
                return;
            }
            assert!(Instant::now() < give_up, "runs do not end: {runs:?}");
            sleep(Duration::from_millis(500)).await;
        }
    }

    async fn check(&self) {
        // A model that is asked what no provider accepts panics, until the attempts are spent.
        for run in self.runs().await {
            assert!(!matches!(run.termination(), Some(Termination::Error(_))), "{run:?}");
        }
        let log = self.node.store().messages(&self.thread, 0, 10_000).await.unwrap();
        for (place, logged) in log.iter().enumerate() {
            assert_eq!(logged.seq, place as u64 + 1, "the log has no gap");
        }
        for text in &self.said {
            let times = log.iter().filter(|logged| logged.message.content.text() == *text).count();
            assert_eq!(times, 1, "{text} is in the log once");
        }
        let mut results: BTreeMap<String, usize> = BTreeMap::new();
        for logged in log.iter().filter(|logged| logged.message.role == Role::Tool) {
            let value = serde_json::to_value(&logged.message.content).unwrap();
            *results.entry(value[0]["tool_call_id"].to_string()).or_default() += 1;
        }
        assert!(results.values().all(|times| *times == 1), "one result each: {results:?}");
        let made = self.made.lock();
        assert!(made.values().all(|times| *times <= 1 + DEATHS), "{made:?}");
    }
}

async fn play(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut house = House::new(&mut random).await;
    house.say(Mode::Enqueue).await;
    for _ in 0..ACTS {
        sleep(Duration::from_millis(random.random_range(1..2_500))).await;
        house.act(&mut random).await;
    }
    house.settle(&mut random).await;
    // What is said last is answered from a log that every provider accepts.
    house.say(Mode::Enqueue).await;
    house.settle(&mut random).await;
    house.check().await;
    house.node.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_the_log_is_valid_and_nothing_is_lost_or_doubled() {
    for seed in 0..SEEDS {
        eprintln!("seed {seed}");
        play(seed).await;
    }
}
