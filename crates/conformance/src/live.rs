//! What a live control must do: delivered only with a receipt.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::id::{DispatchId, RunId};
use postroom_core::live::{LiveCommand, LiveReceipt, LiveTarget};
use postroom_core::ports::{IdSource, LiveControl, LiveHandler};

use crate::ids::{Random, SeededIds};
use crate::world::thread;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A handler that notes what it is given, and answers as it was told.
struct Noting {
    takes: bool,
    taken: std::sync::Mutex<Vec<LiveCommand>>,
}

impl Noting {
    fn new(takes: bool) -> Arc<Self> {
        Arc::new(Self { takes, taken: std::sync::Mutex::default() })
    }

    fn taken(&self) -> Vec<LiveCommand> {
        self.taken.lock().expect("no test panicked in it").clone()
    }
}

impl LiveHandler for Noting {
    fn take(&self, command: LiveCommand) -> bool {
        self.taken.lock().expect("no test panicked in it").push(command);
        self.takes
    }
}

fn target(run: &str, dispatch_id: Option<DispatchId>) -> LiveTarget {
    LiveTarget { thread_id: thread("t"), run_id: RunId::parse(run).expect("a name"), dispatch_id }
}

fn dispatch_id(seed: u64) -> DispatchId {
    SeededIds::new(Random::new(seed).next()).new_uuid().into()
}

/// Each command reaches the execution it is for, and the receipt comes back.
pub async fn delivers_with_a_receipt(live: Arc<dyn LiveControl>) {
    let handler = Noting::new(true);
    let to = target("r", Some(dispatch_id(1)));
    let _subscription = live.subscribe(to.clone(), handler.clone()).await;
    let commands = [LiveCommand::Messages, LiveCommand::Cancel, LiveCommand::Decision];
    for command in commands {
        assert_eq!(live.deliver(&to, command, TIMEOUT).await, LiveReceipt::Delivered);
    }
    assert_eq!(handler.taken(), commands);
}

/// Who does not know the dispatch reaches whatever dispatch of the run executes.
pub async fn without_the_dispatch(live: Arc<dyn LiveControl>) {
    let handler = Noting::new(true);
    let to = target("r", Some(dispatch_id(1)));
    let _subscription = live.subscribe(to, handler.clone()).await;
    let receipt = live.deliver(&target("r", None), LiveCommand::Cancel, TIMEOUT).await;
    assert_eq!(receipt, LiveReceipt::Delivered);
    assert_eq!(handler.taken(), [LiveCommand::Cancel]);
}

/// Nobody there is said at once, or when the time is over, never later.
pub async fn nobody_there(live: Arc<dyn LiveControl>) {
    let to = target("r", None);
    let delivering = live.deliver(&to, LiveCommand::Messages, TIMEOUT);
    let receipt = tokio::time::timeout(TIMEOUT * 2, delivering).await.expect("it ends in time");
    assert_eq!(receipt, LiveReceipt::NoSubscriber);
}

/// A run that is past taking it says so.
pub async fn past_taking_it(live: Arc<dyn LiveControl>) {
    let handler = Noting::new(false);
    let to = target("r", Some(dispatch_id(1)));
    let _subscription = live.subscribe(to.clone(), handler.clone()).await;
    let receipt = live.deliver(&to, LiveCommand::Messages, TIMEOUT).await;
    assert_eq!(receipt, LiveReceipt::NoSubscriber);
    assert_eq!(handler.taken().len(), 1);
}

/// Another run, another thread, another dispatch: not this execution.
pub async fn another_target(live: Arc<dyn LiveControl>) {
    let handler = Noting::new(true);
    let (stale, current) = (dispatch_id(1), dispatch_id(2));
    let _subscription = live.subscribe(target("r", Some(current)), handler.clone()).await;
    let elsewhere = LiveTarget { thread_id: thread("u"), ..target("r", None) };
    for other in [target("r", Some(stale)), target("s", None), elsewhere] {
        let receipt = live.deliver(&other, LiveCommand::Cancel, TIMEOUT).await;
        assert_eq!(receipt, LiveReceipt::NoSubscriber, "{other:?}");
    }
    assert!(handler.taken().is_empty());
}

/// A dropped subscription takes nothing more.
pub async fn a_dropped_subscription(live: Arc<dyn LiveControl>) {
    let handler = Noting::new(true);
    let to = target("r", Some(dispatch_id(1)));
    let subscription = live.subscribe(to.clone(), handler.clone()).await;
    drop(subscription);
    tokio::task::yield_now().await;
    let receipt = live.deliver(&to, LiveCommand::Messages, TIMEOUT).await;
    assert_eq!(receipt, LiveReceipt::NoSubscriber);
    assert!(handler.taken().is_empty());
}

/// The run's next dispatch subscribes while the one before still does: each is reached by its own
/// name, and the end of the old one leaves the new one.
pub async fn the_next_dispatch(live: Arc<dyn LiveControl>) {
    let (old, new) = (Noting::new(false), Noting::new(true));
    let (first, second) = (dispatch_id(1), dispatch_id(2));
    let old_subscription = live.subscribe(target("r", Some(first)), old.clone()).await;
    let _subscription = live.subscribe(target("r", Some(second)), new.clone()).await;
    let to = target("r", Some(second));
    assert_eq!(live.deliver(&to, LiveCommand::Messages, TIMEOUT).await, LiveReceipt::Delivered);
    assert!(old.taken().is_empty());
    drop(old_subscription);
    tokio::task::yield_now().await;
    assert_eq!(live.deliver(&to, LiveCommand::Cancel, TIMEOUT).await, LiveReceipt::Delivered);
    let to = target("r", None);
    assert_eq!(live.deliver(&to, LiveCommand::Cancel, TIMEOUT).await, LiveReceipt::Delivered);
    assert_eq!(new.taken().len(), 3);
}

/// Many subscriptions at once: each takes its own.
pub async fn many_at_once(live: Arc<dyn LiveControl>) {
    let mut held = Vec::new();
    for n in 0..50 {
        let handler = Noting::new(true);
        let to = target(&format!("r{n}"), Some(dispatch_id(n)));
        let subscription = live.subscribe(to.clone(), handler.clone()).await;
        held.push((to, handler, subscription));
    }
    for (to, _, _) in &held {
        let receipt = live.deliver(to, LiveCommand::Decision, TIMEOUT).await;
        assert_eq!(receipt, LiveReceipt::Delivered);
    }
    assert!(held.iter().all(|(_, handler, _)| handler.taken() == [LiveCommand::Decision]));
}
