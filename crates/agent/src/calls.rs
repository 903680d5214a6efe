//! Calling tools: those that need nobody's leave at once, the others once a person has decided.

use futures::future::join_all;
use postroom_core::command::{Step, Suspend, Take, Wait as DurableWait};
use postroom_core::event::EventBody;
use postroom_core::message::{Block, Content, Metadata, NewMessage, Role, ToolCall};
use postroom_core::ports::RunOutcome;
use postroom_core::run::WaitReason;
use postroom_core::ticket::{Decision, DecisionAction, Ticket};
use serde_json::json;

use crate::executor::Wait;
use crate::invoke::{Limits, Output, invoke};
use crate::prompt::{Prompt, STEP};
use crate::tool::ToolContext;
use crate::turn::{Ended, Turn};

impl Turn {
    /// Answers the calls of one message and commits the results.
    pub async fn call_tools(&mut self, calls: Vec<ToolCall>) -> Result<(), Ended> {
        let (asking, free): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|call| self.agent.asks_before(&call.name));
        let free = free.iter().map(|call| (call, None)).collect();
        let mut results = self.answer_all(free).await?;
        if !asking.is_empty() {
            let decisions = match self.known_decisions(&asking) {
                Some(decisions) => decisions,
                None => self.wait_for_decisions(&asking, std::mem::take(&mut results)).await?,
            };
            let decided = asking.iter().zip(decisions.into_iter().map(Some)).collect();
            results.extend(self.answer_all(decided).await?);
        }
        let mut step = self.step();
        step.messages = results;
        step.steps = 1;
        step.events.push(EventBody::StepFinished { step: self.steps + 1 });
        step.take = Take::NextStep;
        self.commit(step).await?;
        Ok(())
    }

    /// The decisions on all of `calls`, if all are there: the run was resumed after them.
    fn known_decisions(&self, calls: &[ToolCall]) -> Option<Vec<Decision>> {
        let decision = |call: &ToolCall| self.run.ticket(&call.id)?.decision().cloned();
        calls.iter().map(decision).collect()
    }

    /// Raises tickets for `calls`, commits `results` with them, and waits.
    async fn wait_for_decisions(
        &mut self,
        calls: &[ToolCall],
        results: Vec<NewMessage>,
    ) -> Result<Vec<Decision>, Ended> {
        let agent = &self.agent.definition.agent_id;
        let ticket = |call: &ToolCall| {
            let message = format!("May {agent} call {}?", call.name);
            Ticket::open(call.id.clone(), call.name.clone(), call.arguments.clone(), message)
        };
        let tickets = calls.iter().map(ticket).collect();
        let step = Step { messages: results, ..self.step() };
        let reason = WaitReason::ToolPermission;
        let lease = match self.settings.wait {
            Wait::InMemory { lease } => lease,
            Wait::Durably => {
                let wait = DurableWait { tickets, ..DurableWait::new(reason) };
                return Err(RunOutcome::Waiting { last: step.into(), wait }.into());
            }
        };
        let suspend = Suspend { reason, tickets, lease };
        // It ends by itself when the run is cancelled; dropped, it might lose a write under way.
        let decisions = self.context.suspend(step, suspend).await?;
        // The results that were written with the tickets, as the log has them.
        self.prompt = Prompt::new(self.context.prompt().await?);

        let mut ordered = Vec::with_capacity(calls.len());
        for call in calls {
            let given = decisions.iter().find(|decision| decision.tool_call_id == call.id).cloned();
            let decision = match given {
                Some(decision) => Some(decision),
                None => self.context.decision(&call.id).await?,
            };
            let undecided = || RunOutcome::TransientError {
                error: format!("the run was woken while tool call {} is undecided", call.id),
            };
            ordered.push(decision.ok_or_else(undecided)?);
        }
        Ok(ordered)
    }

    /// Answers calls side by side; the results are in the order of the calls.
    async fn answer_all(
        &self,
        calls: Vec<(&ToolCall, Option<Decision>)>,
    ) -> Result<Vec<NewMessage>, Ended> {
        let answers =
            join_all(calls.into_iter().map(|(call, decision)| self.answer(call, decision)));
        tokio::select! {
            biased;
            reason = self.context.cancelled() => Err(reason.into()),
            results = answers => results.into_iter().collect(),
        }
    }

    async fn answer(
        &self,
        call: &ToolCall,
        decision: Option<Decision>,
    ) -> Result<NewMessage, Ended> {
        let output = match decision {
            Some(decision) if decision.action == DecisionAction::Cancel => denied(&decision),
            Some(decision) if !decision.result.is_null() => {
                Output { value: decision.result, is_error: false }
            }
            _ => self.call_tool(call).await,
        };
        let output = output.bounded(self.settings.tool_output_bytes_max);
        let event = EventBody::ToolCallFinished {
            tool_call_id: call.id.clone(),
            output: output.value.clone(),
            is_error: output.is_error,
        };
        self.context.emit(event).await?;
        Ok(result_message(call, output, self.steps + 1))
    }

    async fn call_tool(&self, call: &ToolCall) -> Output {
        let Some(tool) = self.agent.tools.get(&call.name) else {
            let names: Vec<&str> = self.agent.tools.names().collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Output::failed(&format!(
                "there is no tool `{}`; the tools are: {names}",
                call.name
            ));
        };
        let context =
            ToolContext::new(call.id.clone(), &self.run, self.fence, self.context.clone());
        let output_bytes = self.settings.tool_output_bytes_max;
        let limits = Limits { output_bytes, ..Limits::default() };
        invoke(tool, call, context, &limits).await
    }
}

fn denied(decision: &Decision) -> Output {
    let mut value = json!({"error": "a person did not allow this call", "denied": true});
    if let Some(reason) = &decision.reason {
        value["reason"] = reason.as_str().into();
    }
    Output { value, is_error: true }
}

fn result_message(call: &ToolCall, output: Output, step: u32) -> NewMessage {
    let block = Block::ToolResult {
        tool_call_id: call.id.clone(),
        output: output.value,
        is_error: output.is_error,
    };
    let mut metadata = Metadata::new();
    metadata.insert(STEP.into(), step.into());
    NewMessage {
        content: Content::Blocks(vec![block]),
        metadata,
        ..NewMessage::text(Role::Tool, "")
    }
}
