//! Ids. Each noun has its own type, so that a run's id can't be given where a thread's is wanted.

mod repr;
#[cfg(feature = "schema")]
mod schema;
mod tenant;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

pub use tenant::{TENANT_BYTES_MAX, TenantId};

use repr::{Repr, UUID_BYTES, canonical_uuid};

/// The longest id that is accepted, in bytes.
pub const ID_BYTES_MAX: usize = 255;

/// The same of a task's id, which has room for the id of any node.
const TASK_ID_BYTES_MAX: usize = ID_BYTES_MAX + 1 + UUID_BYTES;

/// What the id of a task begins with that is a run. No UUID does, so that it is never a node's.
const RUN_TASK: &str = "run:";

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Nothing is left once surrounding white space is taken away.
    #[error("{noun} id is blank: leave it out to get a new one, or give 1 to {ID_BYTES_MAX} bytes")]
    Blank {
        /// What the id would have named.
        noun: &'static str,
    },
    /// Longer than [`ID_BYTES_MAX`], or what else its kind allows.
    #[error("{noun} id has {bytes} bytes: at most {max} are allowed")]
    TooLong {
        /// What the id would have named.
        noun: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// Contains a control character (a line break would break logs and event streams).
    #[error("{noun} id contains a control character: use printable characters only")]
    Control {
        /// What the id would have named.
        noun: &'static str,
    },
    /// Should be a UUID and is not.
    #[error("{noun} id is not a UUID: write it as 8-4-4-4-12 hexadecimal digits")]
    NotUuid {
        /// What the id would have named.
        noun: &'static str,
    },
    /// Is no tenant's name.
    #[error(
        "a tenant's name has 1 to {TENANT_BYTES_MAX} lower-case letters, digits, `-` and `_`, and nothing else"
    )]
    NotTenant,
}

fn parse(text: &str, noun: &'static str, max: usize) -> Result<Repr, InvalidId> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidId::Blank { noun });
    }
    if text.len() > max {
        return Err(InvalidId::TooLong { noun, bytes: text.len(), max });
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidId::Control { noun });
    }
    Ok(Repr::of(text))
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident = $noun:literal up to $max:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Repr);

        impl $name {
            /// Takes an id that a user chose, without surrounding white space.
            ///
            /// # Errors
            /// [`InvalidId`] when it is blank, too long, or has control characters.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                parse(text, $noun, $max).map(Self)
            }

            /// Gives `f` the id as text, without allocating.
            pub fn with_str<T>(&self, f: impl FnOnce(&str) -> T) -> T {
                self.0.with_str(f)
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid.into())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.with_str(|text| f.pad(text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.with_str(|text| write!(f, "{}({text})", stringify!($name)))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.with_str(|text| serializer.serialize_str(text))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schema::text_id($max)
            }

            fn inline_schema() -> bool {
                true
            }
        }
    )*};
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident = $noun:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The UUID itself.
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text.trim())
                    .map(Self)
                    .map_err(|_| InvalidId::NotUuid { noun: $noun })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schema::uuid_id()
            }

            fn inline_schema() -> bool {
                true
            }
        }
    )*};
}

text_ids! {
    /// Names a thread: one conversation.
    ThreadId = "thread" up to ID_BYTES_MAX;
    /// Names a run: one user intent.
    RunId = "run" up to ID_BYTES_MAX;
    /// Names a message, unique within its thread.
    MessageId = "message" up to ID_BYTES_MAX;
    /// Names an agent that runs can be given to.
    AgentId = "agent" up to ID_BYTES_MAX;
    /// Names a node: one process that claims and executes. New with every start of the process.
    NodeId = "node" up to ID_BYTES_MAX;
    /// Names a tool call, and so the ticket that waits for its decision.
    ToolCallId = "tool call" up to ID_BYTES_MAX;
    /// Names a decision, so that sending it again is known for the same.
    DecisionId = "decision" up to ID_BYTES_MAX;
    /// Names a background task that a run waits for.
    TaskId = "task" up to TASK_ID_BYTES_MAX;
    /// A caller's own name for a piece of work, unique among the thread's unfinished dispatches.
    DedupeKey = "dedupe" up to ID_BYTES_MAX;
    /// A caller's own name for one submission to a thread: repeating it returns the first answer.
    IdempotencyKey = "idempotency" up to ID_BYTES_MAX;
    /// Names an API key. It is no secret.
    KeyId = "key" up to ID_BYTES_MAX;
}

