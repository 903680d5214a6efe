//! Submissions: what starts a run.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{Mode, Start, Submit, Submitted, SubmittedStatus};
use postroom_core::dispatch::Priority;
use postroom_core::id::{
    AgentId, DedupeKey, DispatchId, IdempotencyKey, MessageId, RunId, ThreadId,
};
use postroom_core::message::Metadata;
use postroom_core::pending::{Boundary, Delivery, Granularity};
use postroom_core::run::RunSpec;
use postroom_core::ticket::Decision;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::message::Messages;
use super::reserved::not_reserved;
use super::time::{Moment, parse_moment};
use crate::object::Object;
use crate::problem::{Problem, Result};

/// How many messages one submission may have.
pub const MESSAGES_MAX: usize = 1_000;

/// A hundred years: longer is a mistake in the unit.
const DELAY_MS_MAX: u64 = 100 * 366 * 24 * 3600 * 1000;

/// The body of a submission. Everything but `messages` may be left out or `null`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmissionBody {
    #[serde(default)]
    thread_id: Option<String>,
    #[serde(default)]
    agent_id: Option<AgentId>,
    #[serde(default)]
    messages: Messages,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    expected_run_id: Option<RunId>,
    #[serde(default)]
    run_id: Option<RunId>,
    #[serde(default)]
    parent_run_id: Option<RunId>,
    #[serde(default)]
    dedupe_key: Option<DedupeKey>,
    #[serde(default)]
    priority: Option<u8>,
    #[serde(default)]
    delay_ms: Option<u64>,
    #[serde(default)]
    #[schemars(with = "Option<Moment>")]
    available_at: Option<String>,
    #[serde(default)]
    max_attempts: Option<u32>,
    #[serde(default)]
    delivery: Option<Object<DeliveryBody>>,
    #[serde(default)]
    decisions: Option<Vec<Object<Decision>>>,
    #[serde(default)]
    frontend_tools: Option<Vec<Value>>,
    #[serde(default)]
    overrides: Option<Map<String, Value>>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    webhook: Option<String>,
}

/// When and how a running agent takes messages in.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryBody {
    #[serde(default)]
    boundary: Option<Boundary>,
    #[serde(default)]
    granularity: Option<Granularity>,
    #[serde(default)]
    barrier: Option<bool>,
}

impl From<DeliveryBody> for Delivery {
    fn from(body: DeliveryBody) -> Self {
        Self {
            boundary: body.boundary,
            granularity: body.granularity.unwrap_or_default(),
            barrier: body.barrier.unwrap_or_default(),
        }
    }
}

impl SubmissionBody {
    /// The command, and the thread that the body names. A blank thread id stands for none.
    ///
    /// # Errors
    /// A `400` that names the field which can't be meant as it is.
    pub fn into_submit(
        self,
        idempotency_key: Option<IdempotencyKey>,
        default_max_attempts: u32,
    ) -> Result<(Option<ThreadId>, Submit)> {
        let given = self.thread_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        let thread_id = given.map(ThreadId::parse).transpose()?;
        if let Some(thread_id) = &thread_id {
            not_reserved("thread_id", thread_id)?;
        }
        if let Some(agent_id) = &self.agent_id {
            not_reserved("agent_id", agent_id)?;
        }
        for (field, run_id) in [("run_id", &self.run_id), ("parent_run_id", &self.parent_run_id)] {
            if let Some(run_id) = run_id {
                not_reserved(field, run_id)?;
            }
        }
        let messages = self.messages.0;
        check_count(messages.len())?;
        let max_attempts = self.max_attempts.unwrap_or(default_max_attempts);
        if max_attempts == 0 {
            return Err(invalid("max_attempts: it must be at least 1"));
        }
        let start = start(self.delay_ms, self.available_at.as_deref())?;
        let spec = RunSpec {
            overrides: self.overrides.map(Value::Object).unwrap_or_default(),
            frontend_tools: self.frontend_tools.unwrap_or_default(),
            metadata: self.metadata.unwrap_or_default(),
            webhook: self.webhook.map(check_webhook).transpose()?,
            // Of the system's own making: no caller says where a run's end is told.
            report_to: None,
            // The request's header names it.
            trace: None,
        };
        let decisions = self.decisions.unwrap_or_default();
        let submit = Submit {
            decisions: decisions.into_iter().map(|Object(decision)| decision).collect(),
            agent_id: self.agent_id,
            run_id: self.run_id,
            expected_run_id: self.expected_run_id,
            parent_run_id: self.parent_run_id,
            dedupe_key: self.dedupe_key,
            idempotency_key,
            priority: self.priority.map(Priority).unwrap_or_default(),
            start,
            max_attempts,
            delivery: self.delivery.unwrap_or_default().0.into(),
            spec: Arc::new(spec),
            ..Submit::new(self.mode.unwrap_or_default(), messages)
        };
        Ok((thread_id, submit))
    }
}

/// Refuses more messages than one submission may have.
pub(crate) fn check_count(messages: usize) -> Result<()> {
    if messages <= MESSAGES_MAX {
        return Ok(());
    }
    Err(Problem::bad_request(
        "too_many_messages",
        format!(
            "messages: {messages} are given, and {MESSAGES_MAX} are allowed: submit them in parts"
        ),
    ))
}

fn start(delay_ms: Option<u64>, available_at: Option<&str>) -> Result<Start> {
    match (delay_ms, available_at) {
        (None | Some(0), None) => Ok(Start::Now),
        (Some(ms), None) if ms <= DELAY_MS_MAX => Ok(Start::In(Duration::from_millis(ms))),
        (Some(_), None) => Err(invalid("delay_ms: it is more than a hundred years")),
        (None | Some(0), Some(text)) => parse_moment("available_at", text).map(Start::At),
        (Some(_), Some(_)) => Err(invalid("available_at: give it or delay_ms, not both")),
    }
}

/// Refuses what no outcome can be posted to.
pub(crate) fn check_webhook(url: String) -> Result<String> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(url);
    }
    Err(invalid("webhook: give an http:// or https:// address"))
}

fn invalid(detail: &'static str) -> Problem {
    Problem::bad_request("invalid_body", detail)
}

/// The answer to a submission.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SubmittedView {
    run_id: RunId,
    dispatch_id: Option<DispatchId>,
    thread_id: ThreadId,
    status: SubmittedStatus,
    message_ids: Vec<MessageId>,
}

impl From<Submitted> for SubmittedView {
    fn from(submitted: Submitted) -> Self {
        Self {
            run_id: submitted.run_id,
            dispatch_id: submitted.dispatch_id,
            thread_id: submitted.thread_id,
            status: submitted.status,
            message_ids: submitted.message_ids,
        }
    }
}
