//! What an event feed must do. Hints may be lost, come twice, late or in another order, so the cases
//! publish again until they are heard, and ask only for what the port promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postroom_core::event::{Event, EventBody, SharedEvent};
use postroom_core::id::ThreadId;
use postroom_core::ports::{EventFeed, FeedHandler, FeedHint};
use postroom_core::time::Timestamp;

use crate::network::Nodes;
use crate::world::thread;

/// Longer than it takes a feed to recover from anything.
const PATIENCE: Duration = Duration::from_secs(20);
/// After so long what was not heard is said again.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Notes what it hears.
#[derive(Default)]
struct Noting(std::sync::Mutex<Vec<FeedHint>>);

impl FeedHandler for Noting {
    fn hear(&self, hint: FeedHint) {
        self.0.lock().expect("no test panicked in it").push(hint);
    }
}

impl Noting {
    fn heard(&self) -> Vec<FeedHint> {
        self.0.lock().expect("no test panicked in it").clone()
    }

    /// What it heard of events: not that it should look.
    fn told(&self) -> Vec<FeedHint> {
        self.heard().into_iter().filter(|hint| *hint != FeedHint::Look).collect()
    }
}

fn event(name: &str, seq: u64, body: EventBody) -> SharedEvent {
    let at = Timestamp(1_700_000_000_000);
    Arc::new(Event { seq, thread_id: thread(name), run_id: None, at, body })
}

fn delta(name: &str, seq: u64) -> SharedEvent {
    event(name, seq, EventBody::TextDelta { text: format!("word {seq}, \"ü\"\n") })
}

fn step(name: &str, seq: u64) -> SharedEvent {
    event(name, seq, EventBody::StepStarted { step: 1 })
}

/// Publishes until `done`; the events are numbered, so that none is a repetition.
async fn until(
    feed: &dyn EventFeed,
    events: impl Fn(u64) -> Vec<SharedEvent>,
    done: impl Fn() -> bool,
) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let telling = async {
        while !done() {
            feed.publish(&events(LAST.fetch_add(10, Ordering::Relaxed) + 1));
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    };
    tokio::time::timeout(PATIENCE, telling).await.expect("it is heard");
}

/// Deltas come as they are, and need no read.
pub async fn deltas_come_whole(nodes: Nodes<dyn EventFeed>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let ear = Arc::new(Noting::default());
    let _subscription = there.subscribe(&thread("t"), ear.clone());
    until(&*here, |seq| vec![delta("t", seq)], || !ear.told().is_empty()).await;
    for hint in ear.told() {
        let FeedHint::Event(heard) = hint else { panic!("{hint:?}") };
        assert_eq!(heard, delta("t", heard.seq));
    }
}

/// Of other events it is said that they are there.
pub async fn the_rest_is_announced(nodes: Nodes<dyn EventFeed>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let ear = Arc::new(Noting::default());
    let _subscription = there.subscribe(&thread("t"), ear.clone());
    let some = |seq| vec![step("t", seq), step("t", seq + 1), step("t", seq + 2)];
    until(&*here, some, || !ear.told().is_empty()).await;
    for hint in ear.told() {
        assert!(matches!(hint, FeedHint::UpTo(_)), "{hint:?}");
    }
}

/// What a node publishes it does not hear itself.
pub async fn not_what_the_node_wrote_itself(nodes: Nodes<dyn EventFeed>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let (own, other) = (Arc::new(Noting::default()), Arc::new(Noting::default()));
    let _own = here.subscribe(&thread("t"), own.clone());
    let _other = there.subscribe(&thread("t"), other.clone());
    let some = |seq| vec![delta("t", seq), step("t", seq + 1)];
    until(&*here, some, || other.told().len() > 4).await;
    assert_eq!(own.told(), []);
}

/// A subscription is to one thread.
pub async fn only_its_thread(nodes: Nodes<dyn EventFeed>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let (one, other) = (Arc::new(Noting::default()), Arc::new(Noting::default()));
    let _one = there.subscribe(&thread("t"), one.clone());
    let _other = there.subscribe(&thread("u"), other.clone());
    let some = |seq| vec![delta("t", seq), delta("elsewhere", seq)];
    until(&*here, some, || one.told().len() > 4).await;
    assert_eq!(other.told(), []);
}

