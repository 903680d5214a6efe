//! Playing a plan: stage by stage, from where the last committed state says.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{
    Activation, Committed, Mode, RunResult, Step, Submit, Suspend, Take, Wait,
};
use postroom_core::error::StoreError;
use postroom_core::event::EventBody;
use postroom_core::id::{MessageId, RunId, TaskId, ThreadId, ToolCallId};
use postroom_core::message::{NewMessage, Role};
use postroom_core::ports::{CancelReason, ContextError, RunContext, RunOutcome};
use postroom_core::report::{ReportAs, ReportTo};
use postroom_core::run::{AgentState, Origin, Reason, RunSpec, Termination, Usage, WaitReason};
use postroom_core::ticket::Ticket;
use postroom_service::Postroom;
use serde_json::{Value, json};

use super::attempt::Entry;
use super::plan::{Ending, Stage, Temper, Then};
use crate::letters::text_of;
use crate::world::pause;

/// How long an attempt waits in memory for a decision before it gives up its executor.
const PATIENCE: Duration = Duration::from_secs(3);

/// One attempt at a plan.
struct Player<'e> {
    entry: &'e Entry,
    run_id: RunId,
    context: Arc<dyn RunContext>,
    postroom: Option<&'e Postroom>,
}

/// Plays the plan to an outcome.
pub(super) async fn play(
    entry: &Entry,
    activation: Activation,
    context: Arc<dyn RunContext>,
    postroom: Option<&Postroom>,
) -> RunOutcome {
    let player = Player { entry, run_id: activation.run.id.clone(), context, postroom };
    match player.play(&activation).await {
        Ok(outcome) => outcome,
        Err(ContextError::Cancelled(_)) => {
            entry.world.mark("executor cancelled");
            RunOutcome::cancelled()
        }
        Err(error) => player.fails(&error.to_string()),
    }
}

