//! What an executor can do with its run: the context of one execution.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::command::{Command, Committed, Reply, Step, Submit, Submitted, Suspend};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::EventBody;
use postroom_core::id::{RunId, TaskId, ThreadId, ToolCallId};
use postroom_core::message::{LogMessage, NewMessage};
use postroom_core::ports::{Cancel, CancelReason, ContextError, RunContext, Span};
use postroom_core::run::Run;
use postroom_core::ticket::Decision;
use postroom_core::time::Timestamp;
use tokio::time::Instant;

use crate::background;
use crate::backoff::Backoff;
use crate::error::Error;
use crate::execution::Execution;
use crate::journal::misanswered;
use crate::shown::Flush;
use crate::trace;

#[async_trait]
impl RunContext for Execution {
    async fn emit(&self, event: EventBody) -> Result<(), ContextError> {
        self.check_held()?;
        let flush = self.shown.lock().push(event, self.node.config.mailbox.delta_flush_bytes);
        match flush {
            Flush::IsDue => Ok(()),
            Flush::Soon => {
                self.flush_soon();
                Ok(())
            }
            // The executor waits here: it can't outrun the store.
            Flush::Now => self.flush().await,
        }
    }

    async fn commit(&self, step: Step) -> Result<Committed, ContextError> {
        self.check_held()?;
        let _writer = self.writer.lock().await;
        self.write(step).await
    }

    fn cancelled(&self) -> Cancel<'_> {
        Box::pin(self.stop.raised())
    }

    fn is_cancelled(&self) -> Option<CancelReason> {
        self.stop.reason()
    }

    async fn suspend(
        &self,
        mut step: Step,
        suspend: Suspend,
        patience: Duration,
    ) -> Result<Option<Vec<Decision>>, ContextError> {
        let asked: Vec<ToolCallId> =
            suspend.tickets.iter().map(|ticket| ticket.tool_call_id.clone()).collect();
        step.suspend = Some(suspend);
        self.commit(step).await?;
        // Somebody outside may want to hear that it waits.
        self.node.reports.look();

        self.lend_place(true);
        let decided = tokio::time::timeout(patience, self.until_decided()).await;
        self.lend_place(false);
        let Ok(decided) = decided else { return Ok(None) };
        let run = decided?;

        self.commit(Step { resume: true, ..Step::default() }).await?;
        let decisions = asked.iter().filter_map(|id| run.ticket(id)?.decision().cloned());
        Ok(Some(decisions.collect()))
    }

    async fn decision(&self, tool_call_id: &ToolCallId) -> Result<Option<Decision>, ContextError> {
        let run = self.read_run().await?;
        Ok(run.ticket(tool_call_id).and_then(|ticket| ticket.decision().cloned()))
    }

    fn span(&self) -> Span {
        self.span.clone()
    }

    async fn find_run(&self, id: &RunId) -> Result<Option<Run>, ContextError> {
        let run = self.node.store.run(id).await.map_err(ContextError::Store)?;
        Ok(run.filter(|run| run.tenant == self.tenant))
    }

    async fn submit(
        &self,
        thread_id: ThreadId,
        mut submit: Submit,
    ) -> Result<Submitted, ContextError> {
        let caller = Some(self.tenant.clone());
        trace::come_from(&mut submit, self.span.place());
        let carried = self.node.carry_through(move |node| async move {
            let (thread_id, submit) = node.prepare(Some(thread_id), submit, caller.as_ref());
            node.submit(thread_id, submit, caller).await
        });
        carried.await.map_err(|error| match error {
            Error::Store(error) => ContextError::Store(error),
            error @ Error::NotReady { .. } => {
                ContextError::Store(StoreError::Unavailable { reason: error.to_string() })
            }
        })
    }

    async fn now(&self) -> Result<Timestamp, ContextError> {
        self.node.store.now().await.map_err(ContextError::Store)
    }

    async fn prompt(&self) -> Result<Vec<LogMessage>, ContextError> {
        let prompt = self.node.store.prompt(&self.thread_id, &self.run_id).await;
        prompt.map_err(ContextError::Store)
    }

    async fn spawn_background(
        &self,
        task: Pin<Box<dyn Future<Output = Option<NewMessage>> + Send>>,
    ) -> TaskId {
        background::start(self, task)
    }
}

impl Execution {
    fn check_held(&self) -> Result<(), ContextError> {
        if self.stop.reason() == Some(CancelReason::LeaseLost) {
            return Err(ContextError::ClaimLost);
        }
        Ok(())
    }

