//! What a signal queue must do. Signals are hints: they may be lost, come twice, late or in another
//! order, so the cases ask only for what the port promises.

use std::collections::HashSet;
use std::time::Duration;

use postroom_core::id::ThreadId;
use postroom_core::ports::{PulledSignal, Signals};

use crate::network::Nodes;
use crate::world::thread;

/// Longer than any signal takes, on any queue.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than a signal takes that is under way.
const QUIET: Duration = Duration::from_millis(300);

async fn publish(signals: &dyn Signals, name: &str) {
    signals.publish(&thread(name)).await.expect("it is published");
}

async fn pull(signals: &dyn Signals, max: usize) -> Vec<PulledSignal> {
    signals.pull(max, PATIENCE).await.expect("a pull")
}

/// Pulls until each of `names` has come, and acknowledges what comes.
async fn expect(signals: &dyn Signals, names: &[&str]) {
    let mut missing: HashSet<ThreadId> = names.iter().map(|name| thread(name)).collect();
    while !missing.is_empty() {
        let pulled = pull(signals, 32).await;
        assert!(!pulled.is_empty(), "never came: {missing:?}");
        for signal in pulled {
            missing.remove(&signal.thread_id);
            signals.ack(&signal.receipt).await.expect("an ack");
        }
    }
}

/// What was published is pulled.
pub async fn comes_to_who_pulls(nodes: Nodes<dyn Signals>) {
    let signals = nodes.node().await;
    publish(&*signals, "t").await;
    let pulled = pull(&*signals, 32).await;
    assert_eq!(pulled.len(), 1);
    assert_eq!((&pulled[0].thread_id, pulled[0].redeliveries), (&thread("t"), 0));
    signals.ack(&pulled[0].receipt).await.expect("an ack");
}

/// A pull that waits is woken by what is published.
pub async fn wakes_who_waits(nodes: Nodes<dyn Signals>) {
    let signals = nodes.node().await;
    let waiting = async { pull(&*signals, 32).await };
    let publishing = async {
        tokio::task::yield_now().await;
        publish(&*signals, "t").await;
    };
    let (pulled, ()) = tokio::join!(waiting, publishing);
    assert_eq!(pulled.first().map(|signal| &signal.thread_id), Some(&thread("t")));
}

/// A pull that finds nothing says so when its time is over.
pub async fn gives_up_waiting(nodes: Nodes<dyn Signals>) {
    let signals = nodes.node().await;
    let wait = Duration::from_millis(50);
    let pulled = tokio::time::timeout(PATIENCE, signals.pull(32, wait)).await;
    assert!(pulled.expect("it ends").expect("a pull").is_empty());
}

/// No pull takes more than it asked for, and what is left stays.
pub async fn takes_no_more_than_asked_for(nodes: Nodes<dyn Signals>) {
    let signals = nodes.node().await;
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        publish(&*signals, name).await;
    }
    let pulled = pull(&*signals, 2).await;
    assert!((1..=2).contains(&pulled.len()), "{pulled:?}");
    let taken: HashSet<String> = pulled.iter().map(|signal| signal.thread_id.to_string()).collect();
    let rest: Vec<&str> = names.into_iter().filter(|name| !taken.contains(*name)).collect();
    expect(&*signals, &rest).await;
}

/// Handed back, it comes again, no earlier than asked, and counts how often it came.
pub async fn comes_again_after_a_nack(nodes: Nodes<dyn Signals>) {
    let signals = nodes.node().await;
    publish(&*signals, "t").await;
    let delay = Duration::from_millis(100);
    let mut redeliveries = 0;
    for _ in 0..3 {
        let pulled = pull(&*signals, 32).await;
        assert_eq!(pulled.len(), 1, "{pulled:?}");
        assert!(pulled[0].redeliveries >= redeliveries, "{pulled:?}");
        redeliveries = pulled[0].redeliveries + 1;
        signals.nack(&pulled[0].receipt, delay).await.expect("a nack");
        let early = signals.pull(32, delay / 4).await.expect("a pull");
        assert!(early.is_empty(), "it came before its time: {early:?}");
    }
    let pulled = pull(&*signals, 32).await;
    signals.ack(&pulled[0].receipt).await.expect("an ack");
}

