//! Runs that this one starts: an agent that it gives a task to, and work in the background.
//!
//! A child's ids are made of its parent's and the call's, so that an attempt after a crash finds the
//! child that an earlier one has started, and starts none beside it.

use std::sync::Arc;

use postroom_core::command::{Mode, Step, Submit};
use postroom_core::id::{AgentId, RunId, ThreadId, ToolCallId};
use postroom_core::message::{NewMessage, ToolCall};
use postroom_core::ports::ContextError;
use postroom_core::report::{ReportAs, ReportTo};
use postroom_core::run::{Origin, Run, RunSpec, RunStatus, Termination};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Turn;
use super::end::Ended;
use super::stand::{Block, Stand};
use crate::abilities::{Ability, DELEGATE};
use crate::direct::DirectCall;
use crate::invoke::Output;
use crate::sender::{derived, sender};
use crate::tool::read_arguments;
use crate::trace;

/// Metadata key of a run that another run has asked for: how many are above it.
const DEPTH: &str = "depth";

/// A run to start.
struct Child {
    thread_id: ThreadId,
    run_id: RunId,
    agent_id: AgentId,
    text: String,
    spec: RunSpec,
}

impl Turn {
    /// A delegation is answered by the child's end.
    pub(super) async fn stand_of_delegation(
        &mut self,
        call: &ToolCall,
        agent: &AgentId,
        arguments: Value,
    ) -> Result<Stand, Ended> {
        let child_id = child_run_id(&self.run.id, &call.id);
        if let Some(child) = self.context.find_run(&child_id).await? {
            return Ok(match result_of(&child) {
                Some(output) => Stand::known(output),
                None => Stand::Blocked(Block::Run(child_id)),
            });
        }
        let task: Task = match read_arguments(arguments) {
            Ok(task) => task,
            Err(error) => return Ok(Stand::failed(&error.to_string())),
        };
        // Said before there is a child: whatever becomes of this run, its children are looked after.
        let step = Step { has_children: true, ..self.step() };
        self.commit(step).await?;
        let spec = RunSpec { report_to: Some(self.told_as_task()), ..RunSpec::default() };
        match self.start_child(call, agent.clone(), task.task, spec).await? {
            Ok(child) => Ok(Stand::Blocked(Block::Run(child.run_id))),
            Err(refused) => Ok(Stand::failed(&refused)),
        }
    }

    /// Background work is started, and that is the answer.
    pub(super) async fn stand_of_background(
        &mut self,
        call: &ToolCall,
        arguments: Value,
    ) -> Result<Stand, Ended> {
        let work: Work = match read_arguments(arguments) {
            Ok(work) => work,
            Err(error) => return Ok(Stand::failed(&error.to_string())),
        };
        let mut spec = RunSpec { report_to: Some(self.told_as_message()), ..RunSpec::default() };
        let (agent, text) = match work {
            Work { tool: Some(tool), arguments, agent: None, task: None } => {
                if self.agent.tools.get(&tool).is_none() {
                    return Ok(Stand::failed(&self.unknown_tool(&tool)));
                }
                let text = format!("Call {tool} with {arguments}.");
                spec.overrides = DirectCall { tool, arguments }.as_overrides();
                (self.run.agent_id.clone(), text)
            }
            Work { agent: Some(agent), task: Some(task), tool: None, arguments: Value::Null } => {
                match self.agent.abilities.get(&format!("{DELEGATE}{agent}")) {
                    Some(Ability::Delegate(agent)) => (agent.clone(), task),
                    _ => {
                        return Ok(Stand::failed(
                            &self.unknown_tool(&format!("{DELEGATE}{agent}")),
                        ));
                    }
                }
            }
            _ => {
                let help = "give either `tool` and its `arguments`, or `agent` and `task`";
                return Ok(Stand::failed(help));
            }
        };
        match self.start_child(call, agent, text, spec).await? {
            Ok(child) => Ok(Stand::known(Output::well(json!({
                "started": true,
                "run_id": child.run_id,
                "thread_id": child.thread_id,
            })))),
            Err(refused) => Ok(Stand::failed(&refused)),
        }
    }

    /// The run waits for the child.
    fn told_as_task(&self) -> ReportTo {
        let as_ = ReportAs::Task { run_id: self.run.id.clone() };
        ReportTo { thread_id: self.run.thread_id.clone(), as_ }
    }

    /// The thread is told, whatever has become of the run.
    fn told_as_message(&self) -> ReportTo {
        ReportTo { thread_id: self.run.thread_id.clone(), as_: ReportAs::Message }
    }

    /// Starts a child, or finds that an earlier attempt has; says why not, for the model.
    async fn start_child(
        &self,
        call: &ToolCall,
        agent_id: AgentId,
        text: String,
        mut spec: RunSpec,
    ) -> Result<Result<Child, String>, Ended> {
        let depth = 1 + self.run.spec.metadata.get(DEPTH).and_then(Value::as_u64).unwrap_or(0);
        let deepest = u64::from(self.agent.definition.limits.max_depth);
        if depth > deepest {
            return Ok(Err(format!(
                "agents may delegate {deepest} levels deep, and this is the last"
            )));
        }
        spec.metadata.insert(DEPTH.to_owned(), depth.into());
        // The call itself is over once the child is accepted; what the child does is below it.
        let Run { thread_id, agent_id: own, .. } = &self.run;
        let span = trace::tool_call(&self.context.span(), call, thread_id, own);
        spec.trace = span.place();
        let child = Child {
            thread_id: derived("thread", &self.run.id, &call.id).into(),
            run_id: child_run_id(&self.run.id, &call.id),
            agent_id,
            text,
            spec,
        };
        let submit = self.submission(call, &child);
        match self.context.submit(child.thread_id.clone(), submit).await {
            Ok(_) => Ok(Ok(child)),
            Err(ContextError::Store(error)) if error.refusal().is_some() => {
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn submission(&self, call: &ToolCall, child: &Child) -> Submit {
        let message = NewMessage {
            id: Some(derived("message", &self.run.id, &call.id).into()),
            metadata: sender(&self.run.agent_id, &self.run.thread_id, &self.run.id),
            ..NewMessage::user(&child.text)
        };
        Submit {
            agent_id: Some(child.agent_id.clone()),
            run_id: Some(child.run_id.clone()),
            parent_run_id: Some(self.run.id.clone()),
            parent_thread_id: Some(self.run.thread_id.clone()),
            origin: Origin::A2a,
            spec: Arc::new(child.spec.clone()),
            ..Submit::new(Mode::Enqueue, vec![message])
        }
    }
}

fn child_run_id(run_id: &RunId, call_id: &ToolCallId) -> RunId {
    derived("run", run_id, call_id).into()
}

/// What the end of a child is to the call that asked for it; `None` while it has not ended.
fn result_of(child: &Run) -> Option<Output> {
    let RunStatus::Done { termination, .. } = &child.status else { return None };
    let output = child.output.as_deref().unwrap_or_default();
    if *termination == Termination::NaturalEnd {
        return Some(Output::well(output.into()));
    }
    let mut value = json!({"error": format!("the agent's run ended as {}", termination.as_str())});
    if let Some(reason) = termination.reason() {
        value["reason"] = reason.message.as_str().into();
    }
    if !output.is_empty() {
        value["output"] = output.into();
    }
    Some(Output { value, is_error: true })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    task: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Work {
    tool: Option<String>,
    #[serde(default)]
    arguments: Value,
    agent: Option<String>,
    task: Option<String>,
}
