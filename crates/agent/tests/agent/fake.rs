//! One run and its log, as a store would keep them, and the context that writes to it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use postroom_agent::{AgentConfig, AgentExecutor, AgentRegistry, Agents, ModelConfig, Settings};
use postroom_core::command::{
    Activation, Committed, Step, Submit, Submitted, SubmittedStatus, Suspend, Take,
};
use postroom_core::dispatch::{Claim, Dispatch, DispatchStatus, Priority};
use postroom_core::error::StoreError;
use postroom_core::event::EventBody;
use postroom_core::id::{
    AgentId, Epoch, MessageId, NodeId, RunId, TaskId, TenantId, ThreadId, ToolCallId,
};
use postroom_core::message::{LogMessage, Message, NewMessage, Role};
use postroom_core::ports::{
    Cancel, CancelReason, Clock, ContextError, Executor, RunContext, RunOutcome,
};
use postroom_core::report::Report;
use postroom_core::run::{Origin, Run, RunStatus, SeqRange, Usage};
use postroom_core::ticket::{Decision, DecisionAction, Ticket, TicketState};
use postroom_core::time::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

/// 2026-01-02T03:04:05Z, a Friday.
pub struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_767_323_045_000)
    }
}

/// What a store would hold of one run.
pub struct Fake {
    pub run: Mutex<Run>,
    pub log: Mutex<Vec<LogMessage>>,
    pub events: Mutex<Vec<EventBody>>,
    pub steps: Mutex<Vec<Step>>,
    /// What the next commit with a boundary takes in.
    pub pending: Mutex<Vec<NewMessage>>,
    /// After so many commits the next one fails so, and writes nothing.
    pub fail_commit: Mutex<Option<(usize, ContextError)>>,
    pub stop_requested: AtomicBool,
    /// The store's time.
    pub time: Mutex<Timestamp>,
    /// What the run has submitted to other threads.
    pub submitted: Mutex<Vec<(ThreadId, Submit)>>,
    /// Other runs.
    pub others: Mutex<HashMap<RunId, Run>>,
    cancel: watch::Sender<Option<CancelReason>>,
    decided: watch::Sender<u32>,
}

impl Fake {
    pub fn new(texts: &[&str]) -> Arc<Self> {
        Self::for_agent("default", texts)
    }

    pub fn for_agent(agent: &str, texts: &[&str]) -> Arc<Self> {
        let fake = Self {
            run: Mutex::new(new_run(agent)),
            log: Mutex::default(),
            events: Mutex::default(),
            steps: Mutex::default(),
            pending: Mutex::default(),
            fail_commit: Mutex::default(),
            stop_requested: AtomicBool::new(false),
            time: Mutex::new(Timestamp(0)),
            submitted: Mutex::default(),
            others: Mutex::default(),
            cancel: watch::channel(None).0,
            decided: watch::channel(0).0,
        };
        fake.append(texts.iter().map(|text| NewMessage::user(text)).collect());
        let last = fake.log.lock().len() as u64;
        fake.run.lock().input = vec![SeqRange { first: 1, last }];
        Arc::new(fake)
    }

    pub fn append(&self, messages: Vec<NewMessage>) -> Vec<LogMessage> {
        let run_id = self.run.lock().id.clone();
        let mut log = self.log.lock();
        let mut written = Vec::new();
        for message in messages {
            let seq = log.len() as u64 + 1;
            let id = MessageId::from(Uuid::from_u128(u128::from(seq)));
            let message: Message = message.named(|| id);
            let logged = LogMessage {
                seq,
                run_id: run_id.clone(),
                created_at: *self.time.lock(),
                message: message.into(),
            };
            log.push(logged.clone());
            written.push(logged);
        }
        written
    }

    /// Executes the run once more, as after a claim.
    pub async fn execute(self: &Arc<Self>, executor: &AgentExecutor) -> RunOutcome {
        let context = self.clone();
        executor.run(self.activation(), context).await
    }

    pub fn activation(&self) -> Activation {
        let mut run = self.run.lock();
        run.attempt += 1;
        run.status = RunStatus::Running;
        let node = NodeId::parse("node").unwrap();
        let claim = Claim { number: u64::from(run.attempt), node };
        Activation {
            claim: claim.clone(),
            thread_metadata: Arc::default(),
            run: Arc::new(run.clone()),
            dispatch: Arc::new(dispatch(&run, claim)),
            input: self.log.lock().clone(),
        }
    }

    pub fn cancel(&self, reason: CancelReason) {
        self.cancel.send_replace(Some(reason));
    }

    /// Decides a ticket, as a person would.
    pub fn decide(&self, call: &str, action: DecisionAction, result: Value, reason: Option<&str>) {
        let tool_call_id = ToolCallId::parse(call).unwrap();
        let reason = reason.map(str::to_owned);
        self.decide_with(Decision { result, reason, ..Decision::new(tool_call_id, action) });
    }

