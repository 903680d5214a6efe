//! The list of nodes: who said something, and when.

use std::time::Duration;

use postroom_core::id::NodeId;
use postroom_core::node::{Heartbeat, NodeRecord};
use postroom_core::time::Timestamp;

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn node(name: &str) -> NodeId {
    NodeId::parse(name).expect("a name")
}

/// What a node says that has been up for a minute.
fn beat(name: &str) -> Heartbeat {
    Heartbeat {
        id: node(name),
        version: "1.2.3".to_owned(),
        address: None,
        up_for: 60 * SECOND,
        active_runs: 3,
        max_concurrent_runs: 64,
        is_draining: false,
    }
}

async fn say(world: &World, beat: Heartbeat) {
    world.store.heartbeat(beat).await.expect("a heartbeat");
}

async fn listed(world: &World) -> Vec<NodeRecord> {
    world.store.nodes().await.expect("a read")
}

async fn names(world: &World) -> Vec<String> {
    listed(world).await.iter().map(|node| node.id.to_string()).collect()
}

async fn now(world: &World) -> Timestamp {
    world.store.now().await.expect("the time")
}

/// A heartbeat puts its node in the list, whole.
pub async fn say_how_they_are(world: World) {
    assert_eq!(listed(&world).await, []);
    let address = Some("http://10.0.0.7:8321".to_owned());
    say(&world, Heartbeat { address: address.clone(), ..beat("a") }).await;
    let expected = NodeRecord {
        id: node("a"),
        version: "1.2.3".to_owned(),
        address,
        started_at: now(&world).await.before(60 * SECOND),
        seen_at: now(&world).await,
        active_runs: 3,
        max_concurrent_runs: 64,
        is_draining: false,
    };
    assert_eq!(listed(&world).await, [expected]);
}

/// What a node says takes the place of what it said before; since when it works stays as it is.
pub async fn say_it_again(world: World) {
    say(&world, beat("a")).await;
    let first = listed(&world).await.remove(0);
    world.clock.advance(10 * SECOND);
    let again = Heartbeat {
        version: "1.2.4".to_owned(),
        address: Some("http://10.0.0.7:8321".to_owned()),
        up_for: 71 * SECOND,
        active_runs: 0,
        max_concurrent_runs: 32,
        is_draining: true,
        ..beat("a")
    };
    say(&world, again).await;
    let expected = NodeRecord {
        version: "1.2.4".to_owned(),
        address: Some("http://10.0.0.7:8321".to_owned()),
        seen_at: first.seen_at + 10 * SECOND,
        active_runs: 0,
        max_concurrent_runs: 32,
        is_draining: true,
        ..first
    };
    assert_eq!(listed(&world).await, [expected]);
}

/// All nodes are listed, those too that have long said nothing, in order of id.
pub async fn are_listed_by_id(world: World) {
    for name in ["c", "a", "01900000-0000-7000-8000-000000000001", "b"] {
        say(&world, beat(name)).await;
        world.clock.advance(3_600 * SECOND);
    }
    assert_eq!(names(&world).await, ["01900000-0000-7000-8000-000000000001", "a", "b", "c"]);
}

/// A node that ends is taken off the list, and only it. One that says something after that is
/// there again.
pub async fn end(world: World) {
    say(&world, beat("a")).await;
    say(&world, beat("b")).await;
    world.store.forget_node(&node("a")).await.expect("forgotten");
    assert_eq!(names(&world).await, ["b"]);
    world.store.forget_node(&node("a")).await.expect("nothing to forget is no error");
    world.clock.advance(SECOND);
    say(&world, beat("a")).await;
    assert_eq!(names(&world).await, ["a", "b"]);
    assert_eq!(listed(&world).await[0].seen_at, now(&world).await);
}

/// Those that have said nothing for long are forgotten, whoever asks and however often.
pub async fn are_forgotten(world: World) {
    say(&world, beat("a")).await;
    say(&world, beat("b")).await;
    let first = now(&world).await;
    world.clock.advance(10 * SECOND);
    say(&world, beat("b")).await;
    assert_eq!(world.store.forget_nodes(first).await.expect("forgotten"), 0, "seen just then");
    assert_eq!(names(&world).await, ["a", "b"]);
    assert_eq!(world.store.forget_nodes(first + SECOND).await.expect("forgotten"), 1);
    assert_eq!(world.store.forget_nodes(first + SECOND).await.expect("forgotten"), 0);
    assert_eq!(names(&world).await, ["b"]);
    say(&world, beat("a")).await;
    assert_eq!(names(&world).await, ["a", "b"]);
}
