//! The executor in front of all others: it takes the runs that are Postroom's own.

use std::sync::Arc;

use async_trait::async_trait;
use postroom_core::command::Activation;
use postroom_core::ports::{Executor, RunContext, RunOutcome};

use crate::RESERVED;
use crate::schedule;
use crate::webhook::{self, Webhooks};

/// Executes the runs that are Postroom's own, and leaves all others to another executor.
pub struct Automation {
    others: Arc<dyn Executor>,
    webhooks: Option<Webhooks>,
}

impl Automation {
    /// In front of `others`. Without `webhooks` nothing is posted.
    pub fn new(others: Arc<dyn Executor>, webhooks: Option<Webhooks>) -> Self {
        Self { others, webhooks }
    }
}

#[async_trait]
impl Executor for Automation {
    async fn run(&self, activation: Activation, context: Arc<dyn RunContext>) -> RunOutcome {
        let agent = activation.run.agent_id.to_string();
        match agent.as_str() {
            schedule::AGENT => schedule::execute(&activation.run, &*context).await,
            webhook::AGENT => {
                webhook::execute(self.webhooks.as_ref(), &activation.run, &*context).await
            }
            unknown if unknown.starts_with(RESERVED) => RunOutcome::PermanentError {
                code: "unknown_agent".to_owned(),
                error: format!(
                    "`{unknown}` is none of this version: is this node older than others?"
                ),
            },
            _ => self.others.run(activation, context).await,
        }
    }
}