    /// Decides a ticket with all that a decision can say.
    pub fn decide_with(&self, decision: Decision) {
        let tool_call_id = decision.tool_call_id.clone();
        let mut run = self.run.lock();
        let ticket = run.tickets.iter_mut().find(|ticket| ticket.tool_call_id == tool_call_id);
        ticket.expect("the ticket is there").state =
            TicketState::Decided { decision: decision.into(), live: true };
        drop(run);
        self.decided.send_modify(|count| *count += 1);
    }

    /// Resolves when a ticket is open.
    pub async fn asked(&self) -> Ticket {
        loop {
            let open = self.run.lock().tickets.iter().find(|ticket| ticket.is_open()).cloned();
            match open {
                Some(ticket) => return ticket,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    pub fn event_names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.events.lock().iter().map(EventBody::type_name).collect();
        names.dedup();
        names
    }

    /// Role and text of the log, tool results as JSON.
    pub fn transcript(&self) -> Vec<(Role, String)> {
        let line = |logged: &LogMessage| {
            let message = &logged.message;
            let text = match message.role {
                Role::Tool => {
                    serde_json::to_value(&message.content).unwrap()[0]["output"].to_string()
                }
                _ => message.content.text(),
            };
            (message.role, text)
        };
        self.log.lock().iter().map(line).collect()
    }

    /// The text shown by deltas.
    pub fn shown(&self) -> String {
        let text = |event: &EventBody| match event {
            EventBody::TextDelta { text } => Some(text.clone()),
            _ => None,
        };
        self.events.lock().iter().filter_map(text).collect()
    }

    fn write(&self, step: Step) -> Result<Committed, ContextError> {
        let failing = self.fail_commit.lock().take();
        match failing {
            Some((0, error)) => return Err(error),
            Some((after, error)) => *self.fail_commit.lock() = Some((after - 1, error)),
            None => {}
        }
        self.steps.lock().push(step.clone());
        let written = self.append(step.messages);
        self.events.lock().extend(step.events);
        let taken = match step.take {
            Take::Nothing => Vec::new(),
            Take::NextStep | Take::NaturalEnd => {
                let pending = std::mem::take(&mut *self.pending.lock());
                self.append(pending)
            }
        };
        let mut run = self.run.lock();
        for decision in step.by_default {
            let mut tickets = run.tickets.iter_mut();
            let ticket = tickets.find(|ticket| ticket.tool_call_id == decision.tool_call_id);
            if let Some(ticket) = ticket.filter(|ticket| ticket.is_open()) {
                ticket.state = TicketState::Decided { decision: decision.into(), live: true };
            }
        }
        run.steps += step.steps;
        run.usage += step.usage;
        if step.state.is_some() {
            run.state = step.state;
        }
        if run.agent_version.is_none() {
            run.agent_version = step.agent_version;
        }
        let stop_requested = self.stop_requested.load(Ordering::SeqCst);
        Ok(Committed { written, taken, stop_requested })
    }

    /// Settles: what a store does with an outcome's last step.
    pub fn settle(&self, last: Step) {
        self.write(last).expect("the last step is written");
    }
}

#[async_trait]
impl RunContext for Fake {
    async fn emit(&self, event: EventBody) -> Result<(), ContextError> {
        self.events.lock().push(event);
        Ok(())
    }

    async fn commit(&self, step: Step) -> Result<Committed, ContextError> {
        self.write(step)
    }

    fn cancelled(&self) -> Cancel<'_> {
        let mut cancel = self.cancel.subscribe();
        Box::pin(async move {
            let reason = cancel.wait_for(Option::is_some).await;
            reason.ok().and_then(|reason| *reason).unwrap_or(CancelReason::Shutdown)
        })
    }

    fn is_cancelled(&self) -> Option<CancelReason> {
        *self.cancel.borrow()
    }

    async fn suspend(
        &self,
        step: Step,
        suspend: Suspend,
        patience: Duration,
    ) -> Result<Option<Vec<Decision>>, ContextError> {
        let patience = tokio::time::sleep(patience);
        tokio::pin!(patience);
        let mut decided = self.decided.subscribe();
        self.write(step)?;
        {
            let mut run = self.run.lock();
            for ticket in suspend.tickets {
                if run.ticket(&ticket.tool_call_id).is_none() {
                    run.tickets.push(ticket);
                }
            }
            run.status = RunStatus::Waiting { reason: suspend.reason, tasks: Vec::new() };
        }
        while self.run.lock().has_open_ticket() {
            tokio::select! {
                reason = self.cancelled() => return Err(ContextError::Cancelled(reason)),
                _ = decided.changed() => {}
                () = &mut patience => return Ok(None),
            }
        }
        let run = self.run.lock();
        Ok(Some(run.tickets.iter().filter_map(|ticket| ticket.decision().cloned()).collect()))
    }

    async fn decision(&self, id: &ToolCallId) -> Result<Option<Decision>, ContextError> {
        Ok(self.run.lock().ticket(id).and_then(|ticket| ticket.decision().cloned()))
    }

    async fn find_run(&self, id: &RunId) -> Result<Option<Run>, ContextError> {
        Ok(self.others.lock().get(id).cloned())
    }

    async fn submit(&self, thread_id: ThreadId, submit: Submit) -> Result<Submitted, ContextError> {
        let run_id = submit.run_id.clone().expect("a child has a name");
        let message_ids = submit.messages.iter().filter_map(|message| message.id.clone()).collect();
        self.submitted.lock().push((thread_id.clone(), submit));
        Ok(Submitted {
            thread_id,
            run_id,
            dispatch_id: None,
            status: SubmittedStatus::Queued,
            message_ids,
            replayed: false,
            event_seq_before: 0,
            claimed: None,
        })
    }

    async fn now(&self) -> Result<Timestamp, ContextError> {
        Ok(*self.time.lock())
    }

    async fn prompt(&self) -> Result<Vec<LogMessage>, ContextError> {
        Ok(self.log.lock().clone())
    }

    async fn spawn_background(
        &self,
        _task: std::pin::Pin<Box<dyn Future<Output = Option<NewMessage>> + Send>>,
    ) -> TaskId {
        TaskId::parse("task").unwrap()
    }
}

pub fn unavailable() -> ContextError {
    ContextError::Store(StoreError::Unavailable { reason: "the disk is full".into() })
}

fn new_run(agent: &str) -> Run {
    Run {
        id: RunId::parse("run").unwrap(),
        thread_id: ThreadId::parse("thread").unwrap(),
        tenant: TenantId::default(),
        agent_id: AgentId::parse(agent).unwrap(),
        agent_version: None,
        origin: Origin::User,
        parent_run_id: None,
        input: Vec::new(),
        spec: Arc::default(),
        status: RunStatus::Created,
        dispatch_id: None,
        tickets: Vec::new(),
        ended_tasks: Vec::new(),
        stop_requested: false,
        hidden: false,
        report: Report::None,
        state: None,
        output: None,
        error: None,
        usage: Usage::default(),
        steps: 0,
        attempt: 0,
        events_after: 0,
        created_at: Timestamp(0),
        started_at: None,
    }
}

fn dispatch(run: &Run, claim: Claim) -> Dispatch {
    Dispatch {
        id: Uuid::from_u128(7).into(),
        thread_id: run.thread_id.clone(),
        tenant: TenantId::default(),
        run_id: run.id.clone(),
        agent_id: run.agent_id.clone(),
        priority: Priority::default(),
        ordinal: 1,
        dedupe_key: None,
        epoch: Epoch::default(),
        status: DispatchStatus::Claimed { claim, lease_until: Timestamp(0) },
        available_at: Timestamp(0),
        attempt_count: run.attempt - 1,
        max_attempts: 5,
        last_error: None,
        attempt: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

/// An environment with these variables and no others.
pub fn env(variables: &[(&str, &str)]) -> postroom_agent::Env {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Arc::new(move |name| variables.get(name).cloned())
}

/// A registry's beginning, with an empty environment.
pub fn builder() -> postroom_agent::Builder {
    AgentRegistry::builder(env(&[]), Arc::new(FixedClock)).demo_word_pause(Duration::ZERO)
}

pub fn agent(model: &str, tools: &[&str]) -> AgentConfig {
    AgentConfig {
        system: Some("Be brief.".into()),
        tools: tools.iter().map(|tool| (*tool).into()).collect(),
        ..AgentConfig::new(model)
    }
}

pub fn one_agent(config: AgentConfig) -> BTreeMap<String, AgentConfig> {
    BTreeMap::from([("default".to_owned(), config)])
}

pub fn one_model(name: &str, config: ModelConfig) -> BTreeMap<String, ModelConfig> {
    BTreeMap::from([(name.to_owned(), config)])
}

pub fn executor(registry: AgentRegistry) -> AgentExecutor {
    AgentExecutor::new(Arc::new(Agents::new(registry)), Settings::default())
}

/// The default agent without any configuration.
pub fn demo_executor() -> AgentExecutor {
    executor(builder().build().unwrap())
}

/// The final text of a run that ended well.
pub fn output(outcome: RunOutcome) -> String {
    match outcome {
        RunOutcome::Completed { result, .. } if result.error.is_none() => {
            result.output.as_deref().unwrap_or_default().to_owned()
        }
        other => panic!("the run did not end well: {other:?}"),
    }
}
