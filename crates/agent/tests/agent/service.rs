//! The demo agent on the real mailbox: service and memory store, in paused time.

use std::sync::Arc;
use std::time::Duration;

use postroom_agent::{AgentConfig, AgentExecutor, Agents, Approval, Settings};
use postroom_core::command::{Mode, Submit};
use postroom_core::event::EventBody;
use postroom_core::id::{NodeId, RunId, ThreadId};
use postroom_core::message::{NewMessage, Role};
use postroom_core::ports::Clock;
use postroom_core::run::{Run, RunState, Termination, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction};
use postroom_core::time::Timestamp;
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::system::SystemIds;
use tokio::time::Instant;

use crate::fake::{agent, builder, one_agent};

/// Wall time that goes with tokio's, which the tests pause.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000) + self.0.elapsed()
    }
}

struct House {
    store: Arc<MemoryStore>,
    nodes: u32,
    approval: Approval,
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(PausedClock(Instant::now()));
        let store = Arc::new(MemoryStore::new(clock, Arc::new(SystemIds::new())));
        Self { store, nodes: 0, approval: Approval::default() }
    }

    async fn start_node(&mut self) -> Postroom {
        self.nodes += 1;
        let config = AgentConfig { approval: self.approval.clone(), ..agent("demo", &["clock"]) };
        let registry = builder().agents(one_agent(config)).build().unwrap();
        let parts = Parts {
            store: self.store.clone(),
            signals: Arc::new(LocalSignals::default()),
            live: Arc::new(LocalLive::default()),
            feed: Arc::new(LocalFeed::default()),
            executor: Arc::new(AgentExecutor::new(
                Arc::new(Agents::new(registry)),
                Settings::default(),
            )),
            ids: Arc::new(SystemIds::new()),
            spawner: Arc::new(TokioSpawner),
            tracer: None,
            on_collect: None,
        };
        let name = NodeId::parse(&format!("node-{}", self.nodes)).unwrap();
        let node = Postroom::new(parts, Config::default(), name);
        node.start().await.unwrap();
        node
    }
}

fn thread() -> ThreadId {
    ThreadId::parse("t").unwrap()
}

async fn say(node: &Postroom, mode: Mode, text: &str) -> RunId {
    let submit = Submit::new(mode, vec![NewMessage::user(text)]);
    node.submit(Some(thread()), submit).await.unwrap().run_id
}

async fn done(node: &Postroom, run_id: &RunId) -> Run {
    let run = node.wait(run_id, Duration::from_hours(1)).await.unwrap();
    assert!(run.is_done(), "{run:?}");
    run
}

async fn waits_for_approval(node: &Postroom, run_id: &RunId) {
    let run = node.wait(run_id, Duration::from_hours(1)).await.unwrap();
    assert_eq!(run.wait_reason(), Some(WaitReason::ToolPermission), "{run:?}");
    assert_eq!(run.tickets.len(), 1);
}

async fn approve(node: &Postroom, run_id: &RunId) {
    let decision = Decision::new("demo_1".parse().unwrap(), DecisionAction::Resume);
    node.decide(run_id, vec![decision]).await.unwrap();
}

async fn roles(node: &Postroom) -> Vec<Role> {
    let log = node.store().messages(&thread(), 0, 1000).await.unwrap();
    log.iter().map(|logged| logged.message.role).collect()
}

const WITH_TOOL: [Role; 4] = [Role::User, Role::Assistant, Role::Tool, Role::Assistant];

