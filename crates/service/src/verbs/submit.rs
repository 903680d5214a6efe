//! Submitting: the five ways in.

use std::sync::Arc;
use std::time::Duration;

use futures::future;
use postroom_core::command::{
    Command, Envelope, Mode, Reply, Start, Submit, Submitted, SubmittedStatus,
};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::EventBody;
use postroom_core::id::{IdempotencyKey, TenantId, ThreadId};
use postroom_core::live::LiveCommand;
use postroom_core::reserved::RESERVED;
use tokio::time::Instant;
use uuid::Uuid;

use crate::Postroom;
use crate::admission::Permit;
use crate::delivery::Claimed;
use crate::error::Error;
use crate::events::{Heard, Listening};
use crate::journal::misanswered;
use crate::node::{Done, Node, Then};
use crate::{nudge, trace};

/// How often an interrupting submission looks whether the run has stopped, where nothing tells.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Names the thread ids that are made from idempotency keys.
const THREADS_BY_KEY: Uuid = Uuid::from_u128(0x8f0d_5c1e_77a4_4b0e_9a39_52c6_0b1e_d2a7);

impl Postroom {
    /// Messages become a run, or join one, as the submission's mode says. Without a thread id the
    /// thread is a new one, but the same one for the same idempotency key. The answer is durable,
    /// and so is the submission if this future is dropped after it was sent.
    ///
    /// # Errors
    /// [`Refusal::ActiveRun`] where an interrupting submission has waited in vain: nothing was
    /// written or superseded then. [`Error::NotReady`] before recovery and after a shutdown.
    pub async fn submit(
        &self,
        thread_id: Option<ThreadId>,
        mut submit: Submit,
    ) -> Result<Submitted, Error> {
        self.inner.lifecycle.accepts()?;
        self.check_parents(&submit).await?;
        trace::come_from(&mut submit, self.trace);
        let caller = self.caller.clone();
        let (thread_id, submit) = self.inner.prepare(thread_id, submit, caller.as_ref());
        self.inner
            .carry_through(move |node| async move { node.submit(thread_id, submit, caller).await })
            .await
    }

    /// Many submissions, each atomic on its own, made durable together. Answers in their order.
    pub async fn submit_batch(
        &self,
        items: Vec<(Option<ThreadId>, Submit)>,
    ) -> Vec<Result<Submitted, Error>> {
        if let Err(error) = self.inner.lifecycle.accepts() {
            return items.iter().map(|_| Err(error.clone())).collect();
        }
        let caller = self.caller.clone();
        let mut refused = Vec::with_capacity(items.len());
        let mut prepared = Vec::with_capacity(items.len());
        for (thread_id, mut submit) in items {
            match self.check_parents(&submit).await {
                Ok(()) => {
                    trace::come_from(&mut submit, self.trace);
                    prepared.push(self.inner.prepare(thread_id, submit, caller.as_ref()));
                    refused.push(None);
                }
                Err(error) => refused.push(Some(error)),
            }
        }
        let count = prepared.len();
        let answers = self.inner.carry_through(move |node| async move {
            Done::well(node.submit_all(prepared, caller).await)
        });
        let answers = answers.await.unwrap_or_else(|error| vec![Err(error); count]);
        let mut answers = answers.into_iter();
        let answer = |refused: Option<Error>| refused.map(Err).or_else(|| answers.next());
        refused.into_iter().filter_map(answer).collect()
    }
}

impl Postroom {
    /// What a tenant's submission comes from must be theirs. Nothing needs to be locked for it: whose
    /// a run or thread is does not change.
    async fn check_parents(&self, submit: &Submit) -> Result<(), Error> {
        if let Some(parent) = &submit.parent_thread_id {
            self.check_parent_thread(parent).await?;
        }
        let (Some(caller), Some(parent)) = (&self.caller, &submit.parent_run_id) else {
            return Ok(());
        };
        // A name that only Postroom gives is nobody's.
        if parent.with_str(|id| id.starts_with(RESERVED)) {
            return Ok(());
        }
        let known = self.inner.store.run(parent).await?;
        if is_theirs(caller, known.as_ref().map(|run| &run.tenant)) {
            return Ok(());
        }
        Err(Refusal::UnknownRun { run_id: parent.clone() }.into())
    }

