//! Messages, committed and pending.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use postroom_core::id::{MessageId, RunId, ToolCallId};
use postroom_core::message::{
    Block, Content, LogMessage, Message, Metadata, NewMessage, Role, ToolCall, Visibility,
};
use postroom_core::pending::{Boundary, Granularity, Pending};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::time::{Moment, moment};
use crate::object::Object;

/// Messages of a submission: one text of the user, or a list.
#[derive(Debug, Clone, Default)]
pub struct Messages(pub Vec<NewMessage>);

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = TextOrList::<Object<MessageBody>>::deserialize(
            deserializer,
            "a text, or a list of messages",
        )?;
        Ok(match read {
            TextOrList::None => Self::default(),
            TextOrList::Text(text) => Self(vec![NewMessage::user(&text)]),
            TextOrList::List(list) => {
                Self(list.into_iter().map(|Object(message)| message.into()).collect())
            }
        })
    }
}

impl JsonSchema for Messages {
    fn schema_name() -> Cow<'static, str> {
        "Messages".into()
    }

    fn json_schema(forms: &mut SchemaGenerator) -> Schema {
        text_or_list::<MessageBody>(forms, "One text of the user, or messages.")
    }
}

/// A message as a client sends it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageBody {
    #[serde(default)]
    id: Option<MessageId>,
    #[serde(default)]
    role: Option<Role>,
    content: ContentBody,
    #[serde(default)]
    tool_calls: Option<Vec<Object<ToolCallBody>>>,
    #[serde(default)]
    visibility: Option<Visibility>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

impl From<MessageBody> for NewMessage {
    fn from(body: MessageBody) -> Self {
        let tool_calls = body.tool_calls.unwrap_or_default();
        Self {
            id: body.id,
            role: body.role.unwrap_or(Role::User),
            content: body.content.0,
            tool_calls: tool_calls.into_iter().map(|Object(call)| call.into()).collect(),
            visibility: body.visibility.unwrap_or_default(),
            metadata: body.metadata.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ToolCallBody {
    id: ToolCallId,
    name: String,
    #[serde(default)]
    arguments: Value,
}

impl From<ToolCallBody> for ToolCall {
    fn from(body: ToolCallBody) -> Self {
        Self { id: body.id, name: body.name, arguments: body.arguments }
    }
}

/// A message's content as a client sends it: a text, or blocks.
#[derive(Debug, Clone, Default)]
pub struct ContentBody(pub Content);

impl<'de> Deserialize<'de> for ContentBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = TextOrList::<Object<BlockBody>>::deserialize(
            deserializer,
            "a text, or a list of blocks",
        )?;
        Ok(Self(match read {
            // An assistant's message may consist of tool calls alone.
            TextOrList::None => Content::default(),
            TextOrList::Text(text) => Content::Text(text),
            TextOrList::List(list) => {
                Content::Blocks(list.into_iter().map(|Object(block)| block.into()).collect())
            }
        }))
    }
}

impl JsonSchema for ContentBody {
    fn schema_name() -> Cow<'static, str> {
        "ContentBody".into()
    }

    fn json_schema(forms: &mut SchemaGenerator) -> Schema {
        text_or_list::<BlockBody>(forms, "A text, or blocks.")
    }
}

/// As [`Block`], but a field that is misspelt is an error.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum BlockBody {
    Text {
        text: String,
    },
    Image {
        url: String,
    },
    File {
        url: String,
        #[serde(default)]
        name: Option<String>,
    },
    ToolResult {
        tool_call_id: ToolCallId,
        output: Value,
        #[serde(default)]
        is_error: bool,
    },
    Data {
        value: Value,
    },
}

impl From<BlockBody> for Block {
    fn from(body: BlockBody) -> Self {
        match body {
            BlockBody::Text { text } => Self::Text { text },
            BlockBody::Image { url } => Self::Image { url },
            BlockBody::File { url, name } => Self::File { url, name },
            BlockBody::ToolResult { tool_call_id, output, is_error } => {
                Self::ToolResult { tool_call_id, output, is_error }
            }
            BlockBody::Data { value } => Self::Data { value },
        }
    }
}

/// Reads either form by looking at it, so that an error says what is wrong in the one that was
/// meant (serde's untagged enums only say that neither fits).
enum TextOrList<T> {
    None,
    Text(String),
    List(Vec<T>),
}

impl<'de, T: Deserialize<'de>> TextOrList<T> {
    fn deserialize<D: Deserializer<'de>>(
        deserializer: D,
        expected: &'static str,
    ) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader { expected, of: std::marker::PhantomData })
    }
}

/// What [`TextOrList`] reads.
fn text_or_list<T: JsonSchema>(forms: &mut SchemaGenerator, description: &str) -> Schema {
    json_schema!({
        "description": description,
        "anyOf": [
            { "type": "string" },
            { "type": "array", "items": forms.subschema_for::<T>() },
            { "type": "null" },
        ],
    })
}

struct Reader<T> {
    expected: &'static str,
    of: std::marker::PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
    type Value = TextOrList<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(TextOrList::None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(TextOrList::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(TextOrList::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(TextOrList::List)
    }
}

/// A message of the log.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct MessageView {
    seq: u64,
    message: Arc<Message>,
    run_id: RunId,
    created_at: Moment,
}

impl From<LogMessage> for MessageView {
    fn from(logged: LogMessage) -> Self {
        Self {
            seq: logged.seq,
            message: logged.message,
            run_id: logged.run_id,
            created_at: moment(logged.created_at),
        }
    }
}

/// A message that no model has read yet.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PendingView {
    message_id: MessageId,
    position: u64,
    message: Arc<Message>,
    boundary: Boundary,
    granularity: Granularity,
    barrier: bool,
    run_id: Option<RunId>,
    created_at: Moment,
}

impl From<Pending> for PendingView {
    fn from(pending: Pending) -> Self {
        Self {
            message_id: pending.message.id.clone(),
            position: pending.position,
            message: pending.message,
            boundary: pending.boundary,
            granularity: pending.granularity,
            barrier: pending.barrier,
            run_id: pending.target_run_id,
            created_at: moment(pending.created_at),
        }
    }
}
