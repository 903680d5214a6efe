//! Following a thread's events: history first, then live, gapless, each once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use postroom_core::error::StoreError;
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
                let page = self.store.events(&self.thread_id, self.last, PAGE).await?;
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
