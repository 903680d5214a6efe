//! What a live control must do: delivered only with a receipt.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::id::{DispatchId, RunId};
use postroom_core::live::{LiveCommand, LiveReceipt, LiveTarget};
use postroom_core::ports::{IdSource, LiveControl, LiveHandler};

use crate::ids::{Random, SeededIds};
use crate::network::Nodes;
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
pub async fn delivers_with_a_receipt(nodes: Nodes<dyn LiveControl>) {
    let live = nodes.node().await;
    let handler = Noting::new(true);
    let to = target("r", Some(dispatch_id(1)));
    let _subscription = live.subscribe(to.clone(), handler.clone()).await;
    let commands = [LiveCommand::Cancel, LiveCommand::Decision];
    for command in commands {
        assert_eq!(live.deliver(&to, command, TIMEOUT).await, LiveReceipt::Delivered);
    }
    assert_eq!(handler.taken(), commands);
}

/// Who does not know the dispatch reaches whatever dispatch of the run executes.
pub async fn without_the_dispatch(nodes: Nodes<dyn LiveControl>) {
    let live = nodes.node().await;
    let handler = Noting::new(true);
    let to = target("r", Some(dispatch_id(1)));
    let _subscription = live.subscribe(to, handler.clone()).await;
    let receipt = live.deliver(&target("r", None), LiveCommand::Cancel, TIMEOUT).await;
    assert_eq!(receipt, LiveReceipt::Delivered);
    assert_eq!(handler.taken(), [LiveCommand::Cancel]);
}

/// Nobody there is said at once, or when the time is over, never later.
pub async fn nobody_there(nodes: Nodes<dyn LiveControl>) {
    let live = nodes.node().await;
    let to = target("r", None);
    let delivering = live.deliver(&to, LiveCommand::Decision, TIMEOUT);
    let receipt = tokio::time::timeout(TIMEOUT * 2, delivering).await.expect("it ends in time");
    assert_eq!(receipt, LiveReceipt::NoSubscriber);
}

/// A run that is past taking it says so.
pub async fn past_taking_it(nodes: Nodes<dyn LiveControl>) {
    let live = nodes.node().await;
    let handler = Noting::new(false);
    let to = target("r", Some(dispatch_id(1)));
    let _subscription = live.subscribe(to.clone(), handler.clone()).await;
    let receipt = live.deliver(&to, LiveCommand::Decision, TIMEOUT).await;
    assert_eq!(receipt, LiveReceipt::NoSubscriber);
    assert!(!handler.taken().is_empty());
}

