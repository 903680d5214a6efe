//! The agent executor, against a fake store, scripted models and fake providers.

mod approvals;
mod ask;
mod canary;
mod crashes;
mod demo;
mod fake;
mod hostile;
mod http_fetch;
mod invoke;
mod limits;
mod mcp;
mod options;
mod policy;
mod pool;
mod providers;
mod registry;
mod scripted;
mod seeds;
mod server;
mod service;
mod tasks;
mod tools;
mod turn;
mod window;
mod wire;
