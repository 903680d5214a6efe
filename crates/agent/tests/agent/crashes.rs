//! A long task whose executor dies at each of its commits in turn: with the commit written and its
//! answer lost, or before it was written. The model and the tool keep ledgers.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use postroom_agent::model::{Model, ModelError, ModelEvent, ModelRequest, ModelStream, Stop};
use postroom_agent::policy::{Action, Rule};
use postroom_agent::tool::{ToolContext, tool_fn};
use postroom_agent::{AgentConfig, AgentExecutor, Agents, Approval, Settings};
use postroom_core::command::{Activation, Committed, Mode, Step, Submit, Submitted, Suspend};
use postroom_core::event::EventBody;
use postroom_core::id::{NodeId, RunId, TaskId, ThreadId, ToolCallId};
use postroom_core::message::{LogMessage, NewMessage, Role};
use postroom_core::ports::{
    Cancel, CancelReason, Clock, ContextError, Executor, RunContext, RunFilter, RunOutcome,
};
use postroom_core::run::{Run, Termination, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction};
use postroom_core::time::Timestamp;
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::system::SystemIds;
use serde_json::json;
use tokio::time::Instant;

use crate::fake::{agent, builder, one_agent};
use crate::scripted::{call, finished};

pub struct PausedClock(pub Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000) + self.0.elapsed()
    }
}

/// When an executor dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Before its commit is written.
    Before,
    /// Once its commit is written, before it hears so.
    After,
}

/// At which commits executors die, counted over all of them.
pub type Deaths = Arc<BTreeMap<usize, Death>>;

/// An executor that dies at some commits.
pub struct Mortal {
    pub inner: AgentExecutor,
    pub commits: Arc<AtomicUsize>,
    pub dies: Deaths,
}

#[async_trait]
impl Executor for Mortal {
    async fn run(&self, activation: Activation, context: Arc<dyn RunContext>) -> RunOutcome {
        let context =
            Dying { inner: context, commits: self.commits.clone(), dies: self.dies.clone() };
        self.inner.run(activation, Arc::new(context)).await
    }
}

struct Dying {
    inner: Arc<dyn RunContext>,
    commits: Arc<AtomicUsize>,
    dies: Deaths,
}

impl Dying {
    fn dies_now(&self) -> Option<Death> {
        let number = self.commits.fetch_add(1, Ordering::SeqCst);
        self.dies.get(&number).copied()
    }
}

#[async_trait]
impl RunContext for Dying {
    async fn emit(&self, event: EventBody) -> Result<(), ContextError> {
        self.inner.emit(event).await
    }

    async fn commit(&self, step: Step) -> Result<Committed, ContextError> {
        match self.dies_now() {
            None => self.inner.commit(step).await,
            Some(Death::Before) => panic!("the process dies before a commit"),
            Some(Death::After) => {
                let _ = self.inner.commit(step).await;
                panic!("the process dies after a commit")
            }
        }
    }

    fn cancelled(&self) -> Cancel<'_> {
        self.inner.cancelled()
    }

    fn is_cancelled(&self) -> Option<CancelReason> {
        self.inner.is_cancelled()
    }

    async fn suspend(
        &self,
        step: Step,
        suspend: Suspend,
        patience: Duration,
    ) -> Result<Option<Vec<Decision>>, ContextError> {
        let dies = self.dies_now();
        assert!(dies != Some(Death::Before), "the process dies before it waits");
        let decided = self.inner.suspend(step, suspend, patience).await;
        assert!(dies.is_none(), "the process dies while it waits");
        decided
    }

    async fn decision(&self, id: &ToolCallId) -> Result<Option<Decision>, ContextError> {
        self.inner.decision(id).await
    }

    async fn find_run(&self, id: &RunId) -> Result<Option<Run>, ContextError> {
        self.inner.find_run(id).await
    }

    async fn submit(&self, thread_id: ThreadId, submit: Submit) -> Result<Submitted, ContextError> {
        self.inner.submit(thread_id, submit).await
    }

    async fn now(&self) -> Result<Timestamp, ContextError> {
        self.inner.now().await
    }

    async fn prompt(&self) -> Result<Vec<LogMessage>, ContextError> {
        self.inner.prompt().await
    }

    async fn spawn_background(
        &self,
        task: Pin<Box<dyn Future<Output = Option<NewMessage>> + Send>>,
    ) -> TaskId {
        self.inner.spawn_background(task).await
    }
}