    /// The same of a thread that one is opened from.
    pub(super) async fn check_parent_thread(&self, parent: &ThreadId) -> Result<(), Error> {
        let Some(caller) = &self.caller else { return Ok(()) };
        let known = self.inner.store.thread(parent).await?;
        if is_theirs(caller, known.as_ref().map(|thread| &thread.tenant)) {
            return Ok(());
        }
        Err(Refusal::UnknownThread { thread_id: parent.clone() }.into())
    }
}

/// Whether the caller may name what is `owner`'s. The default tenant may also name what is not there,
/// as it could before there were tenants; others may not, so that they don't learn what is.
fn is_theirs(caller: &TenantId, owner: Option<&TenantId>) -> bool {
    owner.map_or(caller.is_default(), |owner| owner == caller)
}

impl Node {
    /// Gives everything its name before it is sent for the first time, so that sending it again
    /// writes nothing twice.
    pub(crate) fn prepare(
        &self,
        thread_id: Option<ThreadId>,
        mut submit: Submit,
        caller: Option<&TenantId>,
    ) -> (ThreadId, Submit) {
        let thread_id = thread_id.unwrap_or_else(|| {
            let by_key = submit.idempotency_key.as_ref().map(|key| thread_of_key(key, caller));
            by_key.unwrap_or_else(|| self.ids.new_uuid().into())
        });
        for message in &mut submit.messages {
            message.id.get_or_insert_with(|| self.ids.new_uuid().into());
        }
        submit.limits = self.config.limits.of_a_thread();
        (thread_id, submit)
    }

    pub(crate) async fn submit(
        self: &Arc<Self>,
        thread_id: ThreadId,
        mut submit: Submit,
        caller: Option<TenantId>,
    ) -> Done<Submitted> {
        let span = trace::submission(self, &thread_id, &mut submit);
        let done = match submit.mode {
            Mode::Interrupt | Mode::Rollback => {
                let done = self.submit_interrupting(thread_id, submit, caller).await;
                // What it superseded may owe a report.
                self.reports.look();
                done
            }
            Mode::Enqueue | Mode::Steer | Mode::Reject => {
                self.submit_once(thread_id, submit, caller).await
            }
        };
        trace::submitted(&span, &done.answer);
        done
    }

    /// Submits, and claims at once where there is room and nothing else waits for it.
    async fn submit_once(
        self: &Arc<Self>,
        thread_id: ThreadId,
        submit: Submit,
        caller: Option<TenantId>,
    ) -> Done<Submitted> {
        let (done, lost_one) = self.try_to_submit(thread_id, submit, caller).await;
        if lost_one { unless_refused(done) } else { done }
    }

    /// The same, and whether a try is without an answer.
    async fn try_to_submit(
        self: &Arc<Self>,
        thread_id: ThreadId,
        mut submit: Submit,
        caller: Option<TenantId>,
    ) -> (Done<Submitted>, bool) {
        let permit = self.place_for(&submit);
        submit.claim = permit.is_some().then(|| self.claim_request(None));
        let start = submit.start;
        let command = Command::Submit(Box::new(submit));
        let envelope = Envelope::new(thread_id, command).on_behalf_of(caller);
        let answer = self.apply_repeatable(envelope).await;
        if answer.lost_one && permit.is_some() {
            self.lost.look_for_some(self);
        }
        let done = match answer.reply {
            Ok(Reply::Submitted(submitted)) => {
                self.accepted(submitted, start, permit, answer.asked_at)
            }
            Ok(other) => Done::failed(misanswered("submit", &other)),
            Err(error) => Done::failed(error),
        };
        (done, answer.lost_one)
    }

