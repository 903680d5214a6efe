//! Long tasks on the real mailbox: service and memory store, in paused time, over several nodes.
//! The model and the tools keep ledgers of what they were asked.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postroom_agent::tool::{ToolContext, tool_fn};
use postroom_agent::{AgentConfig, AgentExecutor, Agents, Approval, Settings};
use postroom_core::command::{Mode, Submit};
use postroom_core::event::EventBody;
use postroom_core::id::{AgentId, NodeId, RunId, ThreadId};
use postroom_core::message::{LogMessage, NewMessage, Role, Visibility};
use postroom_core::ports::{Clock, RunFilter};
use postroom_core::run::{Run, RunState, Termination, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction};
use postroom_core::time::Timestamp;
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::system::SystemIds;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fake::{agent, builder};
use crate::scripted::{Scripted, Turn, call, calls, says};

struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000) + self.0.elapsed()
    }
}

#[derive(serde::Deserialize, serde::Serialize, postroom_agent::schemars::JsonSchema)]
#[schemars(crate = "postroom_agent::schemars")]
struct What {
    what: String,
}

/// A mailbox, two agents, and what their tool was called with.
struct House {
    store: Arc<MemoryStore>,
    nodes: u32,
    boss: Arc<Scripted>,
    helper: Arc<Scripted>,
    done: Arc<Mutex<Vec<String>>>,
    approve: Vec<String>,
}

impl House {
    fn new(boss: Vec<Turn>, helper: Vec<Turn>) -> Self {
        let clock = Arc::new(PausedClock(Instant::now()));
        Self {
            store: Arc::new(MemoryStore::new(clock, Arc::new(SystemIds::new()))),
            nodes: 0,
            boss: Scripted::new(boss),
            helper: Scripted::new(helper),
            done: Arc::default(),
            approve: Vec::new(),
        }
    }

