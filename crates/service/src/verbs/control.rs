//! Steering, interrupting, cancelling, deciding, requeueing.

use std::sync::Arc;

use postroom_core::command::{
    CancelTarget, Cancelled, Command, Decided, DecidedVia, Envelope, Interrupted, Reply, Submitted,
    SubmittedStatus,
};
use postroom_core::dispatch::Dispatch;
use postroom_core::error::Refusal;
use postroom_core::id::{DispatchId, RunId, TenantId, ThreadId};
use postroom_core::live::{LiveCommand, LiveTarget};
use postroom_core::message::NewMessage;
use postroom_core::pending::Delivery;
use postroom_core::run::Run;
use postroom_core::ticket::Decision;

use crate::Postroom;
use crate::admission::Permit;
use crate::delivery::Claimed;
use crate::error::Error;
use crate::journal::misanswered;
use crate::node::{Done, Node, Then};
use crate::nudge::{self, Wish};
use crate::observe::{Operation, Outcome};

impl Postroom {
    /// Steers exactly this run: it takes the messages in at the boundary that `delivery` names.
    ///
    /// # Errors
    /// [`Refusal::RunNotActive`] where it neither executes nor waits.
    pub async fn deliver(
        &self,
        run_id: &RunId,
        mut messages: Vec<NewMessage>,
        delivery: Delivery,
    ) -> Result<Submitted, Error> {
        self.inner.lifecycle.accepts()?;
        for message in &mut messages {
            message.id.get_or_insert_with(|| self.inner.ids.new_uuid().into());
        }
        let max_pending = self.inner.config.limits.max_pending_per_thread;
        let run_id = run_id.clone();
        let this = self.clone();
        let delivered = self.inner.carry_through(move |node| async move {
            let run = match this.run(&run_id).await {
                Ok(run) => run,
                Err(error) => return Done::failed(error),
            };
            let command = Command::Deliver { run_id, messages, delivery, max_pending };
            match node.apply_repeatable(this.envelope(run.thread_id, command)).await.reply {
                Ok(Reply::Submitted(submitted)) => {
                    if submitted.status == SubmittedStatus::Queued {
                        // It continues a run that waited.
                        node.ready.mark();
                    }
                    Done::well(submitted)
                }
                Ok(other) => Done::failed(misanswered("deliver", &other)),
                Err(error) => Done::failed(error),
            }
        });
        delivered.await
    }

    /// Begins a new epoch: all that is queued in the thread is superseded, and the run that executes
    /// is asked to stop.
    ///
    /// # Errors
    /// Where the thread is unknown or the store fails.
    pub async fn interrupt(&self, thread_id: &ThreadId) -> Result<Interrupted, Error> {
        self.inner.lifecycle.accepts()?;
        let interrupt = self.envelope(thread_id.clone(), Command::Interrupt);
        let interrupted = self.inner.carry_through(move |node| async move {
            match node.apply_one(interrupt).await {
                Ok(Reply::Interrupted(interrupted)) => {
                    let superseded = interrupted.superseded.len();
                    node.observer.count_many(Operation::Supersede, Outcome::Ok, superseded);
                    node.reports.look();
                    if let Some(active) = &interrupted.active {
                        let target = nudge::target(&active.thread_id, &active.run_id, active.id);
                        node.ask_to_stop(target, Wish::OnlyAsked);
                    }
                    Done::well(interrupted)
                }
                Ok(other) => Done::failed(misanswered("interrupt", &other)),
                Err(error) => Done::failed(error),
            }
        });
        interrupted.await
    }

    /// Cancels a dispatch and its run: at once if it is queued, where it executes if it does.
    ///
    /// # Errors
    /// [`Refusal::UnknownDispatch`]; [`Refusal::IllegalDispatch`] where it is over already.
    pub async fn cancel_dispatch(&self, dispatch_id: DispatchId) -> Result<Cancelled, Error> {
        let dispatch = self.dispatch(dispatch_id).await?;
        self.cancel(dispatch.thread_id, CancelTarget::Dispatch(dispatch_id)).await
    }

    /// Cancels a run, whether it is queued, executes or waits.
    ///
    /// # Errors
    /// [`Refusal::UnknownRun`]; [`Refusal::IllegalRun`] where it is over already.
    pub async fn cancel_run(&self, run_id: &RunId) -> Result<Cancelled, Error> {
        let run = self.run(run_id).await?;
        self.cancel(run.thread_id, CancelTarget::Run(run_id.clone())).await
    }

    /// Cancels what the thread does: its executing run, else the head of its queue, else its
    /// waiting run.
    ///
    /// # Errors
    /// [`Refusal::UnknownThread`]; a refusal where it does nothing.
    pub async fn cancel_thread(&self, thread_id: &ThreadId) -> Result<Cancelled, Error> {
        self.cancel(thread_id.clone(), CancelTarget::Thread).await
    }