/// Acknowledged, it does not come again.
pub async fn ends_with_an_ack(nodes: Nodes<dyn Signals>) {
    let signals = nodes.node().await;
    publish(&*signals, "t").await;
    let pulled = pull(&*signals, 32).await;
    signals.ack(&pulled[0].receipt).await.expect("an ack");
    let again = signals.pull(32, Duration::from_millis(200)).await.expect("a pull");
    assert!(again.is_empty(), "{again:?}");
}

/// A thread may be signalled again after an acknowledgement, and while a signal is being dealt with.
pub async fn a_thread_can_be_signalled_again(nodes: Nodes<dyn Signals>) {
    let signals = nodes.node().await;
    publish(&*signals, "t").await;
    let first = pull(&*signals, 32).await;
    publish(&*signals, "t").await;
    signals.ack(&first[0].receipt).await.expect("an ack");
    // Else work that came just then would wait for the sweep.
    expect(&*signals, &["t"]).await;
    publish(&*signals, "t").await;
    expect(&*signals, &["t"]).await;
}

/// A receipt that is unknown, or used already, harms nobody.
pub async fn strange_receipts(nodes: Nodes<dyn Signals>) {
    let signals = nodes.node().await;
    publish(&*signals, "t").await;
    let pulled = pull(&*signals, 32).await;
    signals.ack(&pulled[0].receipt).await.expect("an ack");
    let _ = signals.ack(&pulled[0].receipt).await;
    let _ = signals.nack(&pulled[0].receipt, Duration::ZERO).await;
    let unknown = postroom_core::ports::SignalReceipt("nonsense".to_owned());
    let _ = signals.ack(&unknown).await;
    let _ = signals.nack(&unknown, Duration::ZERO).await;
    publish(&*signals, "u").await;
    expect(&*signals, &["u"]).await;
}

/// Several that pull at once get all of it between them.
pub async fn several_pull(nodes: Nodes<dyn Signals>) {
    let signals = nodes.node().await;
    let names: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    for name in &names {
        publish(&*signals, name).await;
    }
    let some = async || {
        let mut seen = HashSet::new();
        loop {
            let pulled = signals.pull(4, Duration::from_millis(500)).await.expect("a pull");
            if pulled.is_empty() {
                return seen;
            }
            for signal in pulled {
                signals.ack(&signal.receipt).await.expect("an ack");
                seen.insert(signal.thread_id);
            }
        }
    };
    let (a, b, c) = tokio::join!(some(), some(), some());
    let seen: HashSet<ThreadId> = a.into_iter().chain(b).chain(c).collect();
    assert_eq!(seen.len(), names.len());
}

/// What one node publishes another pulls.
pub async fn reaches_another_node(nodes: Nodes<dyn Signals>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    for name in ["a", "b", "c"] {
        publish(&*here, name).await;
    }
    expect(&*there, &["a", "b", "c"]).await;
}

/// Published by several nodes, several times: it comes, and ends when it is acknowledged.
pub async fn published_twice(nodes: Nodes<dyn Signals>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    for _ in 0..5 {
        publish(&*here, "t").await;
        publish(&*there, "t").await;
    }
    expect(&*there, &["t"]).await;
    until_quiet(&[&*here, &*there]).await;
}

/// Taken in another order than it was published, some put off for longer than others: all of it
/// comes in the end.
pub async fn in_disorder(nodes: Nodes<dyn Signals>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let names: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    for name in names.iter().rev() {
        publish(&*here, name).await;
    }
    let mut done = HashSet::new();
    let mut put_off = 0;
    while done.len() < names.len() {
        let pulled = pull(&*there, 3).await;
        assert!(!pulled.is_empty(), "only {done:?} came");
        for signal in pulled.into_iter().rev() {
            if signal.redeliveries == 0 && put_off < 10 {
                put_off += 1;
                let delay = Duration::from_millis(10 * (11 - put_off));
                there.nack(&signal.receipt, delay).await.expect("a nack");
            } else {
                there.ack(&signal.receipt).await.expect("an ack");
                done.insert(signal.thread_id);
            }
        }
    }
}