/// A model whose answer depends on the conversation alone, as a deterministic provider's would.
#[derive(Default)]
struct Planner {
    /// How often each answer was asked for, by the number of answers before it.
    asked: Mutex<BTreeMap<usize, usize>>,
}

#[async_trait]
impl Model for Planner {
    fn name(&self) -> &'static str {
        "planner"
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        assert_is_valid(&request);
        let answered =
            request.messages.iter().filter(|message| message.role == Role::Assistant).count();
        *self.asked.lock().entry(answered).or_default() += 1;
        let work = |id: &str| call(id, "work", json!({"what": id}));
        let dig = json!({"tool": "work", "arguments": {"what": "dig"}});
        let calls = match answered {
            0 => vec![work("a"), work("b")],
            1 => vec![work("c"), call("bg", "start_background", dig)],
            _ => Vec::new(),
        };
        let mut events: Vec<_> = Vec::new();
        if calls.is_empty() {
            events.push(ModelEvent::TextDelta(format!("Answer {answered}.")));
        }
        events.extend(calls.into_iter().map(ModelEvent::ToolCallReady));
        events.push(finished(Stop::Complete));
        Ok(stream::iter(events).map(Ok).boxed())
    }
}

/// What every provider insists on: each call is followed at once by its result, and by one only.
pub fn assert_is_valid(request: &ModelRequest) {
    let mut open: Vec<ToolCallId> = Vec::new();
    for message in &request.messages {
        if message.role == Role::Tool {
            let value = serde_json::to_value(&message.content).unwrap();
            let id = value[0]["tool_call_id"].as_str().expect("a result names its call");
            let place = open.iter().position(|call| call.to_string() == id);
            open.remove(place.unwrap_or_else(|| panic!("a result without its call: {request:?}")));
            continue;
        }
        assert!(open.is_empty(), "a call without a result: {request:?}");
        open = message.tool_calls.iter().map(|call| call.id.clone()).collect();
    }
    assert!(open.is_empty(), "a call without a result: {request:?}");
}

#[derive(serde::Deserialize, postroom_agent::schemars::JsonSchema)]
#[schemars(crate = "postroom_agent::schemars")]
pub struct What {
    pub what: String,
}

/// What a task came to.
struct Story {
    asked: BTreeMap<usize, usize>,
    /// How often the tool was called for each thing, and under which call ids.
    worked: BTreeMap<String, Vec<ToolCallId>>,
    commits: usize,
    log: Vec<LogMessage>,
    attempts: u32,
}

async fn play(dies: Option<(usize, Death)>) -> Story {
    let clock = Arc::new(PausedClock(Instant::now()));
    let store = Arc::new(MemoryStore::new(clock, Arc::new(SystemIds::new())));
    let (planner, commits) = (Arc::new(Planner::default()), Arc::new(AtomicUsize::new(0)));
    let worked = Arc::new(Mutex::new(BTreeMap::<String, Vec<ToolCallId>>::new()));
    let ledger = worked.clone();
    let work = tool_fn("work", "Works.", move |what: What, context: ToolContext| {
        ledger.lock().entry(what.what.clone()).or_default().push(context.call_id.clone());
        async move {
            // Done only when the run that began it is over.
            if what.what == "dig" {
                tokio::time::sleep(Duration::from_mins(1)).await;
            }
            Ok(json!({"did": what.what}))
        }
    });
    let ask = Rule {
        tool: "work".into(),
        arguments: [("what".to_owned(), "c".to_owned())].into(),
        action: Action::Ask,
        reason: None,
    };
    let config = AgentConfig {
        rules: vec![ask],
        approval: Approval { patience_ms: 1_000, ..Approval::default() },
        ..agent("planner", &["work", "start_background"])
    };
    let registry = builder()
        .model("planner", planner.clone())
        .tool(Arc::new(work))
        .agents(one_agent(config))
        .build()
        .unwrap();
    let inner = AgentExecutor::new(Arc::new(Agents::new(registry)), Settings::default());
    let parts = Parts {
        store,
        signals: Arc::new(LocalSignals::default()),
        live: Arc::new(LocalLive::default()),
        feed: Arc::new(LocalFeed::default()),
        executor: Arc::new(Mortal {
            inner,
            commits: commits.clone(),
            dies: Arc::new(dies.into_iter().collect()),
        }),
        ids: Arc::new(SystemIds::new()),
        spawner: Arc::new(TokioSpawner),
        tracer: None,
        on_collect: None,
    };
    let node = Postroom::new(parts, Config::default(), NodeId::parse("node").unwrap());
    node.start().await.unwrap();
    let thread = ThreadId::parse("t").unwrap();
    let submit = Submit::new(Mode::Enqueue, vec![NewMessage::user("go")]);
    node.submit(Some(thread.clone()), submit).await.unwrap();

    let runs = until_all_is_done(&node).await;
    assert_eq!(runs.len(), 3, "the task, its background work, and the run that this woke");
    for run in &runs {
        assert_eq!(run.termination(), Some(&Termination::NaturalEnd), "{run:?}");
    }
    let log = node.store().messages(&thread, 0, 1_000).await.unwrap();
    let (asked, worked) = (planner.asked.lock().clone(), worked.lock().clone());
    let attempts = runs.iter().map(|run| run.attempt).sum();
    Story { asked, worked, commits: commits.load(Ordering::SeqCst), log, attempts }
}