    async fn start_node(&mut self) -> Postroom {
        self.nodes += 1;
        let done = self.done.clone();
        let work = tool_fn("work", "Works.", move |what: What, _: ToolContext| {
            done.lock().push(what.what.clone());
            async move { Ok(json!({"did": what.what})) }
        });
        let tools =
            ["work", "clock", "ask_user", "wait", "start_background", "send_message", "delegate:*"];
        let boss = AgentConfig {
            approve: self.approve.clone(),
            approval: Approval { patience_ms: 1_000, ..Approval::default() },
            ..agent("boss", &tools)
        };
        let agents = [
            ("default".to_owned(), boss),
            (
                "helper".to_owned(),
                AgentConfig { approve: Vec::new(), ..agent("helper", &["work"]) },
            ),
        ];
        let registry = builder()
            .model("boss", self.boss.clone())
            .model("helper", self.helper.clone())
            .tool(Arc::new(work))
            .agents(agents.into())
            .build()
            .unwrap();
        let executor = AgentExecutor::new(Arc::new(Agents::new(registry)), Settings::default());
        let parts = Parts {
            store: self.store.clone(),
            signals: Arc::new(LocalSignals::default()),
            live: Arc::new(LocalLive::default()),
            feed: Arc::new(LocalFeed::default()),
            executor: Arc::new(executor),
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

async fn say(node: &Postroom, text: &str) -> RunId {
    let submit = Submit::new(Mode::Enqueue, vec![NewMessage::user(text)]);
    node.submit(Some(thread()), submit).await.unwrap().run_id
}

/// Looks until the run is as wanted; virtual time passes meanwhile.
async fn until(node: &Postroom, run_id: &RunId, wanted: impl Fn(&Run) -> bool) -> Run {
    let give_up = Instant::now() + Duration::from_hours(2);
    loop {
        let run = node.store().run(run_id).await.unwrap().expect("the run is there");
        if wanted(&run) {
            return run;
        }
        assert!(Instant::now() < give_up, "{run:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn ended(node: &Postroom, run_id: &RunId) -> Run {
    until(node, run_id, Run::is_done).await
}

async fn log(node: &Postroom) -> Vec<LogMessage> {
    node.store().messages(&thread(), 0, 1_000).await.unwrap()
}

async fn children(node: &Postroom, run_id: &RunId) -> Vec<Run> {
    let filter = RunFilter { parent_run_id: Some(run_id.clone()), ..RunFilter::default() };
    node.store().runs(&filter, 100, None).await.unwrap().items
}

fn answers(log: &[LogMessage], id: &str) -> Vec<Value> {
    let blocks = log.iter().filter(|logged| logged.message.role == Role::Tool);
    let values = blocks.map(|logged| serde_json::to_value(&logged.message.content).unwrap());
    values
        .filter(|value| value[0]["tool_call_id"] == id)
        .map(|value| value[0]["output"].clone())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_task_is_delegated_and_its_answer_is_the_calls_result() {
    let mut house = House::new(
        vec![calls(&[call("d", "delegate:helper", json!({"task": "count"}))]), says("Done: 3.")],
        vec![calls(&[call("w", "work", json!({"what": "count"}))]), says("3")],
    );
    let node = house.start_node().await;
    let run_id = say(&node, "how many?").await;
    let run = ended(&node, &run_id).await;
    assert_eq!(run.output.as_deref(), Some("Done: 3."));
    assert_eq!(answers(&log(&node).await, "d"), [json!("3")]);
    let children = children(&node, &run_id).await;
    assert_eq!(children.len(), 1);
    let child = &children[0];
    assert_eq!(child.agent_id, AgentId::parse("helper").unwrap());
    assert_ne!(child.thread_id, thread());
    let own = node.store().thread(&child.thread_id).await.unwrap().unwrap();
    assert_eq!(own.parent, Some(thread()));
    let said = node.store().messages(&child.thread_id, 0, 10).await.unwrap();
    assert_eq!(said[0].message.content.text(), "count");
    assert_eq!(said[0].message.metadata["sender_agent"], "default");
    assert_eq!(said[0].message.metadata["sender_run"], json!(run_id));
}

#[tokio::test(start_paused = true)]
async fn a_delegating_run_holds_nothing_while_it_waits_and_its_end_is_its_childs() {
    let hangs = Turn::Hangs("Let me think");
    let mut house =
        House::new(vec![calls(&[call("d", "delegate:helper", json!({"task": "x"}))])], vec![hangs]);
    let node = house.start_node().await;
    let run_id = say(&node, "go").await;
    let waits = |run: &Run| run.wait_reason() == Some(WaitReason::BackgroundTasks);
    until(&node, &run_id, waits).await;
    assert_eq!(node.active_runs(), 1, "only the child executes");
    node.cancel_run(&run_id).await.unwrap();
    assert_eq!(ended(&node, &run_id).await.termination(), Some(&Termination::Cancelled));
    let child = children(&node, &run_id).await.remove(0);
    let child = ended(&node, &child.id).await;
    assert_eq!(child.termination(), Some(&Termination::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_delegation_outlives_the_node_that_began_it() {
    let mut house = House::new(
        vec![calls(&[call("d", "delegate:helper", json!({"task": "x"}))]), says("Done.")],
        // The first node goes down while the helper answers.
        vec![Turn::Hangs("Let me"), says("42")],
    );
    let node = house.start_node().await;
    let run_id = say(&node, "go").await;
    until(&node, &run_id, |run| run.wait_reason() == Some(WaitReason::BackgroundTasks)).await;
    node.shutdown().await;
    let node = house.start_node().await;
    assert_eq!(ended(&node, &run_id).await.output.as_deref(), Some("Done."));
    assert_eq!(answers(&log(&node).await, "d"), [json!("42")]);
    assert_eq!(house.boss.requests.lock().len(), 2, "what was answered is not asked again");
    assert_eq!(children(&node, &run_id).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_fails_is_an_error_that_the_caller_hears() {
    use postroom_agent::model::ModelError;
    let mut house = House::new(
        vec![calls(&[call("d", "delegate:helper", json!({"task": "x"}))]), says("It failed.")],
        vec![Turn::Refuses(ModelError::permanent("bad_key", "the key is refused"))],
    );
    let node = house.start_node().await;
    let run_id = say(&node, "go").await;
    assert_eq!(ended(&node, &run_id).await.output.as_deref(), Some("It failed."));
    let answer = answers(&log(&node).await, "d").remove(0);
    assert_eq!(answer["error"], "the agent's run ended as error");
    assert_eq!(answer["reason"], "the key is refused");
}

#[tokio::test(start_paused = true)]
async fn background_work_wakes_the_thread_when_the_run_is_long_over() {
    let start = json!({"tool": "work", "arguments": {"what": "dig"}});
    let mut house = House::new(
        vec![
            calls(&[call("b", "start_background", start)]),
            says("Started."),
            says("The digging is done."),
        ],
        vec![],
    );
    let node = house.start_node().await;
    let run_id = say(&node, "dig, please").await;
    assert_eq!(ended(&node, &run_id).await.output.as_deref(), Some("Started."));
    let give_up = Instant::now() + Duration::from_mins(5);
    let log = loop {
        let log = log(&node).await;
        if log.last().is_some_and(|last| last.message.content.text() == "The digging is done.") {
            break log;
        }
        assert!(Instant::now() < give_up, "{log:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(*house.done.lock(), ["dig"]);
    let woken: Vec<_> =
        log.iter().filter(|logged| logged.message.visibility == Visibility::Internal).collect();
    assert_eq!(woken.len(), 1, "{log:?}");
    assert!(woken[0].message.content.text().contains("dig"), "{woken:?}");
    assert_eq!(answers(&log, "b")[0]["started"], true);
}

#[tokio::test(start_paused = true)]
async fn a_question_is_answered_by_a_decision_or_by_what_the_person_says() {
    for by_decision in [true, false] {
        let question = json!({"question": "Which colour?", "options": ["red", "blue"]});
        let mut house = House::new(
            vec![calls(&[call("q", "ask_user", question)]), says("Blue it is.")],
            vec![],
        );
        let node = house.start_node().await;
        let run_id = say(&node, "paint it").await;
        let asked = until(&node, &run_id, |run| run.wait_reason() == Some(WaitReason::UserInput));
        let ticket = asked.await.tickets.remove(0);
        assert_eq!(ticket.message, "Which colour?");
        assert_eq!(node.active_runs(), 0);
        if by_decision {
            let decision = Decision::new(ticket.tool_call_id, DecisionAction::Resume);
            let decision = Decision { result: json!("blue"), ..decision };
            node.decide(&run_id, vec![decision]).await.unwrap();
        } else {
            assert_eq!(say(&node, "blue, please").await, run_id, "the same run goes on");
        }
        assert_eq!(ended(&node, &run_id).await.output.as_deref(), Some("Blue it is."));
        let answer = answers(&log(&node).await, "q").remove(0).to_string();
        let expected = if by_decision { "blue" } else { "next message" };
        assert!(answer.contains(expected), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_until_its_time_and_holds_nothing() {
    let wait = json!({"seconds": 7200});
    let mut house =
        House::new(vec![calls(&[call("w", "wait", wait)]), says("Good morning.")], vec![]);
    let node = house.start_node().await;
    let began = Instant::now();
    let run_id = say(&node, "wake me").await;
    until(&node, &run_id, |run| run.run_state() == RunState::Waiting).await;
    assert_eq!(node.active_runs(), 0);
    let node = {
        node.shutdown().await;
        house.start_node().await
    };
    tokio::time::sleep(Duration::from_secs(7_100).saturating_sub(began.elapsed())).await;
    assert!(!node.store().run(&run_id).await.unwrap().unwrap().is_done());
    assert_eq!(ended(&node, &run_id).await.output.as_deref(), Some("Good morning."));
    let waited = began.elapsed();
    assert!((7_200..7_260).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_ends_a_wait_early() {
    let wait = json!({"seconds": 7200});
    let mut house = House::new(vec![calls(&[call("w", "wait", wait)]), says("Yes?")], vec![]);
    let node = house.start_node().await;
    let run_id = say(&node, "wake me").await;
    until(&node, &run_id, |run| run.run_state() == RunState::Waiting).await;
    assert_eq!(say(&node, "get up").await, run_id);
    assert_eq!(ended(&node, &run_id).await.output.as_deref(), Some("Yes?"));
    assert!(answers(&log(&node).await, "w")[0].to_string().contains("A message came"));
}

#[tokio::test(start_paused = true)]
async fn a_message_to_another_thread_is_sent_once_and_names_its_sender() {
    let letter = json!({"thread_id": "other", "text": "hello", "agent": "helper"});
    let mut house = House::new(
        vec![calls(&[call("s", "send_message", letter)]), says("Sent.")],
        vec![says("Hello to you.")],
    );
    let node = house.start_node().await;
    let run_id = say(&node, "greet them").await;
    assert_eq!(ended(&node, &run_id).await.output.as_deref(), Some("Sent."));
    let other = ThreadId::parse("other").unwrap();
    let theirs = RunFilter { thread_id: Some(other.clone()), ..RunFilter::default() };
    let theirs = node.store().runs(&theirs, 10, None).await.unwrap().items;
    assert_eq!(theirs.len(), 1);
    ended(&node, &theirs[0].id).await;
    let messages = node.store().messages(&other, 0, 10).await.unwrap();
    assert_eq!(messages[0].message.metadata["sender_thread"], "t");
    assert_eq!(messages[1].message.content.text(), "Hello to you.");
}

#[tokio::test(start_paused = true)]
async fn an_approval_comes_hours_later_to_a_run_that_holds_nothing() {
    let mut house = House::new(
        vec![calls(&[call("w", "work", json!({"what": "launch"}))]), says("Launched.")],
        vec![],
    );
    house.approve = vec!["work".into()];
    let node = house.start_node().await;
    let run_id = say(&node, "launch").await;
    until(&node, &run_id, |run| run.wait_reason() == Some(WaitReason::ToolPermission)).await;
    tokio::time::sleep(Duration::from_hours(5)).await;
    assert_eq!(node.active_runs(), 0);
    node.shutdown().await;
    let node = house.start_node().await;
    let approve = Decision::new("w".parse().unwrap(), DecisionAction::Resume);
    node.decide(&run_id, vec![approve]).await.unwrap();
    assert_eq!(ended(&node, &run_id).await.output.as_deref(), Some("Launched."));
    assert_eq!(*house.done.lock(), ["launch"]);
    let events = node.store().events(&thread(), 0, 1_000).await.unwrap();
    let is_wait = |live: bool| {
        events.iter().any(|event| {
            matches!(&event.body, EventBody::RunWaiting { live: other, .. } if *other == live)
        })
    };
    assert!(is_wait(true) && is_wait(false), "it waited in memory first, and then parked");
}