#[tokio::test(start_paused = true)]
async fn a_conversation_with_a_tool() {
    let node = House::new().start_node().await;
    let run = done(&node, &say(&node, Mode::Enqueue, "what time is it?").await).await;
    assert!(run.output.unwrap().starts_with("It is Friday"));
    assert_eq!((run.steps, run.attempt), (2, 1));
    assert!(run.usage.output_tokens > 0 && run.agent_version.is_some());
    assert_eq!(roles(&node).await, WITH_TOOL);

    let run = done(&node, &say(&node, Mode::Enqueue, "thanks").await).await;
    assert!(run.output.unwrap().contains("message 2 of our conversation"));
    let seqs: Vec<u64> = node
        .store()
        .events(&thread(), 0, 1000)
        .await
        .unwrap()
        .iter()
        .map(|event| event.seq)
        .collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_approval_while_it_waits_in_memory() {
    let node = House::new().start_node().await;
    let run_id = say(&node, Mode::Enqueue, "ask for approval").await;
    waits_for_approval(&node, &run_id).await;
    approve(&node, &run_id).await;
    let run = done(&node, &run_id).await;
    assert!(run.output.unwrap().starts_with("You approved it"));
    assert_eq!(roles(&node).await, WITH_TOOL);
    let events = node.store().events(&thread(), 0, 1000).await.unwrap();
    let resumed = |event: &EventBody| matches!(event, EventBody::ToolCallResumed { .. });
    assert_eq!(events.iter().filter(|event| resumed(&event.body)).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_approval_without_an_executor() {
    let mut house = House::new();
    house.approval.patience_ms = 0;
    let node = house.start_node().await;
    let run_id = say(&node, Mode::Enqueue, "ask for approval").await;
    waits_for_approval(&node, &run_id).await;
    assert_eq!(node.active_runs(), 0);
    approve(&node, &run_id).await;
    let run = done(&node, &run_id).await;
    assert!(run.output.unwrap().starts_with("You approved it"));
    assert_eq!(roles(&node).await, WITH_TOOL);
}

#[tokio::test(start_paused = true)]
async fn an_approval_over_a_restart() {
    let mut house = House::new();
    let node = house.start_node().await;
    let run_id = say(&node, Mode::Enqueue, "ask for approval").await;
    waits_for_approval(&node, &run_id).await;
    node.shutdown().await;

    let node = house.start_node().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    waits_for_approval(&node, &run_id).await;
    approve(&node, &run_id).await;
    let run = done(&node, &run_id).await;
    assert!(run.output.unwrap().starts_with("You approved it"));
    assert_eq!(roles(&node).await, WITH_TOOL, "the call is in the log once");
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_retried_and_a_failed_run_is_not() {
    let node = House::new().start_node().await;
    let run = done(&node, &say(&node, Mode::Enqueue, "fail 2").await).await;
    assert_eq!(run.output.as_deref(), Some("It worked, in attempt 3."));
    let run = done(&node, &say(&node, Mode::Enqueue, "fail permanently").await).await;
    assert_eq!(run.attempt, 1);
    assert!(matches!(run.termination(), Some(Termination::Error(_))), "{run:?}");
    let run = done(&node, &say(&node, Mode::Enqueue, "fail").await).await;
    assert_eq!(run.attempt, 5, "its attempts are spent");
}

#[tokio::test(start_paused = true)]
async fn steering_joins_a_slow_run_and_cancelling_keeps_what_it_said() {
    let node = House::new().start_node().await;
    let run_id = say(&node, Mode::Enqueue, "slow 20").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(say(&node, Mode::Steer, "and hello").await, run_id);
    let run = done(&node, &run_id).await;
    assert!(run.output.unwrap().starts_with("You said: “and hello”"));

    let run_id = say(&node, Mode::Enqueue, "slow 20").await;
    tokio::time::sleep(Duration::from_millis(3500)).await;
    node.cancel_run(&run_id).await.unwrap();
    let run = done(&node, &run_id).await;
    assert_eq!(run.termination(), Some(&Termination::Cancelled));
    assert_eq!(run.run_state(), RunState::Done);
    let log = node.store().messages(&thread(), 0, 1000).await.unwrap();
    let last = &log.last().unwrap().message;
    assert_eq!(last.content.text(), "Slowly to 20: 1 2 3");
    assert_eq!(last.metadata["partial"], true);
}
