//! Postroom's agents: an executor that runs models and tools.
//!
//! [`AgentExecutor`] takes a run, resolves its agent in the [`AgentRegistry`], and works in steps:
//! ask the model, show what it says while it says it, call the tools it wants, commit. What was
//! committed is never done again: after a crash the run goes on from its thread's log.
//!
//! The world is behind small ports: a [`Model`](model::Model) streams an answer, a
//! [`Tool`](tool::Tool) does something. Real models are reached through one client for all
//! providers ([`provider`]); the built-in [`demo`] model needs no key.

mod abilities;
mod agent;
mod agents;
mod builder;
mod check;
pub mod config;
pub mod demo;
mod direct;
pub mod egress;
mod executor;
mod frontend;
pub mod invoke;
pub mod mcp;
pub mod model;
mod models;
mod output;
mod pin;
pub mod policy;
mod pool;
mod prompt;
pub mod provider;
mod registry;
mod reply;
pub mod script;
mod sender;
pub mod tool;
pub mod tools;
mod trace;
mod turn;
pub mod window;

pub use agents::Agents;
pub use builder::Builder;
pub use config::{AgentConfig, Approval, ConfigError, Limits, McpConfig, ModelConfig, OnTimeout};
pub use executor::{AgentExecutor, Settings};
pub use registry::{AgentInfo, AgentRegistry, Env, ResolveError};
pub use schemars;
