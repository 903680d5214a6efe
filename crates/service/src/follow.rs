//! Following a thread's events: history first, then live, gapless, each once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::ports::MailboxStore;

use crate::events::{Heard, Hub, Listening};

/// Events as they come. After an error the stream ends; a new one goes on where it was.
pub type EventStream = BoxStream<'static, Result<SharedEvent, StoreError>>;

/// How many events are read at once.
const PAGE: usize = 256;

/// Follows a thread from after the event `after`.
///
/// Interest is registered before history is read, so that nothing falls between the two. What comes
/// live is passed on only if it is the very next event; whatever else it is (a gap, an answer that
/// was overtaken, a buffer that ran over) the store is read.
pub(crate) fn thread_events(
    hub: &Hub,
    store: Arc<dyn MailboxStore>,
    thread_id: ThreadId,
    after: u64,
    poll: Duration,
) -> EventStream {
    let follower = Follower {
        listening: hub.listen(&thread_id),
        store,
        thread_id,
        last: after,
        page: VecDeque::new(),
        behind: true,
        is_first: true,
        poll,
    };
    let events = stream::unfold(Some(follower), |follower| async {
        let mut follower = follower?;
        match follower.next().await {
            Ok(event) => Some((Ok(event), Some(follower))),
            Err(error) => Some((Err(error), None)),
        }
    });
    events.boxed()
}

/// All threads' events of this node from now on. A reader that falls far behind misses some.
pub(crate) fn all_events(hub: &Hub) -> EventStream {
    let listening = hub.listen_to_all();
    let events = stream::unfold(listening, |mut listening| async {
        loop {
            if let Heard::Event(event) = listening.hear().await {
                return Some((Ok(event), listening));
            }
        }
    });
    events.boxed()
}

/// A thread's events after `after`, in order and without a gap.
///
/// # Errors
/// [`Refusal::EventsPurged`] where the next one is not kept any more.
pub(crate) async fn read_from(
    store: &dyn MailboxStore,
    thread_id: &ThreadId,
    after: u64,
    limit: usize,
) -> Result<Vec<SharedEvent>, StoreError> {
    // Before the events: those that come meanwhile are no gap.
    let thread = store.thread(thread_id).await?;
    let last = thread.map_or(0, |thread| thread.event_seq);
    let events = read_on(store, thread_id, after, limit).await?;
    if events.is_empty() && limit > 0 && last > after {
        return Err(Refusal::EventsPurged { purged: last }.into());
    }
    Ok(events)
}

/// The same for who has read up to `after` already: nothing is asked of the thread.
async fn read_on(
    store: &dyn MailboxStore,
    thread_id: &ThreadId,
    after: u64,
    limit: usize,
) -> Result<Vec<SharedEvent>, StoreError> {
    let events = store.events(thread_id, after, limit).await?;
    match events.first() {
        Some(event) if event.seq > after.saturating_add(1) => {
            Err(Refusal::EventsPurged { purged: event.seq - 1 }.into())
        }
        _ => Ok(events),
    }
}

struct Follower {
    listening: Listening,
    store: Arc<dyn MailboxStore>,
    thread_id: ThreadId,
    /// `seq` of the last event passed on.
    last: u64,
    /// Read and not yet passed on.
    page: VecDeque<SharedEvent>,
    /// The store may hold more than was read.
    behind: bool,
    /// Nothing was read yet.
    is_first: bool,
    poll: Duration,
}

impl Follower {
    async fn next(&mut self) -> Result<SharedEvent, StoreError> {
        loop {
            if let Some(event) = self.page.pop_front() {
                self.last = event.seq;
                return Ok(event);
            }
            if self.behind {
                let page = if std::mem::take(&mut self.is_first) {
                    read_from(&*self.store, &self.thread_id, self.last, PAGE).await?
                } else {
                    read_on(&*self.store, &self.thread_id, self.last, PAGE).await?
                };
                self.behind = page.len() == PAGE;
                self.page = page.into();
                continue;
            }
            match tokio::time::timeout(self.poll, self.listening.hear()).await {
                Ok(Heard::Event(event)) if event.seq <= self.last => {}
                Ok(Heard::Event(event)) if event.seq == self.last + 1 => {
                    self.last = event.seq;
                    return Ok(event);
                }
                Ok(Heard::UpTo(seq)) if seq <= self.last => {}
                // Another node has written; a gap; or quiet for so long that something may have been
                // written unheard.
                Ok(Heard::Event(_) | Heard::UpTo(_) | Heard::Something) | Err(_) => {
                    self.behind = true;
                }
            }
        }
    }
}
