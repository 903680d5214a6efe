//! Messages: what people, agents and tools say in a thread.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{MessageId, RunId, ToolCallId};
use crate::time::Timestamp;

/// Free data that a caller attaches and gets back.
pub type Metadata = Map<String, Value>;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A person, or another agent in a person's place.
    User,
    /// The agent.
    Assistant,
    /// The operator.
    System,
    /// A tool's result.
    Tool,
}

/// Who sees a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// People and models.
    #[default]
    All,
    /// Models only: a wake-up, a note of the system to the agent.
    Internal,
}

/// A message's content: one text, or blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Content {
    /// Just text.
    Text(String),
    /// Several pieces in order.
    Blocks(Vec<Block>),
}

impl Content {
    /// All text in it, blocks joined by line breaks.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Blocks(blocks) => {
                let texts: Vec<&str> = blocks.iter().filter_map(Block::text).collect();
                texts.join("\n")
            }
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// One piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// Text.
    Text {
        /// The text itself.
        text: String,
    },
    /// A picture, by address or inline.
    Image {
        /// An address, or a `data:` URL.
        url: String,
    },
    /// A file, by address or inline.
    File {
        /// An address, or a `data:` URL.
        url: String,
        /// What it is called.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// What a tool answered.
    ToolResult {
        /// The call it answers.
        tool_call_id: ToolCallId,
        /// The answer.
        output: Value,
        /// Whether the tool failed.
        #[serde(default)]
        is_error: bool,
    },
    /// Structured data for programs.
    Data {
        /// The data.
        value: Value,
    },
}

impl Block {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text { text } => Some(text),
            _ => None,
        }
    }
}

/// A model's wish to call a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolCall {
    /// Names the call; its result and its ticket carry the same id.
    pub id: ToolCallId,
    /// The tool.
    pub name: String,
    /// Its arguments, as the model gave them.
    pub arguments: Value,
}

/// A message's body. It never changes once it is in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Message {
    /// Unique within the thread.
    pub id: MessageId,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    #[serde(default)]
    pub content: Content,
    /// Tool calls that an assistant message asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Who sees it.
    #[serde(default)]
    pub visibility: Visibility,
    /// Free data: the sender agent, the step, and what the caller attached.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Metadata,
}

/// A message as a caller hands it in: the id may be left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// Left out, a new one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MessageId>,
    /// Who speaks.
    #[serde(default = "user")]
    pub role: Role,
    /// What is said.
    #[serde(default)]
    pub content: Content,
    /// Tool calls that an assistant message asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Who sees it.
    #[serde(default)]
    pub visibility: Visibility,
    /// Free data.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Metadata,
}

fn user() -> Role {
    Role::User
}

impl NewMessage {
    /// A text from `role`, without id.
    pub fn text(role: Role, text: &str) -> Self {
        Self {
            id: None,
            role,
            content: text.into(),
            tool_calls: Vec::new(),
            visibility: Visibility::All,
            metadata: Metadata::new(),
        }
    }

    /// A user's text, without id.
    pub fn user(text: &str) -> Self {
        Self::text(Role::User, text)
    }

    /// The message with its id, made by `new_id` where it has none.
    pub fn named(self, new_id: impl FnOnce() -> MessageId) -> Message {
        Message {
            id: self.id.unwrap_or_else(new_id),
            role: self.role,
            content: self.content,
            tool_calls: self.tool_calls,
            visibility: self.visibility,
            metadata: self.metadata,
        }
    }
}

/// A message in a thread's log: committed, numbered, unchangeable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogMessage {
    /// Its place in the thread's log: 1, 2, 3 … without a gap.
    pub seq: u64,
    /// The run that it is input or output of.
    pub run_id: RunId,
    /// When it was committed.
    pub created_at: Timestamp,
    /// The body, shared: the log, a prompt and an event stream hold the same one.
    pub message: Arc<Message>,
}