/// After its end a subscription hears nothing; the others of its thread do.
pub async fn an_ended_subscription(nodes: Nodes<dyn EventFeed>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let (one, other) = (Arc::new(Noting::default()), Arc::new(Noting::default()));
    let ending = there.subscribe(&thread("t"), one.clone());
    let _staying = there.subscribe(&thread("t"), other.clone());
    until(&*here, |seq| vec![delta("t", seq)], || !one.told().is_empty()).await;
    drop(ending);
    let (heard, before) = (one.heard().len(), other.told().len());
    until(&*here, |seq| vec![delta("t", seq)], || other.told().len() > before + 2).await;
    assert_eq!(one.heard().len(), heard);
}

/// Each of several listeners on one node hears.
pub async fn several_on_one_node(nodes: Nodes<dyn EventFeed>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let ears = [Arc::new(Noting::default()), Arc::new(Noting::default())];
    let _held: Vec<_> = ears.iter().map(|ear| there.subscribe(&thread("t"), ear.clone())).collect();
    let all = || ears.iter().all(|ear| ear.told().len() > 2);
    until(&*here, |seq| vec![delta("t", seq)], all).await;
}

/// Each of several nodes hears.
pub async fn several_nodes_listen(nodes: Nodes<dyn EventFeed>) {
    let here = nodes.node().await;
    let there = [nodes.node().await, nodes.node().await, nodes.node().await];
    let ears: Vec<_> = there.iter().map(|_| Arc::new(Noting::default())).collect();
    let _held: Vec<_> = there
        .iter()
        .zip(&ears)
        .map(|(node, ear)| node.subscribe(&thread("t"), ear.clone()))
        .collect();
    let all = || ears.iter().all(|ear| ear.told().len() > 2);
    until(&*here, |seq| vec![step("t", seq)], all).await;
}

/// Where nobody listens, publishing does nothing, and does it quickly.
pub async fn nobody_listens(nodes: Nodes<dyn EventFeed>) {
    let here = nodes.node().await;
    for seq in 1..10_000 {
        here.publish(&[delta("t", seq), step("t", seq)]);
    }
    here.publish(&[]);
}

/// Too large for the wire: it is announced, if it does not come whole.
pub async fn a_large_event(nodes: Nodes<dyn EventFeed>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let ear = Arc::new(Noting::default());
    let _subscription = there.subscribe(&thread("t"), ear.clone());
    let text = "\"ü\"".repeat(1_000_000);
    let large = |seq| vec![event("t", seq, EventBody::TextDelta { text: text.clone() })];
    until(&*here, large, || !ear.told().is_empty()).await;
}

/// Many at once: what is heard is what was written, and the last of it is heard of.
pub async fn a_burst(nodes: Nodes<dyn EventFeed>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let ear = Arc::new(Noting::default());
    let _subscription = there.subscribe(&thread("t"), ear.clone());
    until(&*here, |seq| vec![delta("t", seq)], || !ear.told().is_empty()).await;
    let first = 1_000_000;
    for seq in first..first + 3_000 {
        here.publish(&[delta("t", seq)]);
    }
    let reaches = |hint: &FeedHint| match hint {
        FeedHint::Event(event) => event.seq >= first + 3_000,
        FeedHint::UpTo(seq) => *seq >= first + 3_000,
        FeedHint::Look => false,
    };
    let last = |seq| vec![step("t", first + 3_000 + seq)];
    until(&*here, last, || ear.told().iter().any(reaches)).await;
    for hint in ear.told() {
        if let FeedHint::Event(heard) = hint {
            assert_eq!(heard, delta("t", heard.seq));
        }
    }
}

/// Names that mean something to the wire are names like any other.
pub async fn strange_names(nodes: Nodes<dyn EventFeed>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let other = Arc::new(Noting::default());
    let _other = there.subscribe(&thread("a"), other.clone());
    let long = "ü".repeat(127);
    for name in ["a.b", "*", ">", "a b", "$SYS.x", "\"'\\", "', ''); --", long.as_str()] {
        let ear = Arc::new(Noting::default());
        let _subscription = there.subscribe(&ThreadId::parse(name).expect("a name"), ear.clone());
        until(&*here, |seq| vec![delta(name, seq)], || !ear.told().is_empty()).await;
    }
    assert_eq!(other.told(), []);
}

/// After the lines broke, who listened hears again.
pub async fn goes_on_after_a_disturbance(nodes: Nodes<dyn EventFeed>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let ear = Arc::new(Noting::default());
    let _subscription = there.subscribe(&thread("t"), ear.clone());
    until(&*here, |seq| vec![delta("t", seq)], || !ear.told().is_empty()).await;
    nodes.disturb().await;
    let before = ear.told().len();
    until(&*here, |seq| vec![delta("t", seq)], || ear.told().len() > before + 2).await;
}