/// Approves what is asked, until nothing is left to do.
async fn until_all_is_done(node: &Postroom) -> Vec<Run> {
    let give_up = Instant::now() + Duration::from_hours(1);
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let runs = node.store().runs(&RunFilter::default(), 100, None).await.unwrap().items;
        for run in runs.iter().filter(|run| run.wait_reason() == Some(WaitReason::ToolPermission)) {
            let open = run.tickets.iter().filter(|ticket| ticket.is_open());
            let approve = open
                .map(|ticket| Decision::new(ticket.tool_call_id.clone(), DecisionAction::Resume));
            let approve: Vec<_> = approve.collect();
            if !approve.is_empty() {
                node.decide(&run.id, approve).await.unwrap();
            }
        }
        if runs.len() == 3 && runs.iter().all(Run::is_done) {
            return runs;
        }
        assert!(Instant::now() < give_up, "{runs:?}");
    }
}

/// The log, as anybody would read it.
fn told(log: &[LogMessage]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for logged in log {
        let message = &logged.message;
        let content = serde_json::to_string(&message.content).unwrap();
        // The ids of what was started are of this story alone.
        let content = content.split("\"run_id\"").next().unwrap_or_default().to_owned();
        let calls: Vec<&str> = message.tool_calls.iter().map(|call| call.name.as_str()).collect();
        told.push(format!("{:?} {content} {calls:?}", message.role));
    }
    // Calls of one step are answered in any order.
    told.sort();
    told
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_twice_wherever_the_process_dies() {
    let whole = play(None).await;
    assert_eq!(whole.asked, BTreeMap::from([(0, 1), (1, 1), (2, 1), (3, 1)]));
    assert_eq!(whole.worked.keys().collect::<Vec<_>>(), ["a", "b", "c", "dig"]);
    assert!(whole.commits > 8, "{}", whole.commits);

    for at in 0..whole.commits {
        for death in [Death::Before, Death::After] {
            let story = play(Some((at, death))).await;
            let where_ = format!("dead at commit {at}, {death:?}");
            assert!(story.attempts > whole.attempts, "{where_}: it died");
            assert_eq!(told(&story.log), told(&whole.log), "{where_}");
            let seqs: Vec<u64> = story.log.iter().map(|logged| logged.seq).collect();
            assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "{where_}");

            // What was written is never done again; what was not yet written, once at most.
            let again: usize = story.asked.values().map(|times| times - 1).sum();
            let called: usize = story.worked.values().map(|ids| ids.len() - 1).sum();
            match death {
                Death::After => {
                    assert_eq!(story.asked, whole.asked, "{where_}: an answer was asked for twice");
                    // Two calls run side by side: the other one may have had no result yet.
                    assert!(called <= 1, "{where_}: {:?}", story.worked);
                }
                Death::Before => assert!(again <= 1 && called <= 2, "{where_}"),
            }
            for ids in story.worked.values() {
                assert!(ids.iter().all(|id| *id == ids[0]), "{where_}: a repetition has its id");
            }
        }
    }
}
