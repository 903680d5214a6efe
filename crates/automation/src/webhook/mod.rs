//! Webhooks: what becomes of a run is posted to an address that its submission named, signed as
//! [Standard Webhooks](https://www.standardwebhooks.com) describe it.
//!
//! A post is a run of its own. It is made with the debt of the run that it is about (see
//! [`postroom_core::report`]), so that none is forgotten; it is tried again as runs are, waiting longer
//! each time; and what can't be posted is a dead letter, which an operator may requeue.

mod config;
mod execute;
mod post;
mod secret;

use postroom_core::run::Run;
use serde::Deserialize;

pub use config::WebhooksConfig;
pub use postroom_core::reserved::WEBHOOK_AGENT as AGENT;
pub use postroom_core::webhook::{Occasion, Post};
pub use secret::{InvalidSecret, WebhookSecret};

pub(crate) use execute::execute;
pub use execute::{Render, Webhooks};

/// The post that the run makes; `None` if it makes none.
pub fn of(run: &Run) -> Option<Post> {
    Post::deserialize(run.spec.overrides.get("webhook")?).ok()
}