    /// Writes what is shown after a while, together with what is shown meanwhile.
    fn flush_soon(&self) {
        let Some(this) = self.me.upgrade() else { return };
        self.node.spawn(async move {
            tokio::time::sleep(this.node.config.mailbox.delta_flush()).await;
            // It fails only where the claim or the store fails, which the next write will tell.
            let _ = this.flush().await;
        });
    }

    async fn flush(&self) -> Result<(), ContextError> {
        let _writer = self.writer.lock().await;
        self.shown.lock().flush_began();
        if self.is_settling() || self.shown.lock().is_empty() {
            return Ok(());
        }
        self.write(Step::default()).await.map(drop)
    }

    /// Writes a step, and before it what was shown. To be called with the writer held.
    async fn write(&self, mut step: Step) -> Result<Committed, ContextError> {
        let mut events = self.shown.lock().take();
        events.append(&mut step.events);
        step.events = events;
        let only_shows = is_only_events(&step);
        let lease = step.suspend.as_ref().map(|suspend| suspend.lease);
        let resumes = step.resume;

        let (answer, asked_at) = self.commit_until_deadline(step).await;
        match answer {
            Ok(committed) => {
                if let Some(length) = lease {
                    self.lease.lock().set_length(length);
                    self.lease_granted(asked_at, length);
                } else if resumes {
                    self.lease.lock().set_length(self.node.config.mailbox.lease());
                }
                if committed.stop_requested {
                    self.stop.raise(CancelReason::Requested);
                }
                Ok(committed)
            }
            Err(StoreError::Refused(Refusal::StaleClaim { .. })) => {
                self.stop.raise(CancelReason::LeaseLost);
                Err(ContextError::ClaimLost)
            }
            Err(error) => {
                if matches!(error, StoreError::OutcomeUnknown { .. }) && !only_shows {
                    self.out_of_step.store(true, Ordering::Release);
                }
                Err(ContextError::Store(error))
            }
        }
    }

    /// Tries while nothing is written and the claim holds. A commit whose answer was lost is not
    /// repeated: it would be written twice.
    async fn commit_until_deadline(&self, step: Step) -> (Result<Committed, StoreError>, Instant) {
        let mut pause = Backoff::of_store();
        let step = Box::new(step);
        loop {
            let asked_at = Instant::now();
            let command = Command::Commit { claim: self.claim.clone(), step: step.clone() };
            let answer = match self.node.apply(self.thread_id.clone(), command).await {
                Ok(Reply::Committed(committed)) => Ok(committed),
                Ok(other) => Err(misanswered("commit", &other)),
                Err(error) => Err(error),
            };
            let pause = match &answer {
                Err(StoreError::Unavailable { .. }) => pause.pause(),
                _ => return (answer, asked_at),
            };
            if Instant::now() + pause >= self.deadline() {
                return (answer, asked_at);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Resolves with the run once none of its tickets is open. Live commands make it quick; looking
    /// from time to time makes it sure.
    async fn until_decided(&self) -> Result<Run, ContextError> {
        let poll = self.node.config.mailbox.decision_poll();
        loop {
            // A nudge that comes between the look and the wait is kept by `decided`.
            match self.read_run().await {
                Ok(run) if run.stop_requested => self.stop.raise(CancelReason::Requested),
                Ok(run) if !run.has_open_ticket() => return Ok(run),
                Ok(_) | Err(ContextError::Store(_)) => {}
                Err(error) => return Err(error),
            }
            tokio::select! {
                biased;
                reason = self.stop.raised() => return Err(match reason {
                    CancelReason::LeaseLost => ContextError::ClaimLost,
                    reason => ContextError::Cancelled(reason),
                }),
                () = self.decided.notified() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
    }

    async fn read_run(&self) -> Result<Run, ContextError> {
        match self.node.store.run(&self.run_id).await {
            Ok(Some(run)) => Ok(run),
            // Its thread was deleted.
            Ok(None) => Err(ContextError::ClaimLost),
            Err(error) => Err(ContextError::Store(error)),
        }
    }

    fn lend_place(&self, lend: bool) {
        if let Some(permit) = self.permit.lock().as_mut() {
            if lend { permit.lend() } else { permit.reclaim() }
        }
    }
}

/// Whether losing track of the step loses nothing but what was shown.
fn is_only_events(step: &Step) -> bool {
    let Step {
        messages,
        events: _,
        state,
        usage,
        steps,
        agent_version,
        take,
        by_default,
        suspend,
        resume,
        has_children,
    } = step;
    messages.is_empty()
        && state.is_none()
        && *usage == postroom_core::run::Usage::default()
        && *steps == 0
        && agent_version.is_none()
        && *take == postroom_core::command::Take::Nothing
        && by_default.is_empty()
        && suspend.is_none()
        && !resume
        && !has_children
}
