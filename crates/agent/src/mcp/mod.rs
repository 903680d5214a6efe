//! Tools of other programs, by the Model Context Protocol.
//!
//! [`McpServers`] holds the configured servers. Each is started when it is first needed, kept, and
//! started again after it ended; its tools are [`Tool`](crate::tool::Tool)s like any other, called
//! `mcp:SERVER/TOOL`.

mod connection;
mod content;
mod error;
mod listener;
mod program;
mod remote;
mod server;
mod servers;
mod tool;

pub use error::McpError;
pub use servers::McpServers;