    /// A place for the run to start in at once. Where others wait for a place, it queues behind them.
    fn place_for(self: &Arc<Self>, submit: &Submit) -> Option<Permit> {
        let starts_now = submit.start == Start::Now;
        let may_start = starts_now && self.lifecycle.is_ready() && !self.ready.is_marked();
        may_start.then(|| Permit::take(self)).flatten()
    }

    /// Sees to it that what was accepted is executed: here and now if it was claimed.
    fn accepted(
        self: &Arc<Self>,
        mut submitted: Submitted,
        start: Start,
        permit: Option<Permit>,
        asked_at: Instant,
    ) -> Done<Submitted> {
        let had_place = permit.is_some();
        let then = match (submitted.claimed.take(), permit) {
            (Some(delivered), Some(permit)) => {
                Then::Run(Box::new(Claimed { delivered: *delivered, permit, asked_at }))
            }
            // It has joined a run, or waits with it, or is known already.
            _ if submitted.status != SubmittedStatus::Queued => Then::Nothing,
            _ => match start {
                // The thread is busy: who executes its run claims this next.
                Start::Now if had_place && !self.admission.is_any_full() => Then::Nothing,
                Start::Now => {
                    self.ready.mark();
                    self.signal(&submitted.thread_id)
                }
                // One that drains does not see the time: another is to ask when it is.
                Start::In(_) | Start::At(_) if !self.lifecycle.is_ready() => {
                    self.signal(&submitted.thread_id)
                }
                Start::In(delay) => {
                    self.ready.mark_in(delay);
                    Then::Nothing
                }
                // In the store's time, which is not this node's: the dispatcher asks when it is.
                Start::At(_) => {
                    self.ready.mark();
                    Then::Nothing
                }
            },
        };
        Done { answer: Ok(submitted), then }
    }

    /// Asks the active run to stop, waits for its claim to be released, and only then submits: in
    /// one transaction that supersedes the queue. If the run does not stop, nothing is written.
    async fn submit_interrupting(
        self: &Arc<Self>,
        thread_id: ThreadId,
        mut submit: Submit,
        caller: Option<TenantId>,
    ) -> Done<Submitted> {
        let deadline = Instant::now() + self.config.mailbox.cancel_wait();
        let mut listening = None;
        let mut asked = None;
        let mut lost_one = false;
        loop {
            let (done, lost) =
                self.try_to_submit(thread_id.clone(), submit.clone(), caller.clone()).await;
            lost_one |= lost;
            let done = if lost_one { unless_active(done) } else { done };
            let Err(Error::Store(StoreError::Refused(Refusal::ActiveRun { run_id, dispatch_id }))) =
                &done.answer
            else {
                return done;
            };
            if Instant::now() >= deadline {
                return if lost_one { unless_refused(done) } else { done };
            }
            // Listen before asking: the answer may be quick.
            let listening = listening.get_or_insert_with(|| self.hub.listen(&thread_id));
            if asked != Some(*dispatch_id) {
                // Nothing is written: if the run is not found, it must not be stopped later.
                let target = nudge::target(&thread_id, run_id, *dispatch_id);
                if self.nudge(&target, LiveCommand::Cancel).await {
                    asked = Some(*dispatch_id);
                }
            }
            if submit.mode == Mode::Rollback {
                submit.stopped_run_id = Some(run_id.clone());
            }
            let look_again = deadline.min(Instant::now() + LOOK_AGAIN_AFTER);
            tokio::select! {
                biased;
                () = until_released(listening) => {}
                () = tokio::time::sleep_until(look_again) => {}
            }
        }
    }

