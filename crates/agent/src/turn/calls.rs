//! Answering the calls of one message: what can be done is done side by side, and each result is
//! committed when it is there; then the run waits for what it must.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use postroom_core::command::{Step, Take};
use postroom_core::event::EventBody;
use postroom_core::message::{NewMessage, ToolCall};
use postroom_core::ports::CancelReason;
use serde_json::Value;

use super::end::Ended;
use super::stand::{Blocked, Stand};
use super::{Turn, closing};
use crate::invoke::Output;
use crate::invoke::{CallLimits, invoke};
use crate::output::result_message;
use crate::tool::{ToolContext, ToolEntry};
use crate::trace;

/// A call that can be answered now.
pub(super) struct Ready {
    pub call: ToolCall,
    pub job: Job,
}

/// What answers a call.
pub(super) enum Job {
    /// The answer is known.
    Known(Output),
    /// The tool is called, with these arguments.
    Call(ToolEntry, Value),
}

impl Turn {
    /// Answers all calls of a message.
    pub(super) async fn answer_calls(&mut self, calls: Vec<ToolCall>) -> Result<(), Ended> {
        let mut open = calls;
        loop {
            let mut ready = Vec::new();
            let mut blocked: Vec<Blocked> = Vec::new();
            for call in open {
                match self.stand(&call).await? {
                    Stand::Ready(job) => ready.push(Ready { call, job }),
                    Stand::Blocked(by) => blocked.push(Blocked { call, by }),
                }
            }
            let waiting: Vec<ToolCall> =
                blocked.iter().map(|blocked| blocked.call.clone()).collect();
            if !ready.is_empty() {
                self.note_begun(&ready).await?;
                self.work(ready, &waiting).await?;
            }
            if blocked.is_empty() {
                return Ok(());
            }
            self.wait_for(blocked).await?;
            open = waiting;
        }
    }

    /// Notes the calls that must not be made twice, before they are made.
    async fn note_begun(&mut self, ready: &[Ready]) -> Result<(), Ended> {
        let once_only = ready.iter().filter(|ready| match &ready.job {
            Job::Call(tool, _) => !tool.repeatable(),
            Job::Known(_) => false,
        });
        let begun: BTreeSet<_> = once_only.map(|ready| ready.call.id.clone()).collect();
        if begun.is_subset(&self.pin.started) {
            return Ok(());
        }
        self.pin.started.extend(begun);
        self.pin_is_new = true;
        let step = self.step();
        self.commit(step).await?;
        Ok(())
    }

    /// Does what is ready. The step ends with the last result, unless others are `waiting`.
    async fn work(&mut self, ready: Vec<Ready>, waiting: &[ToolCall]) -> Result<(), Ended> {
        let mut unanswered: Vec<ToolCall> = ready.iter().map(|ready| ready.call.clone()).collect();
        unanswered.extend_from_slice(waiting);
        let at_once = self.agent.definition.limits.parallel_calls.max(1);
        let jobs: Vec<_> = ready.into_iter().map(|ready| self.job(ready)).collect();
        let mut jobs = stream::iter(jobs).buffer_unordered(at_once);
        let mut stopping = false;
        // What came of calls once the run is asked to stop goes with its end.
        let mut last_results = Vec::new();
        let context = self.context.clone();
        loop {
            let done = tokio::select! {
                biased;
                reason = context.cancelled(), if !stopping => match reason {
                    // Tools hear of it too, and have a moment to end well.
                    CancelReason::Requested => {
                        stopping = true;
                        continue;
                    }
                    reason => return Err(reason.into()),
                },
                () = self.time_is_up(), if !stopping => {
                    return Err(self.out_of_time_among_calls(&unanswered).into());
                }
                done = jobs.next() => done,
            };
            let Some(first) = done else { break };
            // Results that are there together are committed together.
            let mut results = vec![first];
            while let Some(Some(more)) = jobs.next().now_or_never() {
                results.push(more);
            }
            let messages = self.show(results, &mut unanswered).await?;
            if stopping {
                last_results.extend(messages);
                continue;
            }
            let mut step = Step { messages, ..self.step() };
            if unanswered.is_empty() {
                step = closing(self.steps + 1, step);
                step.take = Take::NextStep;
            }
            if self.write(step).await?.stop_requested {
                if unanswered.is_empty() {
                    return Err(CancelReason::Requested.into());
                }
                stopping = true;
            }
        }
        if stopping {
            return Err(self.cancelled_among_calls(last_results, &unanswered).into());
        }
        Ok(())
    }

    /// Shows that the calls are answered; gives the messages that say so.
    async fn show(
        &self,
        results: Vec<(ToolCall, Output)>,
        unanswered: &mut Vec<ToolCall>,
    ) -> Result<Vec<NewMessage>, Ended> {
        let mut messages = Vec::with_capacity(results.len());
        for (call, output) in results {
            unanswered.retain(|other| other.id != call.id);
            let event = EventBody::ToolCallFinished {
                tool_call_id: call.id.clone(),
                output: output.value.clone(),
                is_error: output.is_error,
            };
            self.context.emit(event).await?;
            messages.push(result_message(&call, output, self.steps + 1));
        }
        Ok(messages)
    }

    /// The work on one call, which holds nothing of the turn.
    fn job(&self, ready: Ready) -> impl Future<Output = (ToolCall, Output)> + Send + use<> {
        let (run, fence) = (&self.run, self.fence);
        let context = ToolContext::new(ready.call.id.clone(), run, fence, self.context.clone());
        let limits = &self.agent.definition.limits;
        let limits = CallLimits {
            time: Duration::from_millis(limits.tool_timeout_ms),
            output_bytes: limits.tool_output_bytes,
            ..CallLimits::default()
        };
        let within = self.context.span();
        async move {
            let Ready { call, job } = ready;
            let output = match job {
                Job::Known(output) => output,
                Job::Call(tool, arguments) => {
                    let asked = ToolCall { arguments, ..call.clone() };
                    let span =
                        trace::tool_call(&within, &call, &context.thread_id, &context.agent_id);
                    let context = context.within(span.clone());
                    let output = invoke(&tool, &asked, context, &limits).await;
                    if output.is_error {
                        span.fail("tool_error");
                    }
                    span.end();
                    output
                }
            };
            (call, output)
        }
    }
}