/// Several nodes pull: between them they get all of it, and it ends.
pub async fn several_nodes_pull(nodes: Nodes<dyn Signals>) {
    let all = [nodes.node().await, nodes.node().await, nodes.node().await];
    let names: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    for name in &names {
        publish(&*all[0], name).await;
    }
    let some = async |signals: &dyn Signals| {
        let mut seen = HashSet::new();
        loop {
            let pulled = signals.pull(4, QUIET * 2).await.expect("a pull");
            if pulled.is_empty() {
                return seen;
            }
            for signal in pulled {
                signals.ack(&signal.receipt).await.expect("an ack");
                seen.insert(signal.thread_id);
            }
        }
    };
    let (a, b, c) = tokio::join!(some(&*all[0]), some(&*all[1]), some(&*all[2]));
    let seen: HashSet<ThreadId> = a.into_iter().chain(b).chain(c).collect();
    assert_eq!(seen.len(), names.len());
}

/// A pull whose caller goes away takes nothing with it.
pub async fn a_pull_that_is_dropped(nodes: Nodes<dyn Signals>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    for wait in [1, 20, 60] {
        let wait = Duration::from_millis(wait);
        let dropped = tokio::time::timeout(wait, there.pull(32, PATIENCE)).await;
        assert!(dropped.is_err(), "nothing was published: {dropped:?}");
    }
    publish(&*here, "t").await;
    expect(&*there, &["t"]).await;
    // Dropped in the moment in which a signal is on its way to it.
    for round in 0..500_u64 {
        let name = format!("t{round}");
        let moment = Duration::from_micros(round * 37 % 1_500);
        let dropped = async {
            for signal in tokio::time::timeout(moment, there.pull(32, PATIENCE)).await.ok()?.ok()? {
                there.nack(&signal.receipt, Duration::ZERO).await.expect("a nack");
            }
            Some(())
        };
        if round % 2 == 0 {
            tokio::join!(dropped, publish(&*here, &name));
        } else {
            dropped.await;
            publish(&*here, &name).await;
        }
        expect(&*there, &[&name]).await;
    }
}

/// A node that goes with what it has pulled does not stop the others.
pub async fn a_node_that_goes(nodes: Nodes<dyn Signals>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    let gone = nodes.node().await;
    publish(&*here, "t").await;
    assert!(!pull(&*gone, 32).await.is_empty());
    drop(gone);
    publish(&*here, "u").await;
    expect(&*there, &["u"]).await;
}

/// After everything under way was lost, and the lines with it, signals go on by themselves.
pub async fn goes_on_after_a_disturbance(nodes: Nodes<dyn Signals>) {
    let (here, there) = (nodes.node().await, nodes.node().await);
    publish(&*here, "before").await;
    nodes.disturb().await;
    let wanted = thread("after");
    let coming = async {
        loop {
            // It may be refused, or lost, for a while.
            let _ = here.publish(&wanted).await;
            let pulled = there.pull(32, Duration::from_millis(200)).await.unwrap_or_default();
            for signal in pulled {
                let _ = there.ack(&signal.receipt).await;
                if signal.thread_id == wanted {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, coming).await.expect("signals are back");
}

/// Pulls and acknowledges until nothing comes any more.
async fn until_quiet(nodes: &[&dyn Signals]) {
    let quieting = async {
        loop {
            let mut came = 0;
            for signals in nodes {
                for signal in signals.pull(32, QUIET).await.expect("a pull") {
                    signals.ack(&signal.receipt).await.expect("an ack");
                    came += 1;
                }
            }
            if came == 0 {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, quieting).await.expect("it ends");
}
