//! Reading what is the caller's, waiting for a run, following events, and the list of nodes.

use std::time::Duration;

use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::{EventBody, SharedEvent};
use postroom_core::id::{DispatchId, RunId, TenantId, ThreadId};
use postroom_core::message::LogMessage;
use postroom_core::pending::Pending;
use postroom_core::ports::{DepthByState, DispatchFilter, Page, RunFilter, ThreadFilter};
use postroom_core::run::{Run, RunState, WaitReason};
use postroom_core::thread::Thread;
use postroom_core::time::Timestamp;
use tokio::time::Instant;

use crate::Postroom;
use crate::error::Error;
use crate::events::{Heard, Listening};
use crate::follow::{self, EventStream};
use crate::node::Node;
use crate::presence::{self, ListedNode};

/// On a store that no other node writes to, everything is heard; looking is a precaution.
const POLL_ALONE: Duration = Duration::from_secs(15);

impl Postroom {
    /// Returns a run once it is done or waits for somebody or something, or as it stands when
    /// `timeout` is over.
    ///
    /// # Errors
    /// Where the run is unknown or the store fails.
    pub async fn wait(&self, run_id: &RunId, timeout: Duration) -> Result<Run, Error> {
        let node = &self.inner;
        let give_up = Instant::now() + timeout.min(FOREVER);
        let mut run = self.run(run_id).await?;
        // Listen, then look: what happens after the look is heard.
        let mut listening = node.hub.listen(&run.thread_id);
        loop {
            run = node.known_run(run_id).await?;
            if node.rests(&run).await? || Instant::now() >= give_up {
                return Ok(run);
            }
            let look_again = give_up.min(Instant::now() + node.event_poll());
            tokio::select! {
                biased;
                () = until_at_rest(&mut listening, run_id) => {}
                () = tokio::time::sleep_until(look_again) => {}
            }
        }
    }

    /// A thread.
    ///
    /// # Errors
    /// [`Refusal::UnknownThread`].
    pub async fn thread(&self, thread_id: &ThreadId) -> Result<Thread, Error> {
        let thread = self.inner.store.thread(thread_id).await?;
        thread
            .filter(|thread| self.is_callers(&thread.tenant))
            .ok_or_else(|| Refusal::UnknownThread { thread_id: thread_id.clone() }.into())
    }

