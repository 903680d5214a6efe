//! Abilities: what an agent can do that is more than a tool, since the run itself takes part. It
//! waits, asks, or starts other runs.

use std::collections::BTreeMap;

use postroom_core::id::AgentId;
use serde_json::{Value, json};

use crate::config::matches;
use crate::model::ToolSpec;

/// How the names of delegation begin.
pub(crate) const DELEGATE: &str = "delegate:";

/// Something that the turn loop does by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ability {
    /// Puts a question to the person; the run waits for the answer.
    AskUser,
    /// Waits until a time, holding nothing.
    Wait,
    /// Gives a task to another agent; its answer is the call's result.
    Delegate(AgentId),
    /// Starts work that outlives the run and wakes the thread when it is done.
    StartBackground,
}

impl Ability {
    /// The ability called `name`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ask_user" => Some(Self::AskUser),
            "wait" => Some(Self::Wait),
            "start_background" => Some(Self::StartBackground),
            _ => AgentId::parse(name.strip_prefix(DELEGATE)?).ok().map(Self::Delegate),
        }
    }

    /// The abilities whose names fit `pattern`. An agent delegates to itself only where it is named.
    pub fn fitting<'a>(
        pattern: &str,
        agents: impl Iterator<Item = &'a AgentId>,
        own: &AgentId,
    ) -> Vec<(String, Self)> {
        if let Some(ability) = Self::named(pattern).filter(|_| !pattern.ends_with('*')) {
            return vec![(pattern.to_owned(), ability)];
        }
        let delegates = agents
            .filter(|agent| *agent != own)
            .map(|agent| (format!("{DELEGATE}{agent}"), Self::Delegate(agent.clone())));
        let fixed = Self::fixed_names().into_iter();
        let fixed = fixed.filter_map(|name| Some((name.to_owned(), Self::named(name)?)));
        fixed.chain(delegates).filter(|(name, _)| matches(pattern, name)).collect()
    }

    /// The names that are the same for every agent.
    pub fn fixed_names() -> [&'static str; 3] {
        ["ask_user", "wait", "start_background"]
    }

    fn description(&self) -> String {
        match self {
            Self::AskUser => {
                "Asks the user a question and waits for the answer. Use it when you can't go on \
                 without knowing what the user wants."
                    .to_owned()
            }
            Self::Wait => {
                "Waits for some seconds, or until a moment, and then goes on. Nothing is lost while \
                 it waits, however long that is. A message of the user ends the wait early."
                    .to_owned()
            }
            Self::Delegate(agent) => format!(
                "Gives a task to the agent `{agent}` and waits for its answer. It sees nothing of \
                 this conversation but the task: say all that it needs to know."
            ),
            Self::StartBackground => {
                "Starts work in the background and goes on at once. Either `tool` with \
                 `arguments`: one of your own tools is called; or `agent` with `task`: that agent \
                 works on the task. When it is done, its result comes into this conversation as a \
                 message, even if you have finished by then."
                    .to_owned()
            }
        }
    }

    fn schema(&self) -> Value {
        match self {
            Self::AskUser => json!({
                "type": "object",
                "properties": {
                    "question": {"type": "string", "description": "What to ask."},
                    "options": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Answers to choose from. Left out: any answer.",
                    },
                },
                "required": ["question"],
                "additionalProperties": false,
            }),
            Self::Wait => json!({
                "type": "object",
                "properties": {
                    "seconds": {"type": "number", "minimum": 0, "description": "How long."},
                    "until": {
                        "type": "string",
                        "description": "Until when, in RFC 3339: 2026-01-02T15:04:05Z.",
                    },
                },
                "additionalProperties": false,
            }),
            Self::Delegate(_) => json!({
                "type": "object",
                "properties": {
                    "task": {"type": "string", "description": "The whole task."},
                },
                "required": ["task"],
                "additionalProperties": false,
            }),
            Self::StartBackground => json!({
                "type": "object",
                "properties": {
                    "tool": {"type": "string", "description": "The tool to call."},
                    "arguments": {"type": "object", "description": "Its arguments."},
                    "agent": {"type": "string", "description": "The agent to give a task to."},
                    "task": {"type": "string", "description": "The whole task."},
                },
                "additionalProperties": false,
            }),
        }
    }
}

/// An agent's abilities, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Abilities(BTreeMap<String, Ability>);

impl Abilities {
    pub fn insert(&mut self, name: String, ability: Ability) {
        self.0.insert(name, ability);
    }

    pub fn get(&self, name: &str) -> Option<&Ability> {
        self.0.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All of them as a model sees them.
    pub fn specs(&self) -> impl Iterator<Item = ToolSpec> {
        self.0.iter().map(|(name, ability)| ToolSpec {
            name: name.clone(),
            description: ability.description(),
            schema: ability.schema(),
        })
    }
}
