//! Where a run's events begin.

use postroom_core::error::StoreError;
use postroom_core::ports::MailboxStore;
use postroom_core::run::Run;

/// A shorter thread is simply read from its beginning.
const WORTH_IT: u64 = 512;
/// How many events of one millisecond are looked through.
const OF_ONE_MOMENT: usize = 256;

/// The event after which all of the run's are; not necessarily the last such.
///
/// Events are in order of time, as long as no clock is set back: so the run's first is searched for
/// by the time at which the run was created, which that event carries too. If it is not found there,
/// the thread is read from its beginning.
pub(crate) async fn event_before(store: &dyn MailboxStore, run: &Run) -> Result<u64, StoreError> {
    let Some(thread) = store.thread(&run.thread_id).await? else { return Ok(0) };
    if thread.event_seq <= WORTH_IT {
        return Ok(0);
    }
    let (mut low, mut high) = (0, thread.event_seq);
    while low < high {
        let middle = low.midpoint(high);
        let event = store.events(&run.thread_id, middle, 1).await?;
        if event.first().is_some_and(|event| event.at < run.created_at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let events = store.events(&run.thread_id, low, OF_ONE_MOMENT).await?;
    let mut of_its_moment = events.iter().take_while(|event| event.at == run.created_at);
    let begins_here = of_its_moment.any(|event| event.run_id.as_ref() == Some(&run.id));
    Ok(if begins_here { low } else { 0 })
}