/// Another run, another thread, another dispatch: not this execution.
pub async fn another_target(nodes: Nodes<dyn LiveControl>) {
    let live = nodes.node().await;
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
pub async fn a_dropped_subscription(nodes: Nodes<dyn LiveControl>) {
    let live = nodes.node().await;
    let handler = Noting::new(true);
    let to = target("r", Some(dispatch_id(1)));
    let subscription = live.subscribe(to.clone(), handler.clone()).await;
    drop(subscription);
    tokio::task::yield_now().await;
    let receipt = live.deliver(&to, LiveCommand::Decision, TIMEOUT).await;
    assert_eq!(receipt, LiveReceipt::NoSubscriber);
    assert!(handler.taken().is_empty());
}

/// The run's next dispatch subscribes while the one before still does: each is reached by its own
/// name, and the end of the old one leaves the new one.
pub async fn the_next_dispatch(nodes: Nodes<dyn LiveControl>) {
    let live = nodes.node().await;
    let (old, new) = (Noting::new(false), Noting::new(true));
    let (first, second) = (dispatch_id(1), dispatch_id(2));
    let old_subscription = live.subscribe(target("r", Some(first)), old.clone()).await;
    let _subscription = live.subscribe(target("r", Some(second)), new.clone()).await;
    let to = target("r", Some(second));
    assert_eq!(live.deliver(&to, LiveCommand::Decision, TIMEOUT).await, LiveReceipt::Delivered);
    assert!(old.taken().is_empty());
    drop(old_subscription);
    tokio::task::yield_now().await;
    assert_eq!(live.deliver(&to, LiveCommand::Cancel, TIMEOUT).await, LiveReceipt::Delivered);
    let to = target("r", None);
    assert_eq!(live.deliver(&to, LiveCommand::Cancel, TIMEOUT).await, LiveReceipt::Delivered);
    assert_eq!(new.taken().len(), 3);
}

/// Many subscriptions at once: each takes its own.
pub async fn many_at_once(nodes: Nodes<dyn LiveControl>) {
    let live = nodes.node().await;
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

/// The execution is on another node: the command finds it, and the receipt comes back.
pub async fn on_another_node(nodes: Nodes<dyn LiveControl>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let handler = Noting::new(true);
    let to = target("r", Some(dispatch_id(1)));
    let _subscription = there.subscribe(to.clone(), handler.clone()).await;
    let anyone = target("r", None);
    for (to, command) in [(&to, LiveCommand::Decision), (&anyone, LiveCommand::Cancel)] {
        assert_eq!(here.deliver(to, command, TIMEOUT).await, LiveReceipt::Delivered);
    }
    assert_eq!(handler.taken(), [LiveCommand::Decision, LiveCommand::Cancel]);
}

/// Names that mean something to the wire are names like any other.
pub async fn strange_names(nodes: Nodes<dyn LiveControl>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let long = "ü".repeat(127);
    for name in ["a.b", "*", ">", "a b", "$SYS.x", "\"'\\", "', ''); --", long.as_str()] {
        let handler = Noting::new(true);
        let to = LiveTarget { thread_id: thread(name), ..target(name, Some(dispatch_id(1))) };
        let _subscription = there.subscribe(to.clone(), handler.clone()).await;
        let other = LiveTarget { thread_id: thread("another"), ..to.clone() };
        let receipt = here.deliver(&other, LiveCommand::Cancel, TIMEOUT).await;
        assert_eq!(receipt, LiveReceipt::NoSubscriber, "{name}");
        let receipt = here.deliver(&to, LiveCommand::Cancel, TIMEOUT).await;
        assert_eq!(receipt, LiveReceipt::Delivered, "{name}");
        assert_eq!(handler.taken(), [LiveCommand::Cancel], "{name}");
    }
}

/// A subscriber that drops the receipt has not taken the command, and stops nobody else.
pub async fn a_dropped_receipt(nodes: Nodes<dyn LiveControl>) {
    struct Dropping;
    impl LiveHandler for Dropping {
        fn take(&self, _command: LiveCommand) -> bool {
            // Not a failed assertion: what a handler does that must not do it.
            std::panic::resume_unwind(Box::new("the receipt is dropped"))
        }
    }
    let (here, there) = (nodes.node().await, nodes.node().await);
    let handler = Noting::new(true);
    let (dropping, noting) = (target("r", Some(dispatch_id(1))), target("s", None));
    let noting = LiveTarget { dispatch_id: Some(dispatch_id(2)), ..noting };
    let _dropping = there.subscribe(dropping.clone(), Arc::new(Dropping)).await;
    let _noting = there.subscribe(noting.clone(), handler.clone()).await;
    for live in [&here, &there] {
        let receipt = live.deliver(&dropping, LiveCommand::Cancel, TIMEOUT).await;
        assert_eq!(receipt, LiveReceipt::NoSubscriber);
        let receipt = live.deliver(&noting, LiveCommand::Cancel, TIMEOUT).await;
        assert_eq!(receipt, LiveReceipt::Delivered);
    }
}

/// The run went on elsewhere, and its old node still listens: it can't take what is for the new
/// execution, and does not answer for it.
pub async fn a_stale_subscriber_elsewhere(nodes: Nodes<dyn LiveControl>) {
    let (here, stale, current) = (nodes.node().await, nodes.node().await, nodes.node().await);
    let (old, new) = (Noting::new(true), Noting::new(true));
    let (first, second) = (dispatch_id(1), dispatch_id(2));
    let _old = stale.subscribe(target("r", Some(first)), old.clone()).await;
    let to = target("r", Some(second));
    let receipt = here.deliver(&to, LiveCommand::Cancel, TIMEOUT).await;
    assert_eq!(receipt, LiveReceipt::NoSubscriber, "nobody executes it yet");
    let _new = current.subscribe(to.clone(), new.clone()).await;
    let receipt = here.deliver(&to, LiveCommand::Cancel, TIMEOUT).await;
    assert_eq!(receipt, LiveReceipt::Delivered);
    // The one before may have reached it late.
    assert!(old.taken().is_empty() && !new.taken().is_empty());
}

/// Commands that cross each other: each is taken once, and each sender has its own receipt.
pub async fn from_several_nodes_at_once(nodes: Nodes<dyn LiveControl>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let mut held = Vec::new();
    for n in 0..20 {
        let handler = Noting::new(n % 2 == 0);
        let to = target(&format!("r{n}"), Some(dispatch_id(n)));
        let subscription = there.subscribe(to.clone(), handler.clone()).await;
        held.push((n, to, handler, subscription));
    }
    for (n, to, _, _) in &held {
        let one = here.deliver(to, LiveCommand::Cancel, TIMEOUT);
        let other = there.deliver(to, LiveCommand::Decision, TIMEOUT);
        let (one, other) = tokio::join!(one, other);
        let expected = if n % 2 == 0 { LiveReceipt::Delivered } else { LiveReceipt::NoSubscriber };
        assert_eq!((one, other), (expected, expected));
    }
    for (n, _, handler, _) in &held {
        let asked = handler.taken().len();
        // Who did not take it may be asked again, in another way.
        assert!(asked == 2 || (n % 2 == 1 && asked > 2), "{n} was asked {asked} times");
    }
}

/// A node that has gone is not waited for longer than was asked.
pub async fn a_node_that_has_gone(nodes: Nodes<dyn LiveControl>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let to = target("r", Some(dispatch_id(1)));
    let subscription = there.subscribe(to.clone(), Noting::new(true)).await;
    drop((subscription, there));
    let timeout = Duration::from_secs(1);
    let delivering = here.deliver(&to, LiveCommand::Cancel, timeout);
    let receipt = tokio::time::timeout(timeout * 2, delivering).await.expect("it ends in time");
    assert_eq!(receipt, LiveReceipt::NoSubscriber);
}

/// After the lines broke, subscriptions that were there before are reached again.
pub async fn goes_on_after_a_disturbance(nodes: Nodes<dyn LiveControl>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let handler = Noting::new(true);
    let to = target("r", Some(dispatch_id(1)));
    let _subscription = there.subscribe(to.clone(), handler.clone()).await;
    nodes.disturb().await;
    let timeout = Duration::from_millis(500);
    let reaching = async {
        while here.deliver(&to, LiveCommand::Cancel, timeout).await != LiveReceipt::Delivered {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(TIMEOUT * 4, reaching).await.expect("it is reached again");
    assert!(!handler.taken().is_empty());
}
