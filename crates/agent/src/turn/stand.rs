//! Where a call stands: it can be answered now, or something must happen first.

use std::time::Duration;

use postroom_core::id::{RunId, ToolCallId};
use postroom_core::message::ToolCall;
use postroom_core::run::WaitReason;
use postroom_core::ticket::{Decision, DecisionAction, Ticket};
use postroom_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Turn;
use super::calls::Job;
use super::end::Ended;
use crate::abilities::Ability;
use crate::invoke::Output;
use crate::policy::Action;
use crate::tool::{ToolError, read_arguments};

/// Where a call stands.
pub(super) enum Stand {
    /// It can be answered now.
    Ready(Job),
    /// Something must happen first.
    Blocked(Block),
}

/// A call that waits, and what for.
pub(super) struct Blocked {
    pub call: ToolCall,
    pub by: Block,
}

/// What a call waits for.
pub(super) enum Block {
    /// A decision.
    Ticket(Box<Ticket>, WaitReason),
    /// The end of a run.
    Run(RunId),
    /// A moment, in the store's time.
    Until(Timestamp),
}

/// The longest that a run waits at once.
const WAIT_MAX: Duration = Duration::from_hours(366 * 24);

impl Stand {
    pub(super) fn known(output: Output) -> Self {
        Self::Ready(Job::Known(output))
    }

    pub(super) fn failed(error: &str) -> Self {
        Self::known(Output::failed(error))
    }
}

impl Turn {
    pub(super) async fn stand(&mut self, call: &ToolCall) -> Result<Stand, Ended> {
        if self.frontend.iter().any(|tool| tool.name == call.name) {
            return Ok(self.stand_of_frontend_tool(call));
        }
        let ability = self.agent.abilities.get(&call.name).cloned();
        if ability.is_none() && self.agent.tools.get(&call.name).is_none() {
            return Ok(Stand::failed(&self.unknown_tool(&call.name)));
        }
        let arguments = match self.permitted(call) {
            Ok(arguments) => arguments,
            Err(stand) => return Ok(stand),
        };
        match ability {
            Some(ability) => self.stand_of_ability(&ability, call, arguments).await,
            None => Ok(self.stand_of_tool(call, arguments)),
        }
    }

    /// The arguments to call with, where policy and people allow it.
    fn permitted(&self, call: &ToolCall) -> Result<Value, Stand> {
        let verdict = self.agent.verdict(&call.name, &call.arguments);
        match verdict.action {
            Action::Allow => Ok(call.arguments.clone()),
            Action::Deny => Err(forbidden(verdict.reason)),
            Action::Ask => {
                let Some(decision) = self.decisions.get(&call.id) else {
                    let agent = &self.agent.definition.agent_id;
                    let mut message = format!("May {agent} call {}?", call.name);
                    if let Some(reason) = verdict.reason {
                        message = format!("{message} {reason}");
                    }
                    return Err(raise(call, call.id.clone(), message, WaitReason::ToolPermission));
                };
                if let Some(answer) = answer(decision) {
                    return Err(Stand::known(answer));
                }
                if decision.arguments.is_null() {
                    return Ok(call.arguments.clone());
                }
                // What nobody may do, nobody may have changed into.
                let changed = self.agent.verdict(&call.name, &decision.arguments);
                if changed.action == Action::Deny {
                    return Err(forbidden(changed.reason));
                }
                Ok(decision.arguments.clone())
            }
        }
    }

    /// The client executes it, and its answer is a decision. Who answers has been asked already: a
    /// policy that asks asks for nothing more, one that forbids holds here too.
    fn stand_of_frontend_tool(&self, call: &ToolCall) -> Stand {
        let verdict = self.agent.verdict(&call.name, &call.arguments);
        if verdict.action == Action::Deny {
            return forbidden(verdict.reason);
        }
        let message = format!("Execute `{}` and answer with its result.", call.name);
        self.answer_or_ask(call, message, WaitReason::ExternalEvent)
    }

    fn stand_of_tool(&self, call: &ToolCall, arguments: Value) -> Stand {
        let Some(tool) = self.agent.tools.get(&call.name) else {
            return Stand::failed(&self.unknown_tool(&call.name));
        };
        if tool.repeatable() || !self.begun_before.contains(&call.id) {
            return Stand::Ready(Job::Call(tool.clone(), arguments));
        }
        // It was begun by an attempt that did not live to tell what came of it.
        let Some(id) = again(&call.id) else {
            return Stand::failed("the call was cut off, and it is not known what came of it");
        };
        match self.decisions.get(&id) {
            Some(decision) => match answer(decision) {
                Some(output) => Stand::known(output),
                None => Stand::Ready(Job::Call(tool.clone(), arguments)),
            },
            None => {
                let message = format!(
                    "A call of {} was cut off, and it is not known whether it was carried out. \
                     Approve to make it again; or answer with its result.",
                    call.name
                );
                raise(call, id, message, WaitReason::ToolPermission)
            }
        }
    }

    async fn stand_of_ability(
        &mut self,
        ability: &Ability,
        call: &ToolCall,
        arguments: Value,
    ) -> Result<Stand, Ended> {
        match ability {
            Ability::AskUser => Ok(self.stand_of_question(call, arguments)),
            Ability::Wait => self.stand_of_wait(call, arguments).await,
            Ability::Delegate(agent) => {
                let agent = agent.clone();
                self.stand_of_delegation(call, &agent, arguments).await
            }
            Ability::StartBackground => self.stand_of_background(call, arguments).await,
        }
    }

