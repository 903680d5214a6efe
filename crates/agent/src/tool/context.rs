//! What a tool knows about its call, and what it can do besides answering.

use std::fmt;
use std::sync::Arc;

use postroom_core::event::EventBody;
use postroom_core::id::{AgentId, RunId, ThreadId, ToolCallId};
use postroom_core::ports::{RunContext, Span};
use postroom_core::run::Run;
use tokio_util::sync::CancellationToken;

/// What a tool knows about its call.
#[derive(Clone)]
pub struct ToolContext {
    /// Names the call, the same for a repetition after a crash.
    pub call_id: ToolCallId,
    /// The thread.
    pub thread_id: ThreadId,
    /// The run.
    pub run_id: RunId,
    /// The agent.
    pub agent_id: AgentId,
    /// The number of the claim under which the call is made. It grows with every attempt of the
    /// thread, so that the world can refuse the late call of an earlier one.
    pub fence: u64,
    /// Which attempt of the run it is, from 1.
    pub attempt: u32,
    pub(crate) run: Arc<dyn RunContext>,
    pub(crate) cancel: CancellationToken,
    pub(crate) span: Span,
}

impl ToolContext {
    /// The context of a call that `run` makes under the claim with the number `fence`. What the
    /// tool shows goes to `context`.
    pub fn new(call_id: ToolCallId, run: &Run, fence: u64, context: Arc<dyn RunContext>) -> Self {
        Self {
            call_id,
            thread_id: run.thread_id.clone(),
            run_id: run.id.clone(),
            agent_id: run.agent_id.clone(),
            fence,
            attempt: run.attempt,
            run: context,
            cancel: CancellationToken::new(),
            span: Span::NONE,
        }
    }

    /// The same, with what the tool does traced in `span`.
    pub fn within(self, span: Span) -> Self {
        Self { span, ..self }
    }

    /// The call's span, for what the tool does in turn: whom it asks may join the trace.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Shows a piece of output while the tool still works.
    pub async fn output(&self, delta: &str) {
        let event = EventBody::ToolCallOutputDelta {
            tool_call_id: self.call_id.clone(),
            delta: delta.to_owned(),
        };
        // If the claim is lost, the commit after this call says so; a tool need not know.
        let _ = self.run.emit(event).await;
    }

    /// Resolves when the tool shall stop: the run is cancelled, or the call's time is over. A tool
    /// that answers soon after is still heard; one that goes on is dropped.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// Whether the tool shall stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }
}

impl fmt::Debug for ToolContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolContext")
            .field("call_id", &self.call_id)
            .field("run_id", &self.run_id)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}
