//! A long task in a real server, which is killed at each of its writes in turn: before the store gets
//! it, and once the store has it and nobody has heard so. The provider and the tool live elsewhere and
//! keep a ledger.
//!
//! The task has three inferences, four tool calls (two of them side by side), one approval and one piece
//! of background work, whose end wakes the thread for a fourth inference.

#[path = "../support/mod.rs"]
mod support;

mod house;
mod task;

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use house::House;
use postroom_core::sabotage::Moment;
use task::{Story, play};

/// How many stories are played at once.
const AT_ONCE: usize = 4;

/// More writes than the task has.
const WRITES_MAX: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_twice_wherever_the_process_dies() {
    let whole = play(&House::open().await, None).await;
    assert_eq!(whole.asked, [0, 1, 2, 3], "each inference once");
    assert_eq!(whole.worked(), ["a", "b", "c", "dig"], "each call once");

    for moment in Moment::ALL {
        let mut stories =
            stream::iter(0..WRITES_MAX)
                .map(|write| async move {
                    (write, play(&House::open().await, Some((moment, write))).await)
                })
                .buffered(AT_ONCE);
        let mut deaths = 0;
        while let Some((write, story)) = stories.next().await {
            // The task has fewer writes than this: it was over before.
            if story.death.is_none() {
                break;
            }
            deaths += 1;
            check(&story, &whole, &format!("{moment:?}, write {write}"));
        }
        println!("{moment:?}: died at {deaths} writes");
        assert!((12..WRITES_MAX).contains(&deaths), "{moment:?}: died at {deaths} writes");
    }
}

fn check(story: &Story, whole: &Story, where_: &str) {
    assert_eq!(story.told, whole.told, "{where_}: the log is that of the undisturbed task");
    let death = story.death.as_ref().expect("it died");

    // What was in the log when the process died is not done again.
    let asked_again = &story.asked[death.asked..];
    assert!(
        asked_again.iter().all(|answers| *answers >= death.answers),
        "{where_}: {} answers were in the log, and then the model was asked after {asked_again:?}",
        death.answers
    );
    for call in &story.called[death.called..] {
        assert!(!death.results.contains(&call.id), "{where_}: {call:?} had its result");
    }

    // What was not, is done once more at most; a tool can know it by its id, and the newer attempt by
    // its fence.
    let inferences: BTreeSet<usize> = story.asked.iter().copied().collect();
    assert_eq!(inferences, BTreeSet::from([0, 1, 2, 3]), "{where_}");
    for answers in inferences {
        let times = story.asked.iter().filter(|asked| **asked == answers).count();
        assert!(times <= 2, "{where_}: asked {times} times after {answers} answers");
    }
    for what in whole.worked() {
        let calls: Vec<_> = story.called.iter().filter(|call| call.what == what).collect();
        assert!((1..=2).contains(&calls.len()), "{where_}: {what} was called {calls:?}");
        if let [first, again] = calls[..] {
            assert_eq!(first.id, again.id, "{where_}: a repetition has its id");
            assert!(first.fence < again.fence, "{where_}: {calls:?}");
        }
    }
}
