//! What the tests of the service share: a node in paused time on the memory store, executors made
//! of closures, and a store that can be told to fail.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(missing_docs)]

pub mod store;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use postroom_core::command::{Activation, Mode, Submit, Submitted};
use postroom_core::event::{Event, EventBody};
use postroom_core::id::{NodeId, RunId, ThreadId};
use postroom_core::message::{LogMessage, NewMessage};
use postroom_core::ports::{Clock, Executor, RunContext, RunOutcome, Tracer};
use postroom_core::run::{Run, Termination};
use postroom_core::time::Timestamp;
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::system::SystemIds;
use tokio::time::Instant;

use store::TestStore;

/// Wall time that goes with tokio's, which the tests pause.
pub struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000) + self.0.elapsed()
    }
}

type Outcome = Pin<Box<dyn Future<Output = RunOutcome> + Send>>;

/// An executor made of a closure.
pub struct Scripted(Box<dyn Fn(Activation, Arc<dyn RunContext>) -> Outcome + Send + Sync>);

#[async_trait]
impl Executor for Scripted {
    async fn run(&self, activation: Activation, context: Arc<dyn RunContext>) -> RunOutcome {
        (self.0)(activation, context).await
    }
}

pub fn scripted<F>(
    script: impl Fn(Activation, Arc<dyn RunContext>) -> F + Send + Sync + 'static,
) -> Arc<Scripted>
where
    F: Future<Output = RunOutcome> + Send + 'static,
{
    Arc::new(Scripted(Box::new(move |activation, context| Box::pin(script(activation, context)))))
}

/// Ends at once with the input's text.
pub fn echo() -> Arc<Scripted> {
    scripted(|activation, _| async move { RunOutcome::natural_end(Some(texts(&activation.input))) })
}

/// Runs until it is cancelled, politely.
pub fn until_cancelled() -> Arc<Scripted> {
    scripted(|_, context| async move {
        context.cancelled().await;
        RunOutcome::cancelled()
    })
}

/// Runs for a time, then ends.
pub fn lasting(time: Duration) -> Arc<Scripted> {
    scripted(move |activation, _| async move {
        tokio::time::sleep(time).await;
        RunOutcome::natural_end(Some(texts(&activation.input)))
    })
}

pub fn texts(messages: &[LogMessage]) -> String {
    let texts: Vec<String> = messages.iter().map(|row| row.message.content.text()).collect();
    texts.join("+")
}

/// A house of nodes: one store, one signal queue, one live control, one feed.
pub struct House {
    pub store: Arc<TestStore>,
    pub signals: LocalSignals,
    pub live: LocalLive,
    pub feed: LocalFeed,
    pub config: Config,
    pub tracer: Option<Arc<dyn Tracer>>,
    nodes: u32,
}

impl House {
    /// One node has the store to itself.
    pub fn alone() -> Self {
        Self::new(true)
    }

    /// Several nodes work on the store.
    pub fn shared() -> Self {
        Self::new(false)
    }

    fn new(exclusive: bool) -> Self {
        let clock = Arc::new(PausedClock(Instant::now()));
        let memory = MemoryStore::new(clock, Arc::new(SystemIds::new()));
        Self {
            store: Arc::new(TestStore::new(Arc::new(memory), exclusive)),
            signals: LocalSignals::default(),
            live: LocalLive::default(),
            feed: LocalFeed::default(),
            config: Config::default(),
            tracer: None,
            nodes: 0,
        }
    }

    /// Gives the nodes that come after this a way to the store of their own; answers the one so far.
    pub fn another_line(&mut self) -> Arc<TestStore> {
        let next = Arc::new(self.store.another_line());
        std::mem::replace(&mut self.store, next)
    }

    /// A node that has not started.
    pub fn node(&mut self, executor: Arc<dyn Executor>) -> Postroom {
        self.nodes += 1;
        let parts = Parts {
            store: self.store.clone(),
            signals: Arc::new(self.signals.clone()),
            live: Arc::new(self.live.clone()),
            feed: Arc::new(self.feed.another_node()),
            executor,
            ids: Arc::new(SystemIds::new()),
            spawner: Arc::new(TokioSpawner),
            tracer: self.tracer.clone(),
            on_collect: None,
        };
        let name = NodeId::parse(&format!("node-{}", self.nodes)).unwrap();
        Postroom::new(parts, self.config.clone(), name)
    }

    pub async fn started(&mut self, executor: Arc<dyn Executor>) -> Postroom {
        let node = self.node(executor);
        node.start().await.unwrap();
        node
    }
}

pub fn thread(name: &str) -> ThreadId {
    ThreadId::parse(name).unwrap()
}

pub fn submit(mode: Mode, text: &str) -> Submit {
    Submit::new(mode, vec![NewMessage::user(text)])
}

pub async fn send(node: &Postroom, thread_name: &str, mode: Mode, text: &str) -> Submitted {
    node.submit(Some(thread(thread_name)), submit(mode, text)).await.unwrap()
}

/// The run, done or waiting. An hour of paused time is no time.
pub async fn finished(node: &Postroom, run_id: &RunId) -> Run {
    let run = node.wait(run_id, Duration::from_hours(1)).await.unwrap();
    assert!(
        !matches!(run.status, postroom_core::run::RunStatus::Running),
        "still running after an hour: {run:?}"
    );
    run
}

pub async fn termination(node: &Postroom, run_id: &RunId) -> Termination {
    let run = finished(node, run_id).await;
    run.termination().unwrap_or_else(|| panic!("not done: {run:?}")).clone()
}

/// Lets everything happen that can happen without time passing.
pub async fn settle_down() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// The thread's events so far.
pub async fn history(node: &Postroom, thread_name: &str) -> Vec<Arc<Event>> {
    node.store().events(&thread(thread_name), 0, 100_000).await.unwrap()
}

pub async fn log(node: &Postroom, thread_name: &str) -> Vec<String> {
    let rows = node.store().messages(&thread(thread_name), 0, 100_000).await.unwrap();
    rows.iter().map(|row| row.message.content.text()).collect()
}

pub fn count(events: &[Arc<Event>], wanted: impl Fn(&EventBody) -> bool) -> usize {
    events.iter().filter(|event| wanted(&event.body)).count()
}

/// The next `n` events of a stream.
pub async fn take(stream: &mut postroom_service::EventStream, n: usize) -> Vec<Arc<Event>> {
    let mut events = Vec::new();
    for _ in 0..n {
        events.push(stream.next().await.unwrap().unwrap());
    }
    events
}
