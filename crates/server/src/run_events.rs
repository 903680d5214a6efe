//! The events of one run, among those of its thread, up to its last.

use futures::stream::{self, Stream, StreamExt};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::{Event, EventBody, SharedEvent};
use postroom_core::id::{RunId, ThreadId};
use postroom_core::run::{Run, RunState};
use postroom_core::time::Timestamp;
use postroom_service::{Error, EventStream, Postroom};

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
    end: Option<End>,
    has_begun: bool,
}

/// The end of a run that has ended, or of what there is of one that waits.
struct End {
    /// The thread's last event: what belongs to the run is not behind it. The run's own last event
    /// can't be told by its type: a dead letter that is retried lets a run go on that had finished,
    /// and finish again.
    seq: u64,
    /// When the run finished.
    finished_at: Option<Timestamp>,
    /// The event that says so was seen: what is later is not the run's.
    was_seen: bool,
}

impl Follower {
    async fn next(&mut self) -> Result<Option<SharedEvent>, StoreError> {
        if !self.has_begun {
            self.has_begun = true;
            self.skip_what_came_before().await?;
            // A run that has ended already shows what there is; no more is waited for.
            self.end = self.run.end_so_far().await?;
        }
        loop {
            if self.end.as_ref().is_some_and(|end| self.last >= end.seq) {
                return Ok(None);
            }
            let Some(event) = self.events.next().await.transpose()? else { return Ok(None) };
            self.last = event.seq;
            if event.run_id.as_ref() == Some(&self.run.run_id) {
                self.look_for_the_end(&event).await?;
                return Ok(Some(event));
            }
            // Saves reading the rest of a long thread. Times may tie: only what is later counts.
            let is_past = |end: &End| end.was_seen && Some(event.at) > end.finished_at;
            if self.end.as_ref().is_some_and(is_past) {
                return Ok(None);
            }
        }
    }

    /// Whoever wants all of the run need not read all of the thread.
    async fn skip_what_came_before(&mut self) -> Result<(), StoreError> {
        let Followed { postroom, thread_id, run_id, .. } = &self.run;
        if self.last > 0 {
            return Ok(());
        }
        let Some(run) = in_store(known(postroom.run(run_id).await))? else { return Ok(()) };
        self.last = run.events_after;
        self.events = postroom.events(thread_id, self.last);
        Ok(())
    }

    async fn look_for_the_end(&mut self, event: &Event) -> Result<(), StoreError> {
        let may_end = match event.body {
            EventBody::RunFinished { .. } => true,
            EventBody::RunWaiting { live, .. } => !live,
            _ => false,
        };
        if may_end {
            if self.end.is_none() {
                self.end = self.run.end_so_far().await?;
            }
            if let Some(end) = &mut self.end {
                end.was_seen |= end.finished_at == Some(event.at);
            }
        }
        Ok(())
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
    async fn end_so_far(&self) -> Result<Option<End>, StoreError> {
        // The run first: what it ended with is then among the thread's events.
        let run = in_store(known(self.postroom.run(&self.run_id).await))?;
        let ended = match &run {
            None => true,
            Some(run) => match run.run_state() {
                RunState::Done => true,
                RunState::Waiting if self.ends == EndsWhere::DoneOrWaiting => {
                    self.is_left_alone(run).await?
                }
                _ => false,
            },
        };
        if !ended {
            return Ok(None);
        }
        let thread = in_store(known(self.postroom.thread(&self.thread_id).await))?;
        let seq = thread.map_or(0, |thread| thread.event_seq);
        let finished_at = run.and_then(|run| run.finished_at());
        Ok(Some(End { seq, finished_at, was_seen: false }))
    }

    /// Whether a waiting run neither holds its executor nor is about to get one.
    async fn is_left_alone(&self, run: &Run) -> Result<bool, StoreError> {
        let Some(id) = run.dispatch_id else { return Ok(true) };
        let dispatch = in_store(known(self.postroom.dispatch(id).await))?;
        Ok(dispatch.is_none_or(|dispatch| dispatch.state().is_terminal()))
    }
}

/// What was looked up; `None` where it is not there, or not the caller's.
pub(crate) fn known<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.refusal() {
            Some(
                Refusal::UnknownRun { .. }
                | Refusal::UnknownThread { .. }
                | Refusal::UnknownDispatch { .. },
            ) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Reading fails as the store does.
fn in_store<T>(found: Result<T, Error>) -> Result<T, StoreError> {
    found.map_err(|error| match error {
        Error::Store(error) => error,
        Error::NotReady { .. } => StoreError::Unavailable { reason: error.to_string() },
    })
}
