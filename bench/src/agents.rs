//! Agents: what the turn loop costs, what a run costs that waits, and how soon a reader has what a
//! model says while thousands speak.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use futures::{StreamExt, stream};
use hdrhistogram::Histogram;
use postroom_agent::model::{Finished, Model, ModelError, ModelEvent, ModelRequest, ModelStream};
use postroom_agent::{AgentConfig, AgentExecutor, AgentRegistry, Agents, Approval, Settings};
use postroom_core::command::Submitted;
use postroom_core::event::EventBody;
use postroom_core::message::ToolCall;
use postroom_core::ports::{Executor, MailboxStore};
use postroom_core::run::RunState;
use postroom_service::Postroom;
use postroom_stores::system::SystemClock;
use serde_json::json;
use tokio::task::JoinSet;

use crate::fixture::{Nothing, memory, service, service_for, sqlite, submission, thread};
use crate::load::settled;
use crate::yardstick::{cpu_time, resident_kib, stopwatch};

/// How many runs the cost of a step is measured over.
const STEPS: u64 = 40_000;
/// How many runs wait before those that are measured: what they all share is there then, above all
/// the store's cache of pages, which is full.
const WAITING_BEFORE: u64 = 25_000;
/// How long what is under way may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn measure(streams: u64, waiting: u64) -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        step().await?;
        wait(waiting).await?;
        for pause in [1_000, 250] {
            let pause = Duration::from_millis(pause);
            speak("memory", memory(), streams, pause).await?;
            let folder = tempfile::tempdir()?;
            speak("sqlite", sqlite(folder.path())?, streams, pause).await?;
        }
        Ok(())
    })
}

/// One agent on `model`.
fn executor(model: Arc<dyn Model>, config: AgentConfig) -> anyhow::Result<Arc<dyn Executor>> {
    let registry = AgentRegistry::builder(Arc::new(|_: &str| None), Arc::new(SystemClock))
        .model("bench", model)
        .agent("default", config)
        .build()?;
    Ok(Arc::new(AgentExecutor::new(Arc::new(Agents::new(registry)), Settings::default())))
}

/// Answers at once.
struct Prompt;

#[async_trait]
impl Model for Prompt {
    fn name(&self) -> &'static str {
        "bench"
    }

    async fn stream(&self, _: ModelRequest) -> Result<ModelStream, ModelError> {
        let answer = ModelEvent::TextDelta("It is noon in Lisbon.".to_owned());
        let events = [answer, ModelEvent::Finished(Finished::default())];
        Ok(stream::iter(events.map(Ok)).boxed())
    }
}

/// What a step without tools costs beside a run whose executor does nothing.
async fn step() -> anyhow::Result<()> {
    let nothing = cost_of_a_run(Arc::new(Nothing::default())).await?;
    let agent = cost_of_a_run(executor(Arc::new(Prompt), AgentConfig::new("bench"))?).await?;
    println!(
        "agents/step: a run of one step costs {} µs of CPU in memory, one that does nothing {} µs: the loop and its commit cost {} µs (wanted: 100)",
        agent.as_micros(),
        nothing.as_micros(),
        agent.saturating_sub(nothing).as_micros(),
    );
    Ok(())
}

async fn cost_of_a_run(executor: Arc<dyn Executor>) -> anyhow::Result<Duration> {
    let postroom = service(memory(), executor).await?;
    let before = cpu_time()?;
    for number in 0..STEPS {
        postroom.submit(Some(thread(number)), submission()).await?;
    }
    settled(&postroom).await?;
    let cost = cpu_time()?.saturating_sub(before) / u32::try_from(STEPS)?;
    postroom.shutdown().await;
    Ok(cost)
}

/// Asks for a call that waits for a person.
struct Asks;

#[async_trait]
impl Model for Asks {
    fn name(&self) -> &'static str {
        "bench"
    }

    async fn stream(&self, _: ModelRequest) -> Result<ModelStream, ModelError> {
        let id = "call".parse().map_err(|error| ModelError::transient(format!("{error}")))?;
        let call = ToolCall { id, name: "clock".to_owned(), arguments: json!({}) };
        let events = [ModelEvent::ToolCallReady(call), ModelEvent::Finished(Finished::default())];
        Ok(stream::iter(events.map(Ok)).boxed())
    }
}

