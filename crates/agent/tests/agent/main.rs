//! The agent executor, against a fake store, scripted models and fake providers.

mod approvals;
mod demo;
mod fake;
mod http_fetch;
mod invoke;
mod mcp;
mod providers;
mod registry;
mod scripted;
mod server;
mod service;
mod tools;
mod turn;
