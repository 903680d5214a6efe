//! The turn loop: ask the model, show what it says, call its tools, commit; until it has nothing
//! more to do, a limit ends it, or it has to wait.

mod ask;
mod calls;
mod children;
mod end;
mod show;
mod stand;
mod wait;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{Activation, Committed, RunResult, Step, Take};
use postroom_core::event::EventBody;
use postroom_core::id::ToolCallId;
use postroom_core::ports::{CancelReason, ContextError, RunContext, RunOutcome};
use postroom_core::run::{Reason, Run, Termination, Usage};
use postroom_core::ticket::{Decision, Ticket};
use serde_json::Value;
use tokio::time::Instant;

use crate::agent::Agent;
use crate::direct::DirectCall;
use crate::executor::Settings;
use crate::model::ToolSpec;
use crate::pin::Pin;
use crate::prompt::{Prompt, Tail};
use crate::reply::{self, Reply};
use crate::sender::derived;
use crate::window::Scale;

pub(crate) use end::Ended;

/// One execution of a run.
pub(crate) struct Turn {
    agent: Agent,
    run: Run,
    prompt: Prompt,
    context: Arc<dyn RunContext>,
    settings: Arc<Settings>,
    /// Tools that the client executes.
    frontend: Vec<ToolSpec>,
    /// The number of the claim.
    fence: u64,
    /// Steps that are committed, over the run's whole life.
    steps: u32,
    /// Tokens that were used, over the run's whole life.
    tokens: u64,
    /// The last words of this execution, for an end that the model did not choose.
    said: Option<String>,
    pin: Pin,
    pin_is_new: bool,
    /// Calls that an earlier attempt began and must not be made twice.
    begun_before: BTreeSet<ToolCallId>,
    /// The tickets that the run has raised.
    raised: HashSet<ToolCallId>,
    decisions: HashMap<ToolCallId, Decision>,
    /// The model's window, where it has shown to be smaller than it is said to be.
    window: Option<u64>,
    /// How the model's own count of tokens compares with our estimates.
    scale: Scale,
    /// What was used and is not written yet, besides the answers themselves.
    aside: Usage,
    /// When the execution began, less the time that the run has worked before.
    work_began: Instant,
    /// When the run has worked as long as it may.
    work_ends: Option<Instant>,
}

impl Turn {
    pub fn new(
        agent: Agent,
        activation: Activation,
        frontend: Vec<ToolSpec>,
        prompt: Prompt,
        context: Arc<dyn RunContext>,
        settings: Arc<Settings>,
    ) -> Self {
        let fence = activation.claim.number;
        let run = Arc::unwrap_or_clone(activation.run);
        let pinned = Pin::of(&run);
        let pin_is_new = pinned.is_none();
        let pin = pinned.unwrap_or_else(|| Pin::new(&agent, &run));
        let decision =
            |ticket: &Ticket| Some((ticket.tool_call_id.clone(), ticket.decision()?.clone()));
        let began = Instant::now();
        let worked = Duration::from_millis(pin.worked_ms.unwrap_or(0));
        let limit = agent.definition.limits.time_limit_ms.map(Duration::from_millis);
        Self {
            frontend,
            fence,
            steps: run.steps,
            tokens: run.usage.input_tokens.saturating_add(run.usage.output_tokens),
            said: None,
            begun_before: pin.started.clone(),
            raised: run.tickets.iter().map(|ticket| ticket.tool_call_id.clone()).collect(),
            decisions: run.tickets.iter().filter_map(decision).collect(),
            window: None,
            scale: Scale::default(),
            aside: Usage::default(),
            work_began: began.checked_sub(worked).unwrap_or(began),
            work_ends: limit.map(|limit| began + limit.saturating_sub(worked)),
            pin,
            pin_is_new,
            agent,
            run,
            prompt,
            context,
            settings,
        }
    }

    pub async fn drive(mut self) -> RunOutcome {
        match self.go_on().await {
            Ok(outcome) => outcome,
            Err(ended) => ended.into_outcome(),
        }
    }

    async fn go_on(&mut self) -> Result<RunOutcome, Ended> {
        if let Some(direct) = self.agent.direct.clone() {
            return self.call_directly(&direct).await;
        }
        // What an earlier attempt committed is not done again.
        match self.prompt.tail(&self.run) {
            Tail::Model => {}
            Tail::Calls(calls) => self.answer_calls(calls).await?,
            Tail::Final(text) => {
                let step = self.step();
                if let Some(outcome) = self.end_naturally(text, step).await? {
                    return Ok(outcome);
                }
            }
        }
        loop {
            self.check_limits()?;
            self.context.emit(EventBody::StepStarted { step: self.steps + 1 }).await?;
            let reply = self.ask().await?;
            if let Some(outcome) = self.cut_short(&reply) {
                return Ok(outcome);
            }
            if !reply.text.is_empty() {
                self.said = Some(reply.text.clone());
            }
            if reply.calls.is_empty() {
                let step = closing(self.steps + 1, self.step_with(&reply));
                if let Some(outcome) = self.end_naturally(reply.text, step).await? {
                    return Ok(outcome);
                }
                continue;
            }
            self.check_repetition(&reply)?;
            let step = self.step_with(&reply);
            // Committed before they are called: a crash in the middle of a tool does not ask the
            // model again, and a call keeps its id.
            self.commit(step).await?;
            self.answer_calls(reply.calls).await?;
        }
    }

