//! A durable mailbox for AI agents: the library, and the server in one binary.
//!
//! Who wants a server takes the binary. Who wants a mailbox inside a program of their own takes this
//! library, and writes an [`Executor`](prelude::Executor): `examples/embed.rs` is all it needs.
//!
//! | module | what is in it |
//! |---|---|
//! | [`core`] | words and rules: threads, runs, dispatches, and the state machine; the ports |
//! | [`stores`] | where mailboxes are kept: memory, SQLite |
//! | [`signals`] | how nodes wake each other |
//! | [`service`] | submit, dispatch, execute, recover |
//! | [`agent`] | an executor that runs LLM agents |
//! | [`server`] | the HTTP API |

pub use postroom_agent as agent;
pub use postroom_core as core;
pub use postroom_server as server;
pub use postroom_service as service;
pub use postroom_signals as signals;
pub use postroom_stores as stores;

mod embedded;

pub use embedded::{agents, embedded, memory_store};

/// What a program with a mailbox of its own begins with.
pub mod prelude {
    pub use crate::agent::script::Script;
    pub use crate::agent::tool::{ToolContext, tool_fn};
    pub use crate::agent::{AgentConfig, AgentExecutor, Agents, McpConfig, Settings};
    pub use crate::core::command::{Activation, Mode, Submit};
    pub use crate::core::event::EventBody;
    pub use crate::core::id::{AgentId, MessageId, NodeId, RunId, ThreadId};
    pub use crate::core::message::{Message, NewMessage, Role};
    pub use crate::core::ports::{
        Clock, Executor, IdSource, MailboxStore, RunContext, RunFilter, RunOutcome, Spawner,
    };
    pub use crate::core::run::Run;
    pub use crate::core::ticket::{Decision, DecisionAction};
    pub use crate::service::{Config, Parts, Postroom, TokioSpawner};
    pub use crate::signals::{LocalFeed, LocalLive, LocalSignals};
    pub use crate::stores::memory::MemoryStore;
    pub use crate::stores::sqlite::{self, SqliteStore};
    pub use crate::stores::system::{SystemClock, SystemIds};
    pub use crate::{agents, embedded, memory_store};
}
