//! The agent executor, against a fake store, scripted models and fake providers.

mod approvals;
mod ask;
mod demo;
mod fake;
mod options;
mod providers;
mod registry;
mod scripted;
mod server;
mod service;
mod tools;
mod turn;
mod window;
mod wire;
