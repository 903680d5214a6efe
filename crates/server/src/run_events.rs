//! The events of one run, among those of its thread, up to its last.

use futures::stream::{self, Stream, StreamExt};
use postroom_core::error::StoreError;
use postroom_core::event::{Event, EventBody, SharedEvent};
use postroom_core::id::{RunId, ThreadId};
use postroom_core::run::{Run, RunState};
use postroom_service::{EventStream, Postroom};

/// Where a run's stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndsWhere {
    /// Only where the run is done.
    Done,
    /// Also where the run gives up its executor to wait: nothing comes until somebody acts. A run
    /// that waits with its executor held (`live`) keeps the stream open.
    DoneOrWaiting,
}

/// The run's events after the event `after`.
pub(crate) fn run_events(
    postroom: &Postroom,
    thread_id: &ThreadId,
    run_id: &RunId,
    after: u64,
    ends: EndsWhere,
) -> impl Stream<Item = Result<SharedEvent, StoreError>> + Send + use<> {
    let begin = Follower {
        events: postroom.events(thread_id, after),
        last: after,
        end: None,
        has_begun: false,
        run: Followed {
            postroom: postroom.clone(),
            thread_id: thread_id.clone(),
            run_id: run_id.clone(),
            ends,
        },
    };
    stream::try_unfold(begin, |mut follower| async move {
        let next = follower.next().await?;
        Ok(next.map(|event| (event, follower)))
    })
}

struct Follower {
    events: EventStream,
    run: Followed,
    /// `seq` of the last event seen.
    last: u64,
    /// With this event, the stream is over.
    end: Option<u64>,
    has_begun: bool,
}

impl Follower {
    async fn next(&mut self) -> Result<Option<SharedEvent>, StoreError> {
        if !self.has_begun {
            self.has_begun = true;
            // A run that has ended already shows what there is; no more is waited for.
            self.end = self.run.end_so_far().await?;
        }
        loop {
            if self.end.is_some_and(|end| self.last >= end) {
                return Ok(None);
            }
            let Some(event) = self.events.next().await.transpose()? else { return Ok(None) };
            self.last = event.seq;
            if event.run_id.as_ref() == Some(&self.run.run_id) {
                if self.run.ends_with(&event).await? {
                    self.end = Some(event.seq);
                }
                return Ok(Some(event));
            }
        }
    }
}

/// The run, as the store has it.
struct Followed {
    postroom: Postroom,
    thread_id: ThreadId,
    run_id: RunId,
    ends: EndsWhere,
}

impl Followed {
    /// The thread's last event, if the run has ended.
    async fn end_so_far(&self) -> Result<Option<u64>, StoreError> {
        // The run first: what it ended with is then among the thread's events.
        if !self.has_ended(None).await? {
            return Ok(None);
        }
        let thread = self.postroom.store().thread(&self.thread_id).await?;
        Ok(Some(thread.map_or(0, |thread| thread.event_seq)))
    }

    async fn ends_with(&self, event: &Event) -> Result<bool, StoreError> {
        match event.body {
            EventBody::RunFinished { .. } => self.has_ended(Some(event)).await,
            EventBody::RunWaiting { live: false, .. } => self.has_ended(None).await,
            _ => Ok(false),
        }
    }

    /// Whether the run has ended, by this event where one is given: a dead letter that is retried
    /// lets a run go on that had ended, and end again.
    async fn has_ended(&self, by: Option<&Event>) -> Result<bool, StoreError> {
        let Some(run) = self.postroom.store().run(&self.run_id).await? else { return Ok(true) };
        match run.run_state() {
            RunState::Done => Ok(by.is_none_or(|event| run.finished_at() == Some(event.at))),
            RunState::Waiting if self.ends == EndsWhere::DoneOrWaiting => {
                self.is_left_alone(&run).await
            }
            _ => Ok(false),
        }
    }

    /// Whether a waiting run neither holds its executor nor is about to get one.
    async fn is_left_alone(&self, run: &Run) -> Result<bool, StoreError> {
        let Some(id) = run.dispatch_id else { return Ok(true) };
        let dispatch = self.postroom.store().dispatch(id).await?;
        Ok(dispatch.is_none_or(|dispatch| dispatch.state().is_terminal()))
    }
}