    async fn submit_all(
        self: &Arc<Self>,
        mut items: Vec<(ThreadId, Submit)>,
        caller: Option<TenantId>,
    ) -> Vec<Result<Submitted, Error>> {
        let mut permits = Vec::with_capacity(items.len());
        let mut commands = Vec::with_capacity(items.len());
        let mut spans = Vec::with_capacity(items.len());
        for (thread_id, submit) in &mut items {
            spans.push(trace::submission(self, thread_id, submit));
            let permit = self.place_for(submit);
            let mut submit = submit.clone();
            submit.claim = permit.is_some().then(|| self.claim_request(None));
            permits.push(permit);
            let command = Command::Submit(Box::new(submit));
            commands.push(Envelope::new(thread_id.clone(), command).on_behalf_of(caller.clone()));
        }
        let asked_at = Instant::now();
        let replies = self.apply_all(commands).await;
        if items.iter().any(|(_, submit)| interrupts(submit.mode)) {
            self.reports.look();
        }

        let answers = items.into_iter().zip(permits).zip(replies).map(
            |(((thread_id, submit), permit), reply)| {
                let item = (thread_id, submit, caller.clone());
                self.clone().answer_of_batch(item, permit, reply, asked_at)
            },
        );
        let answers = future::join_all(answers).await;
        for (span, answer) in spans.iter().zip(&answers) {
            trace::submitted(span, answer);
        }
        answers
    }

    /// One item's answer. What needs more than the one transaction goes its own way from here.
    async fn answer_of_batch(
        self: Arc<Self>,
        (thread_id, submit, caller): (ThreadId, Submit, Option<TenantId>),
        permit: Option<Permit>,
        reply: Result<Reply, StoreError>,
        asked_at: Instant,
    ) -> Result<Submitted, Error> {
        match reply {
            Ok(Reply::Submitted(submitted)) => {
                let done = self.accepted(submitted, submit.start, permit, asked_at);
                if !matches!(done.then, Then::Nothing) {
                    self.spawn(crate::node::follow_up(self.clone(), done.then));
                }
                done.answer
            }
            Ok(other) => Err(misanswered("submit", &other).into()),
            Err(StoreError::Refused(Refusal::ActiveRun { .. })) if interrupts(submit.mode) => {
                drop(permit);
                self.carry_through(
                    |node| async move { node.submit(thread_id, submit, caller).await },
                )
                .await
            }
            Err(StoreError::OutcomeUnknown { .. }) => {
                if permit.is_some() {
                    self.lost.look_for_some(&self);
                }
                drop(permit);
                self.carry_through(
                    |node| async move { node.submit(thread_id, submit, caller).await },
                )
                .await
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The same, but for a refusal that is waited out.
fn unless_active(done: Done<Submitted>) -> Done<Submitted> {
    match &done.answer {
        Err(Error::Store(StoreError::Refused(Refusal::ActiveRun { .. }))) => done,
        _ => unless_refused(done),
    }
}

/// A refusal says that this try has written nothing; one before it may be carried out yet.
fn unless_refused(done: Done<Submitted>) -> Done<Submitted> {
    match done.answer {
        Err(Error::Store(StoreError::Refused(refusal))) => {
            let reason = format!("an earlier try is without an answer; now: {refusal}");
            Done::failed(StoreError::OutcomeUnknown { reason })
        }
        _ => done,
    }
}

/// Whether what is queued and waits ends.
fn interrupts(mode: Mode) -> bool {
    matches!(mode, Mode::Interrupt | Mode::Rollback)
}

/// The thread that a submission without a thread id is for: a repetition must meet the first one's
/// mailbox to be known for what it is. Each tenant has its own keys.
fn thread_of_key(key: &IdempotencyKey, caller: Option<&TenantId>) -> ThreadId {
    let names = match caller {
        Some(tenant) if !tenant.is_default() => {
            tenant.with_str(|name| Uuid::new_v5(&THREADS_BY_KEY, name.as_bytes()))
        }
        _ => THREADS_BY_KEY,
    };
    key.with_str(|text| Uuid::new_v5(&names, text.as_bytes())).into()
}

/// Resolves when the thread's claim may have been released.
async fn until_released(listening: &mut Listening) {
    loop {
        match listening.hear().await {
            Heard::Something | Heard::UpTo(_) => return,
            Heard::Event(event) => match event.body {
                EventBody::RunFinished { .. }
                | EventBody::RunWaiting { .. }
                | EventBody::DispatchRetried { .. }
                | EventBody::DispatchDeadLettered { .. }
                | EventBody::AttemptReset { .. } => return,
                _ => {}
            },
        }
    }
}
