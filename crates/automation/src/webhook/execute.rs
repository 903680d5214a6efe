//! What the run of a post does: try, and wait before the next try.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{Step, Wait};
use postroom_core::event::EventBody;
use postroom_core::ports::{
    Beginning, CancelReason, ContextError, RunContext, RunOutcome, SpanKind,
};
use postroom_core::run::{AgentState, Run, RunState, WaitReason};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::post::{Posted, Poster, Sealed};
use super::{Occasion, WebhookSecret, WebhooksConfig};

/// Shows a run as the API does.
pub type Render = Arc<dyn Fn(&Run) -> Value + Send + Sync>;

/// The version of what is kept, which a run has from its first commit on.
const VERSION: &str = "1";

/// Posts what becomes of runs.
pub struct Webhooks {
    poster: Poster,
    secret: WebhookSecret,
    retry_after: Vec<Duration>,
    render: Render,
}

impl Webhooks {
    /// Posts as `config` says, signed with `secret`, each run as `render` shows it.
    ///
    /// # Errors
    /// What the HTTP client says when it can't be built: no TLS, above all.
    pub fn new(
        config: &WebhooksConfig,
        secret: WebhookSecret,
        render: Render,
    ) -> Result<Self, String> {
        let retry_after = config.retry_after_ms.iter().copied().map(Duration::from_millis);
        Ok(Self {
            poster: Poster::new(config)?,
            secret,
            retry_after: retry_after.collect(),
            render,
        })
    }
}

/// How often a post was tried.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Tried {
    times: usize,
}

impl Tried {
    fn of(run: &Run) -> Self {
        let state = run.state.as_ref().filter(|_| run.agent_version.is_some());
        state.and_then(|state| serde_json::from_str(state.as_json()).ok()).unwrap_or_default()
    }

    fn step(&self) -> Step {
        let state = serde_json::to_string(self).ok();
        let state = state.and_then(|json| AgentState::from_json(json).ok());
        Step { agent_version: Some(VERSION.to_owned()), state, ..Step::default() }
    }
}

/// Executes the run of a post: one try.
pub(crate) async fn execute(
    webhooks: Option<&Webhooks>,
    run: &Run,
    context: &dyn RunContext,
) -> RunOutcome {
    let Some(webhooks) = webhooks else {
        let error = "this node has no webhook secret: give it the one that the others have";
        return permanent("webhooks_not_configured", error);
    };
    match webhooks.attempt(run, context).await {
        Ok(outcome) => outcome,
        Err(ContextError::Cancelled(CancelReason::Requested)) => RunOutcome::cancelled(),
        Err(error) => RunOutcome::TransientError { error: error.to_string() },
    }
}

impl Webhooks {
    async fn attempt(
        &self,
        run: &Run,
        context: &dyn RunContext,
    ) -> Result<RunOutcome, ContextError> {
        let Some(post) = super::of(run) else {
            return Ok(permanent("invalid_webhook", "the run has no post to make"));
        };
        let Some(subject) = context.find_run(&post.run_id).await? else {
            return Ok(RunOutcome::natural_end(Some("The run is gone.".to_owned())));
        };
        if post.occasion == Occasion::Waiting && subject.run_state() != RunState::Waiting {
            let over = "The run waits no more: its end is posted.".to_owned();
            return Ok(RunOutcome::natural_end(Some(over)));
        }
        let now = context.now().await?;
        let seconds = now.0.div_euclid(1_000);
        let at = jiff::Timestamp::from_second(seconds).map(|at| at.to_string());
        let body = json!({
            "type": post.occasion,
            "timestamp": at.unwrap_or_default(),
            "data": (self.render)(&subject),
        });
        // The address is the receiver's secret, perhaps: it is not told.
        let span = context.span().child(|| {
            let span = Beginning::new("POST").kind(SpanKind::Client);
            span.with("http.request.method", "POST")
        });
        let sealed = Sealed { at: seconds, body: body.to_string(), trace: span.place() };
        let posted = tokio::select! {
            biased;
            reason = context.cancelled() => return Err(ContextError::Cancelled(reason)),
            posted = self.poster.post(&post, &self.secret, sealed) => posted,
        };
        match &posted {
            Posted::Taken(status) => {
                span.tell(|span| span.set("http.response.status_code", status.as_u16().into()));
            }
            Posted::Refused(_) => span.fail("refused"),
            Posted::Failed { .. } => span.fail("failed"),
        }
        span.end();
        match posted {
            Posted::Taken(status) => {
                Ok(RunOutcome::natural_end(Some(format!("The receiver answered {status}."))))
            }
            Posted::Refused(why) => Ok(permanent("webhook_refused", &why)),
            Posted::Failed { why, retry_after } => {
                self.again(Tried::of(run), why, retry_after, context).await
            }
        }
    }

    /// Waits for the next try, or gives up.
    async fn again(
        &self,
        mut tried: Tried,
        why: String,
        retry_after: Option<Duration>,
        context: &dyn RunContext,
    ) -> Result<RunOutcome, ContextError> {
        let Some(delay) = self.retry_after.get(tried.times).copied() else {
            // Requeued, it has all its tries again.
            context.commit(Tried::default().step()).await?;
            let error = format!("given up after {} tries: {why}", tried.times + 1);
            return Ok(permanent("webhook_failed", &error));
        };
        tried.times += 1;
        let code = "webhook_failed".to_owned();
        context.emit(EventBody::Error { code, message: why }).await?;
        let resume_in = Some(retry_after.map_or(delay, |wish| wish.max(delay)));
        let wait = Wait { resume_in, ..Wait::new(WaitReason::ExternalEvent) };
        Ok(RunOutcome::Waiting { last: tried.step().into(), wait })
    }
}

fn permanent(code: &str, error: &str) -> RunOutcome {
    RunOutcome::PermanentError { code: code.to_owned(), error: error.to_owned() }
}
