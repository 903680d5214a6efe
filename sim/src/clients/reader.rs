//! Readers: follow a thread's events over nodes that come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use postroom_conformance::front::at_once;
use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::ports::MailboxStore;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Outside;
use crate::house::Door;
use crate::world::pause;

/// A connection that has been quiet for so long may be a dead one.
const QUIET_MAX: Duration = Duration::from_secs(30);

/// One reader of one thread.
pub struct Reader {
    /// Which.
    pub thread_id: ThreadId,
    /// `seq` of the last event that it has seen.
    pub last: AtomicU64,
}

impl Reader {
    /// A reader that begins somewhere in what there is.
    pub fn new(outside: &Outside, thread_id: ThreadId) -> Arc<Self> {
        let thread = at_once(outside.world.store.thread(&thread_id)).ok().flatten();
        let seq = thread.map_or(0, |thread| thread.event_seq);
        let last = AtomicU64::new(outside.world.chance.number(0..seq + 1));
        Arc::new(Self { thread_id, last })
    }

    /// The last event seen.
    pub fn seen(&self) -> u64 {
        self.last.load(Ordering::SeqCst)
    }

    /// Reads for as long as the world lasts.
    pub async fn read(self: Arc<Self>, outside: Outside) {
        let world = &outside.world;
        world.mark("reader subscribed");
        loop {
            if let Some(door) = outside.house.any() {
                self.read_from(&outside, &door).await;
                world.mark("reader resubscribed");
            }
            pause(world.chance.millis(0..3_000)).await;
        }
    }

    async fn read_from(&self, outside: &Outside, door: &Door) {
        let mut events = self.subscribe(door);
        // Some go away by themselves.
        let most = outside.world.chance.number(1..200);
        for _ in 0..most {
            match timeout(QUIET_MAX, events.recv()).await {
                Ok(Some(event)) => self.take(outside, &event),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// A stream that lives in the node's process, as a connection's does.
    fn subscribe(&self, door: &Door) -> mpsc::Receiver<SharedEvent> {
        let (events, received) = mpsc::channel(4);
        let mut stream = door.postroom.events(&self.thread_id, self.seen());
        door.run(async move {
            while let Some(Ok(event)) = stream.next().await {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        });
        received
    }

    /// 7: each event once, in order, and as the store has it.
    fn take(&self, outside: &Outside, event: &SharedEvent) {
        let world = &outside.world;
        let last = self.last.swap(event.seq, Ordering::SeqCst);
        if event.seq != last + 1 || event.thread_id != self.thread_id {
            let facts =
                format!("a reader of {} has event {} after {last}", self.thread_id, event.seq);
            world.broken(7, facts);
        }
        let stored = at_once(world.store.events(&self.thread_id, last, 1)).unwrap_or_default();
        if stored.first() != Some(event) {
            world.broken(7, format!("a reader of {} was shown {event:?}", self.thread_id));
        }
    }
}