    /// Calls the one tool that the run is about, and ends with its result.
    async fn call_directly(&mut self, direct: &DirectCall) -> Result<RunOutcome, Ended> {
        let call = direct.call(derived("call", &self.run.id, "direct").into());
        match self.prompt.tail(&self.run) {
            Tail::Calls(calls) => self.answer_calls(calls).await?,
            Tail::Model if self.prompt.result_of(&call.id).is_none() => {
                let mut step = self.step();
                step.messages.push(reply::calling(&call, self.steps + 1));
                self.commit(step).await?;
                self.answer_calls(vec![call.clone()]).await?;
            }
            Tail::Model | Tail::Final(_) => {}
        }
        Ok(match self.prompt.result_of(&call.id) {
            Some((output, is_error)) => direct_end(&output, is_error),
            None => RunOutcome::TransientError { error: "the call has no result".to_owned() },
        })
    }

    /// Commits the last word; `None` if something was said meanwhile, so that the run goes on.
    async fn end_naturally(
        &mut self,
        text: String,
        step: Step,
    ) -> Result<Option<RunOutcome>, Ended> {
        let committed = self.commit(Step { take: Take::NaturalEnd, ..step }).await?;
        if committed.takes_in {
            return Ok(None);
        }
        let output = Some(text).filter(|text| !text.is_empty());
        Ok(Some(RunOutcome::natural_end(output)))
    }

    /// Commits. A run that is asked to stop ends here.
    async fn commit(&mut self, step: Step) -> Result<Written, Ended> {
        let written = self.write(step).await?;
        if written.stop_requested {
            return Err(CancelReason::Requested.into());
        }
        Ok(written)
    }

    /// Commits, whether the run is asked to stop or not.
    async fn write(&mut self, step: Step) -> Result<Written, ContextError> {
        let (steps, usage) = (step.steps, step.usage);
        let Committed { written, taken, stop_requested } = self.context.commit(step).await?;
        self.steps += steps;
        self.tokens = self.tokens.saturating_add(usage.input_tokens + usage.output_tokens);
        self.prompt.extend(written);
        let takes_in = !taken.is_empty();
        self.prompt.extend(taken);
        Ok(Written { takes_in, stop_requested })
    }

    /// An empty step, with the run's state if that has changed.
    fn step(&mut self) -> Step {
        let mut step = Step::default();
        if std::mem::take(&mut self.pin_is_new) {
            step.agent_version = Some(self.pin.version.clone());
            step.state = self.pin.to_state();
        }
        step
    }

    /// A step with what the model has said.
    fn step_with(&mut self, reply: &Reply) -> Step {
        if self.pin.rate_limited > 0 {
            self.pin.rate_limited = 0;
            self.pin_is_new = true;
        }
        if !self.pin.started.is_empty() {
            self.pin.started.clear();
            self.pin_is_new = true;
        }
        if self.work_ends.is_some() {
            let worked = self.work_began.elapsed();
            self.pin.worked_ms = u64::try_from(worked.as_millis()).ok();
            self.pin_is_new = true;
        }
        let mut step = self.step();
        step.messages.push(reply.message(self.steps + 1));
        step.usage = self.usage_of(reply);
        step
    }

    /// What the answer cost, and what was used besides since the last one.
    fn usage_of(&mut self, reply: &Reply) -> Usage {
        let mut usage = reply.usage();
        usage += std::mem::take(&mut self.aside);
        usage
    }

    /// Resolves when the run has worked as long as it may.
    fn time_is_up(&self) -> impl Future<Output = ()> + Send + use<> {
        let ends = self.work_ends;
        async move {
            match ends {
                Some(ends) => tokio::time::sleep_until(ends).await,
                None => std::future::pending().await,
            }
        }
    }
}

/// `step`, with which the run's step of this number ends.
fn closing(number: u32, mut step: Step) -> Step {
    step.steps = 1;
    step.events.push(EventBody::StepFinished { step: number });
    step
}

/// The end of a run that is one call.
fn direct_end(output: &Value, is_error: bool) -> RunOutcome {
    let text = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
    if !is_error {
        return RunOutcome::natural_end(Some(text));
    }
    let termination = Termination::Error(Reason::new("tool_failed", text.as_str()));
    let result = RunResult { termination, output: None, error: Some(text.into()) };
    RunOutcome::Completed { last: Box::default(), result }
}

/// What a commit came to.
struct Written {
    /// Something was taken in.
    takes_in: bool,
    /// The run is asked to stop.
    stop_requested: bool,
}