    /// Threads, newest first.
    ///
    /// # Errors
    /// Where the store fails, or the cursor is none.
    pub async fn threads(
        &self,
        mut filter: ThreadFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Thread>, Error> {
        filter.tenant = self.caller.clone().or(filter.tenant);
        Ok(self.inner.store.threads(&filter, limit, cursor).await?)
    }

    /// A run.
    ///
    /// # Errors
    /// [`Refusal::UnknownRun`].
    pub async fn run(&self, run_id: &RunId) -> Result<Run, Error> {
        let run = self.inner.known_run(run_id).await?;
        if self.is_callers(&run.tenant) {
            return Ok(run);
        }
        Err(Refusal::UnknownRun { run_id: run_id.clone() }.into())
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// Where the store fails, or the cursor is none.
    pub async fn runs(
        &self,
        mut filter: RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, Error> {
        filter.tenant = self.caller.clone().or(filter.tenant);
        Ok(self.inner.store.runs(&filter, limit, cursor).await?)
    }

    /// A dispatch.
    ///
    /// # Errors
    /// [`Refusal::UnknownDispatch`].
    pub async fn dispatch(&self, dispatch_id: DispatchId) -> Result<Dispatch, Error> {
        let dispatch = self.inner.store.dispatch(dispatch_id).await?;
        dispatch
            .filter(|dispatch| self.is_callers(&dispatch.tenant))
            .ok_or_else(|| Refusal::UnknownDispatch { dispatch_id }.into())
    }

    /// Dispatches, newest first.
    ///
    /// # Errors
    /// Where the store fails, or the cursor is none.
    pub async fn dispatches(
        &self,
        mut filter: DispatchFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Dispatch>, Error> {
        filter.tenant = self.caller.clone().or(filter.tenant);
        Ok(self.inner.store.dispatches(&filter, limit, cursor).await?)
    }

    /// A thread's messages after `after_seq`, in order.
    ///
    /// # Errors
    /// [`Refusal::UnknownThread`].
    pub async fn messages(
        &self,
        thread_id: &ThreadId,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<LogMessage>, Error> {
        self.thread(thread_id).await?;
        Ok(self.inner.store.messages(thread_id, after_seq, limit).await?)
    }

    /// A thread's pending messages, in order.
    ///
    /// # Errors
    /// [`Refusal::UnknownThread`].
    pub async fn pending(&self, thread_id: &ThreadId) -> Result<Vec<Pending>, Error> {
        self.thread(thread_id).await?;
        Ok(self.inner.store.pending(thread_id).await?)
    }

    /// How many dispatches are in each state.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn depth(&self) -> Result<DepthByState, Error> {
        Ok(match &self.caller {
            Some(caller) => self.inner.store.depth_of(caller).await?,
            None => self.inner.store.depth().await?,
        })
    }

    /// Deletes up to `limit` dispatches that are in `state`, or in any terminal one, since before
    /// `older_than`; says how many.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn purge_dispatches(
        &self,
        state: Option<DispatchState>,
        older_than: Timestamp,
        limit: usize,
    ) -> Result<u64, Error> {
        let caller = self.caller.as_ref();
        Ok(self.inner.store.purge_terminal(caller, state, older_than, limit).await?)
    }

    fn is_callers(&self, owner: &TenantId) -> bool {
        self.caller.as_ref().is_none_or(|caller| caller == owner)
    }

    /// The nodes that work on the store, this one among them, and those that did of late.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn nodes(&self) -> Result<Vec<ListedNode>, Error> {
        Ok(presence::list(&self.inner).await?)
    }

    /// A thread's events after `after`: those that were, then those that come, each once and without
    /// a gap. However slowly they are taken, no run waits for it.
    pub fn events(&self, thread_id: &ThreadId, after: u64) -> EventStream {
        let node = &self.inner;
        let store = node.store.clone();
        let of = (thread_id.clone(), self.caller.clone());
        follow::thread_events(&node.hub, store, of, after, node.event_poll())
    }

    /// A page of a thread's events after `after`, without a gap.
    ///
    /// # Errors
    /// [`Refusal::EventsPurged`](postroom_core::error::Refusal::EventsPurged) where the next one is
    /// not kept any more.
    pub async fn events_after(
        &self,
        thread_id: &ThreadId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<SharedEvent>, Error> {
        let (store, caller) = (&*self.inner.store, self.caller.as_ref());
        Ok(follow::read_from(store, thread_id, caller, after, limit).await?)
    }

    /// The events of all its threads that this node writes from now on. Who takes them too slowly
    /// misses some.
    pub fn all_events(&self) -> EventStream {
        follow::all_events(&self.inner.hub, self.inner.store.clone(), self.caller.clone())
    }
}

/// Resolves when the run may have ended, or waits.
async fn until_at_rest(listening: &mut Listening, run_id: &RunId) {
    loop {
        match listening.hear().await {
            Heard::Something | Heard::UpTo(_) => return,
            Heard::Event(event) if event.run_id.as_ref() == Some(run_id) => match event.body {
                EventBody::RunFinished { .. } | EventBody::RunWaiting { .. } => return,
                _ => {}
            },
            Heard::Event(_) => {}
        }
    }
}

/// Longer than anybody waits, and short enough for the clock.
const FOREVER: Duration = Duration::from_hours(365 * 24);

impl Node {
    fn event_poll(&self) -> Duration {
        let poll = self.config.mailbox.event_poll();
        if self.is_alone { poll.max(POLL_ALONE) } else { poll }
    }

    /// Whether the run goes on only if something happens, or its time has come. A run that waits and
    /// has a dispatch in the queue that is due goes on by itself, and so does one that waits for a
    /// model's limit to end.
    async fn rests(&self, run: &Run) -> Result<bool, StoreError> {
        match run.run_state() {
            RunState::Done => Ok(true),
            RunState::Created | RunState::Running => Ok(false),
            RunState::Waiting => {
                let Some(id) = run.dispatch_id else { return Ok(true) };
                let Some(dispatch) = self.store.dispatch(id).await? else { return Ok(true) };
                if dispatch.state() != DispatchState::Queued {
                    return Ok(true);
                }
                let by_itself = run.wait_reason() == Some(WaitReason::RateLimit);
                Ok(!by_itself && dispatch.available_at > self.store.now().await?)
            }
        }
    }
}