/// What a run costs a process that waits for a person.
async fn wait(count: u64) -> anyhow::Result<()> {
    let config = AgentConfig {
        tools: vec!["clock".to_owned()],
        approve: vec!["clock".to_owned()],
        approval: Approval { patience_ms: 0, ..Approval::default() },
        ..AgentConfig::new("bench")
    };
    let folder = tempfile::tempdir()?;
    let postroom = service(sqlite(folder.path())?, executor(Arc::new(Asks), config)?).await?;
    wait_all(&postroom, 0..WAITING_BEFORE).await?;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (tasks_before, memory_before) = (tasks(), resident_kib()?);
    wait_all(&postroom, WAITING_BEFORE..WAITING_BEFORE + count).await?;
    // The last of them is just being put down.
    let deadline = stopwatch() + PATIENCE;
    while tasks() > tasks_before && stopwatch() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (tasks_after, memory_after) = (tasks(), resident_kib()?);
    println!(
        "agents/waiting: {count} more runs that wait for a person: {tasks_before} tasks before and {tasks_after} with them; {} bytes of resident memory a run (wanted: no task, under 1024 bytes)",
        memory_after.saturating_sub(memory_before) * 1024 / count,
    );
    postroom.shutdown().await;
    Ok(())
}

async fn wait_all(postroom: &Postroom, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
    let mut last = None;
    for number in numbers {
        last = Some(postroom.submit(Some(thread(number)), submission()).await?);
    }
    settled(postroom).await?;
    let Some(Submitted { run_id, .. }) = last else { return Ok(()) };
    let run = postroom.store().run(&run_id).await?.context("the run is there")?;
    anyhow::ensure!(run.run_state() == RunState::Waiting, "it waits");
    Ok(())
}

/// Speaks for ten seconds, a word at a time: each word is the moment at which it was said.
struct Slow {
    began: Instant,
    pause: Duration,
}

/// How long a model speaks.
const SPEECH: Duration = Duration::from_secs(10);

#[async_trait]
impl Model for Slow {
    fn name(&self) -> &'static str {
        "bench"
    }

    async fn stream(&self, _: ModelRequest) -> Result<ModelStream, ModelError> {
        let (began, pause) = (self.began, self.pause);
        let words = SPEECH.as_millis() / pause.as_millis();
        let words = stream::iter(0..words).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok(ModelEvent::TextDelta(format!("{} ", began.elapsed().as_micros())))
        });
        let end = stream::iter([Ok(ModelEvent::Finished(Finished::default()))]);
        Ok(words.chain(end).boxed())
    }
}

/// How soon each word is with the reader of its thread, while `count` runs speak at once.
async fn speak(
    name: &str,
    store: Arc<dyn MailboxStore>,
    count: u64,
    pause: Duration,
) -> anyhow::Result<()> {
    let began = stopwatch();
    let executor = executor(Arc::new(Slow { began, pause }), AgentConfig::new("bench"))?;
    let postroom = service_for(store, executor, usize::try_from(count)?).await?;
    let cpu = cpu_time()?;
    let mut readers = JoinSet::new();
    for number in 0..count {
        let postroom = postroom.clone();
        readers.spawn(async move {
            // Not all at the same instant.
            let place = Duration::from_micros(number * 1_000_000 / count);
            tokio::time::sleep(place).await;
            postroom.submit(Some(thread(number)), submission()).await?;
            read(&postroom, number, began).await
        });
    }
    let mut delays = Histogram::<u64>::new(3)?;
    while let Some(read) = readers.join_next().await {
        delays.add(read??)?;
    }
    let at = |quantile| Duration::from_micros(delays.value_at_quantile(quantile));
    println!(
        "agents/streams: {name}, {count} runs that say a word every {pause:?}: a reader has it after p50 {:?}, p99 {:?}, max {:?} (wanted: p99 under 50 ms); {} words, {:?} of CPU",
        at(0.5),
        at(0.99),
        Duration::from_micros(delays.max()),
        delays.len(),
        cpu_time()?.saturating_sub(cpu),
    );
    postroom.shutdown().await;
    Ok(())
}

/// Reads a thread to its run's end; answers how old each word was, in microseconds.
async fn read(postroom: &Postroom, number: u64, began: Instant) -> anyhow::Result<Histogram<u64>> {
    let mut delays = Histogram::<u64>::new(3)?;
    let mut events = postroom.events(&thread(number), 0);
    while let Some(event) = events.next().await {
        match &event?.body {
            EventBody::TextDelta { text } => {
                let now = u64::try_from(began.elapsed().as_micros())?;
                for said in text.split_whitespace() {
                    delays.record(now.saturating_sub(said.parse()?))?;
                }
            }
            EventBody::RunFinished { .. } => return Ok(delays),
            _ => {}
        }
    }
    anyhow::bail!("the thread's events ended before its run")
}