uuid_ids! {
    /// Names a dispatch: one delivery of a run. UUID v7.
    DispatchId = "dispatch";
    /// Names one attempt at executing a dispatch, for traces.
    InstanceId = "instance";
}

impl AgentId {
    /// The agent of a first run whose submission names none.
    pub const DEFAULT: &'static str = "default";

    /// The agent named [`AgentId::DEFAULT`].
    pub fn default_agent() -> Self {
        Self(Repr::of(Self::DEFAULT))
    }
}

impl TaskId {
    /// The id of the task `uuid` that `node` holds. The task ends with that node, whoever waits for
    /// it: so its id names it.
    pub fn held_by(node: &NodeId, uuid: Uuid) -> Self {
        Self(Repr::of(&format!("{uuid}@{node}")))
    }

    /// The id of the task that a run is for another, which waits for its end.
    pub fn of_run(run_id: &RunId) -> Self {
        Self(Repr::of(&format!("{RUN_TASK}{run_id}")))
    }

    /// The run that the task is, if its id names one.
    pub fn run(&self) -> Option<RunId> {
        self.with_str(|text| RunId::parse(text.strip_prefix(RUN_TASK)?).ok())
    }

    /// The node that holds the task, if its id names one. What else is waited for under a name of
    /// its own ends with no node.
    pub fn node(&self) -> Option<NodeId> {
        self.with_str(|text| {
            let (uuid, node) = text.split_at_checked(UUID_BYTES)?;
            canonical_uuid(uuid)?;
            NodeId::parse(node.strip_prefix('@')?).ok()
        })
    }
}

/// Counts the interrupts of a thread. It only grows; a dispatch of an older epoch never starts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_and_its_text_are_the_same_id() {
        let uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        assert_eq!(ThreadId::from(uuid), ThreadId::parse(&uuid.to_string()).unwrap());
    }

    #[test]
    fn an_upper_case_uuid_keeps_its_spelling() {
        let text = "01900000-0000-7000-8000-00000000ABCD";
        assert_eq!(ThreadId::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn ids_are_trimmed_and_checked() {
        assert_eq!(ThreadId::parse("  a b ").unwrap().to_string(), "a b");
        assert_eq!(ThreadId::parse(" \n"), Err(InvalidId::Blank { noun: "thread" }));
        assert_eq!(RunId::parse("a\nb"), Err(InvalidId::Control { noun: "run" }));
        assert!(RunId::parse(&"x".repeat(255)).is_ok());
        assert!(RunId::parse(&"x".repeat(256)).is_err());
    }

    #[test]
    fn a_tasks_id_names_its_node() {
        let longest = "n".repeat(ID_BYTES_MAX);
        for name in ["node-1", "a@b", "01900000-0000-7000-8000-000000000001", &longest] {
            let node = NodeId::parse(name).unwrap();
            let id = TaskId::held_by(&node, Uuid::from_u128(7));
            assert_eq!((id.node(), id.run()), (Some(node), None));
            assert_eq!(TaskId::parse(&id.to_string()).unwrap(), id);
        }
        for other in ["t1", "t1@node-1", "01900000-0000-7000-8000-000000000001"] {
            assert_eq!(TaskId::parse(other).unwrap().node(), None);
        }
    }

    #[test]
    fn a_tasks_id_names_its_run() {
        let longest = "r".repeat(ID_BYTES_MAX);
        let held = TaskId::held_by(&NodeId::parse("node-1").unwrap(), Uuid::from_u128(7));
        for name in ["r1", "01900000-0000-7000-8000-000000000001", &held.to_string(), &longest] {
            let run_id = RunId::parse(name).unwrap();
            let id = TaskId::of_run(&run_id);
            assert_eq!((id.run(), id.node()), (Some(run_id), None));
            assert_eq!(TaskId::parse(&id.to_string()).unwrap(), id);
        }
        for other in ["t1", "run", "run:", "01900000-0000-7000-8000-000000000001"] {
            assert_eq!(TaskId::parse(other).unwrap().run(), None);
        }
    }

    #[test]
    fn order_is_that_of_the_text() {
        let mut ids: Vec<_> = ["b", "01900000-0000-7000-8000-000000000001", "a", "0"]
            .iter()
            .map(|text| RunId::parse(text).unwrap())
            .collect();
        ids.sort();
        let texts: Vec<_> = ids.iter().map(RunId::to_string).collect();
        assert_eq!(texts, ["0", "01900000-0000-7000-8000-000000000001", "a", "b"]);
    }
}
