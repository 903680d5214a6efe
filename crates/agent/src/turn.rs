//! The turn loop: ask the model, show what it says, call its tools, commit; until it has nothing
//! more to do.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use postroom_core::command::{Committed, RunResult, Step, Take, Wait};
use postroom_core::event::EventBody;
use postroom_core::ports::{CancelReason, ContextError, RunContext, RunOutcome};
use postroom_core::run::{Reason, Run, Termination, Usage, WaitReason};
use tokio::time::Instant;

use crate::agent::Agent;
use crate::executor::Settings;
use crate::model::{ModelError, ModelRequest, Stop};
use crate::pin::Pin;
use crate::prompt::{Prompt, Tail};
use crate::reply::Reply;

/// A provider's short limits are waited out in place this often, for one answer.
const IN_PLACE_TRIES_MAX: u32 = 3;

/// The execution is over, sooner than the loop's end.
pub(crate) struct Ended(Box<RunOutcome>);

impl Ended {
    pub fn into_outcome(self) -> RunOutcome {
        *self.0
    }
}

impl From<RunOutcome> for Ended {
    fn from(outcome: RunOutcome) -> Self {
        Self(Box::new(outcome))
    }
}

impl From<CancelReason> for Ended {
    fn from(reason: CancelReason) -> Self {
        let outcome = match reason {
            CancelReason::Requested => RunOutcome::cancelled(),
            // Nothing can be written any more, so this is only what is said in passing.
            CancelReason::LeaseLost => transient("the claim of this execution is lost"),
            CancelReason::Shutdown => transient("the node is going down"),
        };
        outcome.into()
    }
}

impl From<ContextError> for Ended {
    fn from(error: ContextError) -> Self {
        match error {
            ContextError::ClaimLost => CancelReason::LeaseLost.into(),
            ContextError::Cancelled(reason) => reason.into(),
            ContextError::Store(error) if error.is_transient() => {
                transient(&error.to_string()).into()
            }
            ContextError::Store(error) => {
                let code = error.refusal().map_or("store_damaged", |refusal| refusal.code());
                RunOutcome::PermanentError { code: code.to_owned(), error: error.to_string() }
                    .into()
            }
        }
    }
}

fn transient(error: &str) -> RunOutcome {
    RunOutcome::TransientError { error: error.to_owned() }
}

/// Why an answer was not heard to its end.
enum Unheard {
    Cancelled(CancelReason),
    Failed(ModelError),
    Context(ContextError),
}

impl From<ModelError> for Unheard {
    fn from(error: ModelError) -> Self {
        Self::Failed(error)
    }
}

/// One execution of a run.
pub(crate) struct Turn {
    pub agent: Agent,
    pub run: Run,
    /// The number of the claim that this execution holds.
    pub fence: u64,
    pub prompt: Prompt,
    pub context: Arc<dyn RunContext>,
    pub settings: Arc<Settings>,
    /// Steps that are committed, over the run's whole life.
    pub steps: u32,
    /// The last words of this execution, for an end that the model did not choose.
    said: Option<String>,
    pin: Pin,
    pin_is_new: bool,
}

impl Turn {
    pub fn new(
        agent: Agent,
        run: Run,
        fence: u64,
        prompt: Prompt,
        context: Arc<dyn RunContext>,
        settings: Arc<Settings>,
    ) -> Self {
        let pinned = Pin::of(&run);
        let pin_is_new = pinned.is_none();
        let pin = pinned.unwrap_or_else(|| Pin::new(&agent));
        let steps = run.steps;
        Self { agent, run, fence, prompt, context, settings, steps, said: None, pin, pin_is_new }
    }

    pub async fn drive(mut self) -> RunOutcome {
        match self.go_on().await {
            Ok(outcome) => outcome,
            Err(ended) => ended.into_outcome(),
        }
    }

