//! Following a thread's events: history first, then live, gapless, each once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::{Event, SharedEvent};
use postroom_core::id::{TenantId, ThreadId};
use postroom_core::ports::MailboxStore;
use tokio::time::Instant;

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
    (thread_id, caller): (ThreadId, Option<TenantId>),
    after: u64,
    poll: Duration,
) -> EventStream {
    let follower = Follower {
        caller,
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

/// The events of all the caller's threads of this node from now on. A reader that falls far behind
/// misses some.
pub(crate) fn all_events(
    hub: &Hub,
    store: Arc<dyn MailboxStore>,
    caller: Option<TenantId>,
) -> EventStream {
    let begin = (hub.listen_to_all(), caller.map(|caller| Owners::new(store, caller)));
    let events = stream::unfold(begin, |(mut listening, mut owners)| async {
        loop {
            let Heard::Event(event) = listening.hear().await else { continue };
            let shown = match &mut owners {
                Some(owners) => owners.is_callers(&event).await,
                None => Ok(true),
            };
            match shown {
                Ok(true) => return Some((Ok(event), (listening, owners))),
                Ok(false) => {}
                Err(error) => return Some((Err(error), (listening, owners))),
            }
        }
    });
    events.boxed()
}

/// Which threads are the caller's: events don't say it. Whose a thread is does not change, but its
/// name may be another's after it was deleted: what is known of it is good only for the event that
/// follows the last one, and not for long.
struct Owners {
    store: Arc<dyn MailboxStore>,
    caller: TenantId,
    known: HashMap<ThreadId, Known>,
}

struct Known {
    is_callers: bool,
    last_seq: u64,
    since: Instant,
}

/// How long it is remembered whose a thread is.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);
/// How many threads are remembered at once.
const REMEMBERED_MAX: usize = 4_096;

impl Owners {
    fn new(store: Arc<dyn MailboxStore>, caller: TenantId) -> Self {
        Self { store, caller, known: HashMap::new() }
    }

    async fn is_callers(&mut self, event: &Event) -> Result<bool, StoreError> {
        if let Some(known) = self.known.get_mut(&event.thread_id)
            && event.seq == known.last_seq + 1
            && known.since.elapsed() < REMEMBERED_FOR
        {
            known.last_seq = event.seq;
            return Ok(known.is_callers);
        }
        if self.known.len() >= REMEMBERED_MAX {
            self.known.clear();
        }
        let thread = self.store.thread(&event.thread_id).await?;
        let is_callers = thread.is_some_and(|thread| thread.tenant == self.caller);
        let known = Known { is_callers, last_seq: event.seq, since: Instant::now() };
        self.known.insert(event.thread_id.clone(), known);
        Ok(is_callers)
    }
}

/// A thread's events after `after`, in order and without a gap.
///
/// # Errors
/// [`Refusal::EventsPurged`] where the next one is not kept any more; [`Refusal::UnknownThread`] where
/// the thread is not the caller's.
pub(crate) async fn read_from(
    store: &dyn MailboxStore,
    thread_id: &ThreadId,
    caller: Option<&TenantId>,
    after: u64,
    limit: usize,
) -> Result<Vec<SharedEvent>, StoreError> {
    // Before the events: those that come meanwhile are no gap.
    let thread = store.thread(thread_id).await?;
    if let (Some(caller), Some(thread)) = (caller, &thread)
        && thread.tenant != *caller
    {
        return Err(Refusal::UnknownThread { thread_id: thread_id.clone() }.into());
    }
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
    /// Who follows.
    caller: Option<TenantId>,
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
                    let caller = self.caller.as_ref();
                    read_from(&*self.store, &self.thread_id, caller, self.last, PAGE).await?
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