    /// A question is answered by a decision, or by what the person simply says.
    fn stand_of_question(&self, call: &ToolCall, arguments: Value) -> Stand {
        let question: Question = match read_arguments(arguments) {
            Ok(question) => question,
            Err(error) => return Stand::failed(&error.to_string()),
        };
        if !self.decisions.contains_key(&call.id) && self.prompt.is_answered(&self.run, &call.id) {
            return Stand::known(Output::well(json!("The user answered: see the next message.")));
        }
        self.answer_or_ask(call, question.question, WaitReason::UserInput)
    }

    async fn stand_of_wait(&mut self, call: &ToolCall, arguments: Value) -> Result<Stand, Ended> {
        let asked_at = self.prompt.asked_at(&call.id);
        let now = self.context.now().await?;
        let until = match read_arguments::<Moment>(arguments)
            .and_then(|moment| moment.seen_from(asked_at.unwrap_or(now)))
        {
            Ok(until) => until,
            Err(error) => return Ok(Stand::failed(&error.to_string())),
        };
        if now >= until {
            return Ok(Stand::known(Output::well(json!("The time has come."))));
        }
        if self.prompt.is_interrupted(&self.run, &call.id) {
            let cut = "A message came before the time: see the next message.";
            return Ok(Stand::known(Output::well(json!(cut))));
        }
        Ok(Stand::Blocked(Block::Until(until)))
    }

    /// What the decision on the call says, else a ticket that asks for one.
    fn answer_or_ask(&self, call: &ToolCall, message: String, reason: WaitReason) -> Stand {
        match self.decisions.get(&call.id) {
            Some(decision) => {
                Stand::known(answer(decision).unwrap_or_else(|| Output::well(Value::Null)))
            }
            None => raise(call, call.id.clone(), message, reason),
        }
    }

    pub(super) fn unknown_tool(&self, name: &str) -> String {
        let own = self.agent.tools.names().chain(self.agent.abilities.names());
        let names: Vec<&str> =
            own.chain(self.frontend.iter().map(|tool| tool.name.as_str())).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!("there is no tool `{name}`; the tools are: {names}")
    }
}

fn raise(call: &ToolCall, id: ToolCallId, message: String, reason: WaitReason) -> Stand {
    let ticket = Ticket::open(id, call.name.clone(), call.arguments.clone(), message);
    Stand::Blocked(Block::Ticket(ticket.into(), reason))
}

fn forbidden(reason: Option<String>) -> Stand {
    let mut value = json!({"error": "a policy forbids this call", "denied": true});
    if let Some(reason) = reason {
        value["reason"] = reason.into();
    }
    Stand::known(Output { value, is_error: true })
}

/// What stands for the call's result, if the decision gives it: a denial, or a result.
fn answer(decision: &Decision) -> Option<Output> {
    match decision.action {
        DecisionAction::Cancel => Some(Output::denied(decision)),
        DecisionAction::Resume if decision.result.is_null() => None,
        DecisionAction::Resume => Some(Output::well(decision.result.clone())),
    }
}

/// Names the ticket for making a call again: the call's own may be decided already.
fn again(id: &ToolCallId) -> Option<ToolCallId> {
    ToolCallId::parse(&format!("{id}~again")).ok()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    question: String,
    #[serde(default, rename = "options")]
    _options: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Moment {
    seconds: Option<f64>,
    until: Option<String>,
}

impl Moment {
    fn seen_from(self, asked_at: Timestamp) -> Result<Timestamp, ToolError> {
        let wrong = |why: String| Err(ToolError::InvalidArguments(why));
        let until = match (self.seconds, self.until) {
            (Some(seconds), None) => match Duration::try_from_secs_f64(seconds) {
                Ok(delay) => asked_at + delay.min(WAIT_MAX + Duration::from_secs(1)),
                Err(error) => return wrong(format!("seconds: {error}")),
            },
            (None, Some(text)) => match text.parse::<jiff::Timestamp>() {
                Ok(moment) => Timestamp(moment.as_millisecond()),
                Err(error) => return wrong(format!("until: {error}")),
            },
            _ => return wrong("give either `seconds` or `until`".to_owned()),
        };
        if until.since(asked_at) > WAIT_MAX {
            return wrong("at most a year can be waited for".to_owned());
        }
        Ok(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED_AT: Timestamp = Timestamp(1_000_000);

    fn moment(arguments: Value) -> Result<Timestamp, ToolError> {
        read_arguments::<Moment>(arguments).and_then(|moment| moment.seen_from(ASKED_AT))
    }

    #[test]
    fn a_moment_is_given_in_one_of_two_ways() {
        assert_eq!(moment(json!({"seconds": 1.5})), Ok(Timestamp(1_001_500)));
        assert_eq!(moment(json!({"until": "1970-01-01T01:00:00Z"})), Ok(Timestamp(3_600_000)));
        for wrong in [
            json!({}),
            json!({"seconds": 1, "until": "1970-01-01T01:00:00Z"}),
            json!({"seconds": -1}),
            json!({"seconds": 1e300}),
            json!({"seconds": 1e9}),
            json!({"until": "tomorrow"}),
            json!({"until": "9000-01-01T00:00:00Z"}),
        ] {
            assert!(moment(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