    async fn go_on(&mut self) -> Result<RunOutcome, Ended> {
        // What an earlier attempt committed is not done again.
        match self.prompt.tail(&self.run) {
            Tail::Model => {}
            Tail::Calls(calls) => self.call_tools(calls).await?,
            Tail::Final(text) => {
                let step = self.step();
                if let Some(outcome) = self.end_naturally(text, step).await? {
                    return Ok(outcome);
                }
            }
        }
        loop {
            if self.steps >= self.agent.definition.max_steps {
                return Ok(self.stopped_by_max_steps());
            }
            self.context.emit(EventBody::StepStarted { step: self.steps + 1 }).await?;
            let reply = self.ask().await?;
            if let Some(outcome) = self.cut_short(&reply) {
                return Ok(outcome);
            }
            if !reply.text.is_empty() {
                self.said = Some(reply.text.clone());
            }
            let mut step = self.step_with(&reply);
            if reply.calls.is_empty() {
                step.steps = 1;
                step.events.push(EventBody::StepFinished { step: self.steps + 1 });
                if let Some(outcome) = self.end_naturally(reply.text, step).await? {
                    return Ok(outcome);
                }
            } else {
                // Committed before they are called: a crash in the middle of a tool does not ask
                // the model again, and a call keeps its id.
                self.commit(step).await?;
                self.call_tools(reply.calls).await?;
            }
        }
    }

    /// Commits the last word; `None` if something was said meanwhile, so that the run goes on.
    async fn end_naturally(
        &mut self,
        text: String,
        step: Step,
    ) -> Result<Option<RunOutcome>, Ended> {
        let taken = self.commit(Step { take: Take::NaturalEnd, ..step }).await?;
        if taken {
            return Ok(None);
        }
        let output = Some(text).filter(|text| !text.is_empty());
        Ok(Some(RunOutcome::natural_end(output)))
    }

    /// Commits; answers whether anything was taken in.
    pub async fn commit(&mut self, step: Step) -> Result<bool, Ended> {
        let steps = step.steps;
        let Committed { written, taken, stop_requested } = self.context.commit(step).await?;
        self.steps += steps;
        self.prompt.extend(written);
        let any = !taken.is_empty();
        self.prompt.extend(taken);
        if stop_requested {
            return Err(CancelReason::Requested.into());
        }
        Ok(any)
    }

    /// An empty step, with the run's pin if that is not stored yet.
    pub fn step(&mut self) -> Step {
        let mut step = Step::default();
        if std::mem::take(&mut self.pin_is_new) {
            step.agent_version = Some(self.pin.version.clone());
            step.state = self.pin.to_state();
        }
        step
    }

    fn step_with(&mut self, reply: &Reply) -> Step {
        if self.pin.rate_limited > 0 {
            self.pin.rate_limited = 0;
            self.pin_is_new = true;
        }
        let mut step = self.step();
        step.messages.push(reply.message(self.steps + 1));
        step.usage = usage(reply);
        step
    }

    /// Asks the model until it has answered, or the run has to end without.
    async fn ask(&mut self) -> Result<Reply, Ended> {
        let mut tries = 0;
        loop {
            let mut reply = Reply::new(self.prompt.call_ids());
            match self.hear(&mut reply).await {
                Ok(()) => return Ok(reply),
                Err(Unheard::Context(error)) => return Err(error.into()),
                Err(Unheard::Cancelled(CancelReason::Requested)) => {
                    return Err(self.cancelled(&reply).into());
                }
                Err(Unheard::Cancelled(reason)) => return Err(reason.into()),
                Err(Unheard::Failed(error)) => {
                    let delay = retry_in_place(&error, &reply, &self.settings);
                    let Some(delay) = delay.filter(|_| tries < IN_PLACE_TRIES_MAX) else {
                        return Err(self.failed(error, &reply).await?.into());
                    };
                    tries += 1;
                    self.pause(&error, delay).await?;
                }
            }
        }
    }