impl Player<'_> {
    async fn play(&self, activation: &Activation) -> Result<RunOutcome, ContextError> {
        let plan = &self.entry.plan;
        let world = &self.entry.world;
        match plan.temper {
            Temper::Hasty => return Ok(RunOutcome::natural_end(None)),
            Temper::Impossible => {
                world.mark("executor failed for good");
                let (code, error) = ("unknown_agent".to_owned(), "nobody can".to_owned());
                return Ok(RunOutcome::PermanentError { code, error });
            }
            _ => {}
        }
        self.read().await?;
        let from = self.stage_of(activation);
        for (number, stage) in plan.stages.iter().enumerate().skip(from) {
            self.rest(stage.takes / 2).await?;
            self.go_wrong();
            if self.is_to_fail() {
                return Ok(self.fails("as planned"));
            }
            if let Some(outcome) = self.stage(number, stage).await? {
                return Ok(outcome);
            }
        }
        if self.is_to_fail() {
            return Ok(self.fails("as planned"));
        }
        self.end().await
    }

    /// Reads the prompt, which shows the run all that is its own.
    async fn read(&self) -> Result<(), ContextError> {
        let prompt = self.context.prompt().await?;
        self.entry.reads();
        self.entry.given(prompt.into_iter().map(|row| row.message.id.clone()));
        Ok(())
    }

    /// How far the run has come. What a commit has confirmed stays.
    fn stage_of(&self, activation: &Activation) -> usize {
        let saved: Value = activation
            .run
            .state
            .as_ref()
            .and_then(|state| serde_json::from_str(state.as_json()).ok())
            .unwrap_or_default();
        // A new run inherits the state of the one before, which says nothing about this one.
        let own = saved["run"] == json!(self.run_id.to_string());
        let stage = if own { saved["stage"].as_u64().unwrap_or(0) } else { 0 };
        let stage = usize::try_from(stage).unwrap_or(0);
        let mut ledger = self.entry.world.ledger.lock();
        if let Some(book) = ledger.run_of(self.entry.number)
            && stage < book.stage
        {
            let confirmed = book.stage;
            let facts = format!("run {} is at {stage}, after {confirmed}", self.run_id);
            drop(ledger);
            self.entry.world.broken(1, facts);
        }
        stage
    }

    async fn stage(
        &self,
        number: usize,
        stage: &Stage,
    ) -> Result<Option<RunOutcome>, ContextError> {
        for delta in 0..stage.deltas {
            let text = format!("{delta} ");
            self.stubbornly(self.context.emit(EventBody::TextDelta { text }).await)?;
            self.rest(stage.takes / 12).await?;
        }
        match stage.then {
            Then::GoOn => {}
            Then::Background => {
                self.background().await;
            }
            Then::Forsake => {
                self.start_child(number, ReportAs::Task { run_id: self.run_id.clone() }).await?;
            }
            Then::SendOff => {
                self.start_child(number, ReportAs::Message).await?;
            }
            Then::Delegate => {
                let form = ReportAs::Task { run_id: self.run_id.clone() };
                let child = self.start_child(number, form).await?;
                self.entry.world.mark("executor waited: child");
                let mut wait = Wait::new(WaitReason::BackgroundTasks);
                wait.tasks = vec![TaskId::of_run(&child)];
                let last = Box::new(self.step(number, Take::Nothing));
                return Ok(Some(RunOutcome::Waiting { last, wait }));
            }
            Then::Suspend => {
                let call = self.call(number);
                if self.context.decision(&call).await?.is_none() {
                    self.entry.world.mark("executor suspended");
                    let lease = Duration::from_millis(self.suspended_lease_ms());
                    let tickets = vec![ticket(call)];
                    let reason = WaitReason::ToolPermission;
                    let suspend = Suspend { reason, tickets: tickets.clone(), lease };
                    let decided = self.context.suspend(Step::default(), suspend, PATIENCE).await?;
                    if decided.is_none() {
                        self.entry.world.mark("executor parked");
                        let wait = Wait { tickets, ..Wait::new(reason) };
                        return Ok(Some(RunOutcome::Waiting { last: Box::default(), wait }));
                    }
                }
            }
            Then::Wait(reason) => {
                if let Some(outcome) = self.wait(number, reason).await? {
                    return Ok(Some(outcome));
                }
            }
        }
        let take = if stage.listens { Take::NextStep } else { Take::Nothing };
        let taken = self.commit(number + 1, self.step(number, take)).await?;
        if taken > 0 {
            self.entry.world.mark("steering taken at a step");
        }
        Ok(None)
    }

    /// Gives up the executor, unless what the run waits for has happened already.
    async fn wait(
        &self,
        number: usize,
        reason: WaitReason,
    ) -> Result<Option<RunOutcome>, ContextError> {
        let mut wait = Wait::new(reason);
        // A wait for permission comes back to this stage, any other goes on with the next.
        let mut last = self.step(number, Take::Nothing);
        let word = match reason {
            WaitReason::ToolPermission => {
                let call = self.call(number);
                if self.context.decision(&call).await?.is_some() {
                    return Ok(None);
                }
                wait.tickets = vec![ticket(call)];
                last = Step::default();
                "executor waited: tool_permission"
            }
            WaitReason::BackgroundTasks => {
                wait.tasks = vec![self.background().await];
                "executor waited: background_tasks"
            }
            WaitReason::RateLimit => {
                wait.resume_in = Some(self.entry.world.chance.millis(0..20_000));
                "executor waited: rate_limit"
            }
            WaitReason::UserInput => "executor waited: user_input",
            WaitReason::ExternalEvent => "executor waited: external_event",
            WaitReason::ManualPause => "executor waited: manual_pause",
        };
        self.entry.world.mark(word);
        Ok(Some(RunOutcome::Waiting { last: Box::new(last), wait }))
    }

    /// Starts a task that outlives this attempt, perhaps.
    async fn background(&self) -> TaskId {
        let world = self.entry.world.clone();
        world.mark("background task started");
        let takes = world.chance.millis(0..30_000);
        let says = world.chance.one_in(2);
        let thread_id = world.ledger.lock().attempts[self.entry.number].thread_id.clone();
        let there = world.clone();
        let id = self
            .context
            .spawn_background(Box::pin(async move {
                pause(takes).await;
                there.mark("background task ended");
                says.then(|| {
                    let token = there.letters.lock().write(&thread_id, usize::MAX, None);
                    NewMessage::user(&text_of(token, "from a task"))
                })
            }))
            .await;
        world.ledger.lock().tasks.insert(id.clone());
        id
    }

    /// Starts a run of its own thread. A later attempt names it the same, and starts it once.
    async fn start_child(&self, number: usize, as_: ReportAs) -> Result<RunId, ContextError> {
        let world = &self.entry.world;
        let name = format!("{}/child {number}", self.run_id);
        let run_id = RunId::parse(&name).expect("an id");
        let thread_id = ThreadId::parse(&name).expect("an id");
        let own_thread = world.ledger.lock().attempts[self.entry.number].thread_id.clone();
        if matches!(as_, ReportAs::Task { .. }) {
            world.mark("child started as a task");
            self.context.commit(Step { has_children: true, ..Step::default() }).await?;
        } else {
            world.mark("child started to send a message");
        }
        let message = NewMessage { id: MessageId::parse(&name).ok(), ..NewMessage::user("begin") };
        let report_to = Some(ReportTo { thread_id: own_thread.clone(), as_ });
        let mut submit = Submit::new(Mode::Enqueue, vec![message]);
        submit.run_id = Some(run_id.clone());
        submit.parent_run_id = Some(self.run_id.clone());
        submit.parent_thread_id = Some(own_thread);
        submit.origin = Origin::A2a;
        submit.max_attempts = u32::try_from(world.chance.number(1..4)).unwrap_or(1);
        submit.spec = Arc::new(RunSpec { report_to, ..RunSpec::default() });
        let unavailable = |reason: String| ContextError::Store(StoreError::Unavailable { reason });
        let postroom = self.postroom.ok_or_else(|| unavailable("no service".to_owned()))?;
        match postroom.submit(Some(thread_id), submit).await {
            Ok(_) => Ok(run_id),
            Err(error) => Err(unavailable(error.to_string())),
        }
    }

    async fn end(&self) -> Result<RunOutcome, ContextError> {
        let stages = self.entry.plan.stages.len();
        let mut looks = self.entry.plan.looks_before_end;
        while looks {
            // It says nothing about how far the run is.
            let step = Step { take: Take::NaturalEnd, ..Step::default() };
            looks = self.commit(0, step).await? > 0;
            if looks {
                self.entry.world.mark("steering taken at the end");
                self.rest(Duration::from_millis(20)).await?;
            }
        }
        let termination = match self.entry.plan.ending {
            Ending::Natural => Termination::NaturalEnd,
            Ending::Stopped => Termination::Stopped(Reason::new("max_steps", "enough")),
        };
        let result = RunResult { termination, output: Some("done".into()), error: None };
        let last = Box::new(self.step(stages, Take::Nothing));
        Ok(RunOutcome::Completed { last, result })
    }

    /// Commits; says how many messages were taken in.
    async fn commit(&self, stage: usize, step: Step) -> Result<usize, ContextError> {
        let ids: Vec<MessageId> =
            step.messages.iter().filter_map(|message| message.id.clone()).collect();
        let answer = self.context.commit(step).await;
        if let Err(ContextError::Store(_)) = &answer {
            self.entry.world.mark("commit answer lost");
        }
        let Some(Committed { taken, .. }) = self.stubbornly(answer)? else { return Ok(0) };
        self.entry.confirmed(stage, ids);
        let count = taken.len();
        self.entry.given(taken.into_iter().map(|row| row.message.id.clone()));
        Ok(count)
    }

    /// A stubborn run goes on although the store has failed.
    fn stubbornly<T>(&self, answer: Result<T, ContextError>) -> Result<Option<T>, ContextError> {
        match answer {
            Err(ContextError::Store(_)) if self.entry.plan.temper == Temper::Stubborn => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// What stage `number` writes. Its message has the same id in every attempt.
    fn step(&self, number: usize, take: Take) -> Step {
        let id = MessageId::parse(&format!("{}/{number}", self.run_id)).expect("an id");
        let said = NewMessage { id: Some(id), ..NewMessage::text(Role::Assistant, "said") };
        let state = json!({ "run": self.run_id.to_string(), "stage": number + 1 });
        Step {
            messages: vec![said],
            events: vec![EventBody::StepFinished { step: 1 }],
            state: AgentState::from_json(state.to_string()).ok(),
            usage: Usage { input_tokens: 1, output_tokens: 1, ..Usage::default() },
            steps: 1,
            take,
            ..Step::default()
        }
    }

    fn call(&self, number: usize) -> ToolCallId {
        ToolCallId::parse(&format!("{}/{number}", self.run_id)).expect("an id")
    }

    fn suspended_lease_ms(&self) -> u64 {
        self.entry.world.shape.config.mailbox.suspended_lease_ms
    }

    /// Works for a while, and listens meanwhile whether it shall stop.
    async fn rest(&self, time: Duration) -> Result<(), ContextError> {
        if self.entry.plan.temper == Temper::Deaf {
            pause(time + Duration::from_millis(500)).await;
            if self.context.is_cancelled() == Some(CancelReason::Requested) {
                self.entry.world.mark("executor ignored a cancel");
            }
            return Ok(());
        }
        tokio::select! {
            biased;
            reason = self.context.cancelled() => Err(ContextError::Cancelled(reason)),
            () = pause(time) => Ok(()),
        }
    }

    fn is_to_fail(&self) -> bool {
        match self.entry.plan.temper {
            Temper::Flaky(times) => self.entry.turn <= times,
            Temper::Poison => true,
            _ => false,
        }
    }

    fn go_wrong(&self) {
        if matches!(self.entry.plan.temper, Temper::Nervous(times) if self.entry.turn <= times) {
            self.entry.world.mark("executor panicked");
            // Not `panic!`: nobody needs to read of it.
            resume_unwind(Box::new("as planned"));
        }
    }

    fn fails(&self, error: &str) -> RunOutcome {
        self.entry.world.mark("executor failed for now");
        RunOutcome::TransientError { error: error.to_owned() }
    }
}

fn ticket(call: ToolCallId) -> Ticket {
    Ticket::open(call, "tool".to_owned(), json!({}), "may I?".to_owned())
}
