//! How a run ends: by itself, by a limit, cancelled, cut short, or failed.

use std::sync::Arc;

use postroom_core::command::{RunResult, Step, Wait};
use postroom_core::event::EventBody;
use postroom_core::message::{NewMessage, ToolCall};
use postroom_core::ports::{CancelReason, ContextError, RunOutcome};
use postroom_core::run::{Reason, Termination, WaitReason};

use super::{Turn, closing};
use crate::invoke::Output;
use crate::model::{ModelError, Stop};
use crate::output::result_message;
use crate::reply::Reply;

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

impl Turn {
    /// Ends the run where it has no steps, tokens or time left.
    pub(super) fn check_limits(&mut self) -> Result<(), Ended> {
        let max_steps = self.agent.definition.max_steps;
        if self.steps >= max_steps {
            let message = format!("the run made {} steps, and {max_steps} are allowed", self.steps);
            let last = self.step();
            return Err(self.stopped("max_steps", message, last).into());
        }
        if let Some(budget) = self.agent.definition.limits.token_budget
            && self.tokens >= budget
        {
            let message = format!("the run used {} tokens, and {budget} are allowed", self.tokens);
            let last = self.step();
            return Err(self.stopped("token_budget", message, last).into());
        }
        if self.work_ends.is_some_and(|ends| ends <= tokio::time::Instant::now()) {
            let last = self.step();
            return Err(self.out_of_time(last).into());
        }
        Ok(())
    }

    /// Ends a run that asks for the same again and again. The calls are not made.
    pub(super) fn check_repetition(&mut self, reply: &Reply) -> Result<(), Ended> {
        let max = self.agent.definition.limits.max_repeated_calls;
        let times = 1 + self.prompt.repetitions(&self.run, &reply.calls);
        if times < max {
            return Ok(());
        }
        let message = format!("the same calls were asked for {times} times in a row");
        let number = self.steps + 1;
        let mut last = self.step_with(reply);
        last.messages.extend(unmade(&reply.calls, number, &message));
        let last = closing(number, last);
        Err(self.stopped("repeated_calls", message, last).into())
    }

    /// The end of a run that has worked as long as it may.
    pub(super) fn out_of_time(&mut self, last: Step) -> RunOutcome {
        let limit = self.agent.definition.limits.time_limit_ms.unwrap_or_default();
        let message = format!("the run worked for the {limit} ms that are allowed");
        self.stopped("time_limit", message, last)
    }

    fn stopped(&mut self, code: &str, message: String, last: Step) -> RunOutcome {
        let termination = Termination::Stopped(Reason::new(code, message));
        let output = self.said.take().map(Into::into);
        let result = RunResult { termination, output, error: None };
        RunOutcome::Completed { last: last.into(), result }
    }

    /// The end of a run whose answer was broken off: what it said is kept.
    pub(super) fn partly(&mut self, reply: &Reply) -> Step {
        let mut last = self.step();
        last.messages.extend(reply.partial(self.steps + 1));
        last.usage = self.usage_of(reply);
        last
    }

    /// The end of a run that was cancelled while it was answering.
    pub(super) fn cancelled(&mut self, reply: &Reply) -> RunOutcome {
        let last = self.partly(reply);
        RunOutcome::Completed { last: last.into(), result: RunResult::cancelled() }
    }

    /// The end of a run that was cancelled among its calls: none is left without a result.
    pub(super) fn cancelled_among_calls(
        &mut self,
        results: Vec<NewMessage>,
        unanswered: &[ToolCall],
    ) -> RunOutcome {
        let mut last = self.step();
        last.messages = results;
        let why = "the run was cancelled before this call had a result";
        last.messages.extend(unmade(unanswered, self.steps + 1, why));
        let last = closing(self.steps + 1, last);
        RunOutcome::Completed { last: last.into(), result: RunResult::cancelled() }
    }

    /// The end of a run whose time was over among its calls.
    pub(super) fn out_of_time_among_calls(&mut self, unanswered: &[ToolCall]) -> RunOutcome {
        let mut last = self.step();
        let why = "the run's time was over before this call had a result";
        last.messages.extend(unmade(unanswered, self.steps + 1, why));
        let last = closing(self.steps + 1, last);
        self.out_of_time(last)
    }

    /// The end of a run whose answer the model or its provider cut short.
    pub(super) fn cut_short(&mut self, reply: &Reply) -> Option<RunOutcome> {
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
        let last = self.partly(reply);
        let last = closing(self.steps + 1, last);
        let output = Some(reply.text.as_str().into()).filter(|text: &Arc<str>| !text.is_empty());
        let result = RunResult { termination, output, error: None };
        Some(RunOutcome::Completed { last: last.into(), result })
    }

    /// What becomes of the run when the model gives no answer.
    pub(super) async fn failed(
        &mut self,
        error: ModelError,
        reply: &Reply,
    ) -> Result<RunOutcome, Ended> {
        let message = error.to_string();
        match error {
            ModelError::Permanent { code, .. } => {
                let last = self.partly(reply);
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
}

/// Results of calls that were not made, or not to their end: a call without a result makes every
/// later prompt one that providers refuse.
fn unmade(calls: &[ToolCall], step: u32, why: &str) -> Vec<NewMessage> {
    calls.iter().map(|call| result_message(call, Output::failed(why), step)).collect()
}