    async fn cancel(&self, thread_id: ThreadId, target: CancelTarget) -> Result<Cancelled, Error> {
        self.inner.lifecycle.accepts()?;
        let command = Command::Cancel { target, stop_executing: true };
        let cancel = self.envelope(thread_id.clone(), command);
        let cancelled = self.inner.carry_through(move |node| async move {
            match node.apply_one(cancel).await {
                Ok(Reply::Cancelled(cancelled)) => {
                    if let Cancelled::Executing { run_id, dispatch_id, .. } = &cancelled {
                        let target = nudge::target(&thread_id, run_id, *dispatch_id);
                        node.ask_to_stop(target, Wish::Written);
                    } else {
                        // What was behind it in the queue may be ready now.
                        node.ready.mark();
                        node.reports.look();
                    }
                    Done::well(cancelled)
                }
                Ok(other) => Done::failed(misanswered("cancel", &other)),
                Err(error) => Done::failed(error),
            }
        });
        cancelled.await
    }

    /// Decides tickets of a run: it goes on where it executes, or is queued again.
    ///
    /// # Errors
    /// [`Refusal::UnknownRun`], [`Refusal::UnknownTicket`]; [`Refusal::TicketClosed`] where a ticket
    /// was decided otherwise or its run has ended. Nothing is changed then.
    pub async fn decide(&self, run_id: &RunId, decisions: Vec<Decision>) -> Result<Decided, Error> {
        self.inner.lifecycle.accepts()?;
        let (this, run_id) = (self.clone(), run_id.clone());
        self.inner
            .carry_through(move |node| async move {
                match this.run(&run_id).await {
                    Ok(run) => node.decide(run, this.caller, decisions).await,
                    Err(error) => Done::failed(error),
                }
            })
            .await
    }

    /// Makes a new dispatch, with a fresh attempt budget, of a dead letter's run.
    ///
    /// # Errors
    /// [`Refusal::UnknownDispatch`]; [`Refusal::IllegalDispatch`] where it is no dead letter;
    /// [`Refusal::AlreadyRequeued`].
    pub async fn requeue(&self, dispatch_id: DispatchId) -> Result<Dispatch, Error> {
        self.inner.lifecycle.accepts()?;
        let this = self.clone();
        let requeued = self.inner.carry_through(move |node| async move {
            let dead = match this.dispatch(dispatch_id).await {
                Ok(dead) => dead,
                Err(error) => return Done::failed(error),
            };
            let command = Command::Requeue { dispatch_id, max_attempts: None };
            match node.apply_one(this.envelope(dead.thread_id, command)).await {
                Ok(Reply::Enqueued(dispatch)) => {
                    node.ready.mark();
                    Done::well(Arc::unwrap_or_clone(dispatch))
                }
                Ok(other) => Done::failed(misanswered("requeue", &other)),
                Err(error) => Done::failed(error),
            }
        });
        requeued.await
    }
}

impl Node {
    async fn decide(
        self: &Arc<Self>,
        run: Run,
        caller: Option<TenantId>,
        decisions: Vec<Decision>,
    ) -> Done<Decided> {
        let place = self.lifecycle.is_ready().then(|| Permit::take(self)).flatten();
        let claim = place.is_some().then(|| self.claim_request(None));
        let command = Command::Decide { run_id: run.id.clone(), decisions, claim };
        let envelope = Envelope::new(run.thread_id.clone(), command).on_behalf_of(caller);
        let answer = self.apply_repeatable(envelope).await;
        if answer.lost_one && place.is_some() {
            self.lost.look_for_some(self);
        }
        let mut decided = match answer.reply {
            Ok(Reply::Decided(decided)) => decided,
            Ok(other) => return Done::failed(misanswered("decide", &other)),
            Err(error) => return Done::failed(error),
        };
        let then = match (decided.claimed.take(), place) {
            (Some(delivered), Some(permit)) => {
                let asked_at = answer.asked_at;
                Then::Run(Box::new(Claimed { delivered: *delivered, permit, asked_at }))
            }
            _ => {
                self.tell_of_decision(&run, decided.via);
                Then::Nothing
            }
        };
        Done { answer: Ok(decided), then }
    }

    fn tell_of_decision(self: &Arc<Self>, run: &Run, via: DecidedVia) {
        match via {
            DecidedVia::Queued(_) => self.ready.mark(),
            DecidedVia::Live | DecidedVia::Partly => {
                let target = LiveTarget {
                    thread_id: run.thread_id.clone(),
                    run_id: run.id.clone(),
                    dispatch_id: run.dispatch_id,
                };
                let node = self.clone();
                // If it is not heard, the run looks by itself after a while.
                self.spawn(async move {
                    node.nudge(&target, LiveCommand::Decision).await;
                });
            }
        }
    }

    pub(crate) async fn known_run(&self, run_id: &RunId) -> Result<Run, Error> {
        let run = self.store.run(run_id).await?;
        run.ok_or_else(|| Refusal::UnknownRun { run_id: run_id.clone() }.into())
    }
}
