//! Waiting for a run, following events, and the list of nodes. Reads that need no more than the store go there.

use std::time::Duration;

use postroom_core::dispatch::DispatchState;
use postroom_core::error::StoreError;
use postroom_core::event::{EventBody, SharedEvent};
use postroom_core::id::{RunId, ThreadId};
use postroom_core::run::{Run, RunState, WaitReason};
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
        let mut run = node.known_run(run_id).await?;
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
        follow::thread_events(&node.hub, store, thread_id.clone(), after, node.event_poll())
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
        Ok(follow::read_from(&*self.inner.store, thread_id, after, limit).await?)
    }

    /// The events of all threads that this node writes from now on. Who takes them too slowly
    /// misses some.
    pub fn all_events(&self) -> EventStream {
        follow::all_events(&self.inner.hub)
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