    /// Hears one answer to its end and shows it while it comes.
    async fn hear(&self, reply: &mut Reply) -> Result<(), Unheard> {
        let asked = Instant::now();
        let model = &self.agent.model;
        let request = ModelRequest {
            system: self.agent.definition.system.clone(),
            messages: self.prompt.for_model(),
            tools: self.agent.tools.specs(),
            attempt: self.run.attempt,
        };
        let mut cancelled = self.context.cancelled();
        let mut stream = tokio::select! {
            biased;
            reason = &mut cancelled => return Err(Unheard::Cancelled(reason)),
            stream = model.stream(request) => stream?,
        };
        while reply.finished.is_none() {
            let event = tokio::select! {
                biased;
                reason = &mut cancelled => return Err(Unheard::Cancelled(reason)),
                event = stream.next() => event,
            };
            let Some(event) = event else {
                return Err(ModelError::transient("the model's answer ended in the middle").into());
            };
            if let Some(shown) = reply.take(event?)? {
                self.context.emit(shown).await.map_err(Unheard::Context)?;
            }
        }
        let event = EventBody::InferenceFinished {
            model: model.name().to_owned(),
            usage: usage(reply),
            duration_ms: u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        self.context.emit(event).await.map_err(Unheard::Context)
    }

    /// Waits a short limit out.
    async fn pause(&self, error: &ModelError, delay: Duration) -> Result<(), Ended> {
        let (code, message) = ("rate_limited".to_owned(), error.to_string());
        self.context.emit(EventBody::Error { code, message }).await?;
        tokio::select! {
            biased;
            reason = self.context.cancelled() => Err(reason.into()),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }

    /// What becomes of the run when the model gives no answer.
    async fn failed(&mut self, error: ModelError, reply: &Reply) -> Result<RunOutcome, Ended> {
        let message = error.to_string();
        match error {
            ModelError::Permanent { code, .. } => {
                let mut last = self.step();
                last.messages.extend(reply.partial(self.steps + 1));
                let code = code.to_owned();
                let event = EventBody::Error { code: code.clone(), message: message.clone() };
                self.context.emit(event).await?;
                let termination = Termination::Error(Reason::new(code, message.as_str()));
                let result = RunResult { termination, output: None, error: Some(message.into()) };
                Ok(RunOutcome::Completed { last: last.into(), result })
            }
            ModelError::Transient { retry_after: Some(delay), .. }
                if self.pin.rate_limited < self.settings.rate_limit_waits_max =>
            {
                // No attempt is lost over a limit that the provider says the end of.
                self.pin.rate_limited += 1;
                self.pin_is_new = true;
                let event = EventBody::Error { code: "rate_limited".to_owned(), message };
                self.context.emit(event).await?;
                let resume_in = Some(delay.min(self.settings.rate_limit_wait_max));
                let wait = Wait { resume_in, ..Wait::new(WaitReason::RateLimit) };
                Ok(RunOutcome::Waiting { last: self.step().into(), wait })
            }
            ModelError::Transient { .. } => Ok(RunOutcome::TransientError { error: message }),
        }
    }

    /// The end of a run that was cancelled while it was answering: what it said is kept.
    fn cancelled(&mut self, reply: &Reply) -> RunOutcome {
        let mut last = self.step();
        last.messages.extend(reply.partial(self.steps + 1));
        last.usage = usage(reply);
        RunOutcome::Completed { last: last.into(), result: RunResult::cancelled() }
    }

    /// The end of a run whose answer the model or its provider cut short.
    fn cut_short(&mut self, reply: &Reply) -> Option<RunOutcome> {
        let stop = reply.finished.as_ref().map(|finished| finished.stop).unwrap_or_default();
        let termination = match stop {
            Stop::Complete => return None,
            Stop::TooLong => Termination::Stopped(Reason::new(
                "max_tokens",
                "the answer reached the longest that the model gives",
            )),
            Stop::Filtered => Termination::Blocked(Reason::new(
                "content_filter",
                "the provider's content policy cut the answer off",
            )),
        };
        let mut last = self.step();
        last.messages.extend(reply.partial(self.steps + 1));
        last.usage = usage(reply);
        last.steps = 1;
        last.events.push(EventBody::StepFinished { step: self.steps + 1 });
        let output = Some(reply.text.as_str().into()).filter(|text: &Arc<str>| !text.is_empty());
        let result = RunResult { termination, output, error: None };
        Some(RunOutcome::Completed { last: last.into(), result })
    }

    fn stopped_by_max_steps(&mut self) -> RunOutcome {
        let max = self.agent.definition.max_steps;
        let message = format!("the run made {} steps, and {max} are allowed", self.steps);
        let termination = Termination::Stopped(Reason::new("max_steps", message));
        let output = self.said.take().map(Into::into);
        let result = RunResult { termination, output, error: None };
        RunOutcome::Completed { last: self.step().into(), result }
    }
}

fn usage(reply: &Reply) -> Usage {
    reply.finished.as_ref().map(|finished| finished.usage).unwrap_or_default()
}

/// How long to wait before the model is asked again without giving up the attempt; only if it has
/// said nothing yet, since what was shown can't be taken back.
fn retry_in_place(error: &ModelError, reply: &Reply, settings: &Settings) -> Option<Duration> {
    match error {
        ModelError::Transient { retry_after: Some(delay), .. }
            if reply.is_empty() && *delay <= settings.rate_limit_in_place_max =>
        {
            Some(*delay)
        }
        _ => None,
    }
}
