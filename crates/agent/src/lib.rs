//! Postroom's agents: an executor that runs models and tools.
//!
//! [`AgentExecutor`] takes a run, resolves its agent in the [`AgentRegistry`], and works in steps:
//! ask the model, show what it says while it says it, call the tools it wants, commit. What was
//! committed is never done again: after a crash the run goes on from its thread's log.
//!
//! The world is behind small ports: a [`Model`](model::Model) streams an answer, a
//! [`Tool`](tool::Tool) does something. Real models are reached through one client for all
//! providers ([`provider`]); the built-in [`demo`] model needs no key.

mod agent;
mod builder;
mod calls;
pub mod config;
pub mod demo;
mod executor;
pub mod invoke;
pub mod mcp;
pub mod model;
mod models;
mod pin;
mod prompt;
pub mod provider;
mod registry;
mod reply;
pub mod tool;
pub mod tools;
mod turn;

pub use builder::Builder;
pub use config::{AgentConfig, ConfigError, McpConfig, ModelConfig};
pub use executor::{AgentExecutor, Settings, Wait};
pub use registry::{AgentInfo, AgentRegistry, Env, ResolveError};
pub use schemars;
