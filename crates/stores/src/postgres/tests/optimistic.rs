//! What a node knows it believes, and only as long as it is so.

use std::time::Duration;

use postroom_conformance::world::{said, thread};
use postroom_core::command::{Command, Envelope, Mode, Reply};
use postroom_core::id::{MessageId, RunId};
use postroom_core::ports::MailboxStore;
use postroom_core::time::Timestamp;

use super::super::optimistic::{self, Tried};
use super::*;

fn submit(name: &str, message: &str) -> Envelope {
    let mut submit = said(Mode::Enqueue, "hello");
    submit.messages[0].id = Some(MessageId::parse(message).unwrap());
    Envelope::new(thread(name), Command::Submit(Box::new(submit)))
}

/// The run that a submission brought about, or had.
async fn submitted(store: &PostgresStore, envelope: Envelope) -> RunId {
    match store.apply(vec![envelope]).await.remove(0).unwrap().reply {
        Reply::Submitted(submitted) => submitted.run_id,
        other => panic!("{other:?}"),
    }
}

/// What comes of an envelope on what `store` knows alone.
async fn believed(store: &PostgresStore, envelope: Envelope) -> Tried {
    let ids = store.shared.ids.batch();
    optimistic::carry_out(&store.shared, &[envelope], &ids, true).await
}

async fn messages(store: &PostgresStore, name: &str) -> Vec<String> {
    let messages = store.messages(&thread(name), 0, 100).await.unwrap();
    messages.iter().map(|message| message.message.id.to_string()).collect()
}

#[tokio::test]
async fn what_this_node_wrote_is_not_read_again() {
    let node = store("optimistic, alone").await;
    assert!(matches!(believed(&node, submit("t", "m1")).await, Tried::Not), "it knows nothing yet");
    submitted(&node, submit("t", "m1")).await;
    for message in ["m2", "m3"] {
        let tried = believed(&node, submit("t", message)).await;
        assert!(matches!(tried, Tried::Done(outcomes) if outcomes[0].is_ok()));
    }
    assert_eq!(messages(&node, "t").await, ["m1", "m2", "m3"]);
    assert_eq!(node.thread(&thread("t")).await.unwrap().unwrap().queued, 3);
}

#[tokio::test]
async fn what_another_node_wrote_is_seen() {
    let (node, other) = (store("optimistic, two").await, store("optimistic, two").await);
    submitted(&node, submit("t", "m1")).await;
    submitted(&other, submit("t", "m2")).await;
    assert!(matches!(believed(&node, submit("t", "m3")).await, Tried::Wrong(_)));
    assert_eq!(messages(&node, "t").await, ["m1", "m2"], "nothing was written");
    submitted(&node, submit("t", "m3")).await;
    assert_eq!(messages(&node, "t").await, ["m1", "m2", "m3"]);
    // And a thread that is another one by the same name.
    let delete = |name| Envelope::new(thread(name), Command::DeleteThread);
    for name in ["u", "v"] {
        let create = Command::CreateThread(postroom_core::command::CreateThread::default());
        node.apply(vec![Envelope::new(thread(name), create)]).await.remove(0).unwrap();
    }
    other.apply(vec![delete("u")]).await.remove(0).unwrap();
    submitted(&other, submit("u", "m1")).await;
    other.apply(vec![delete("v")]).await.remove(0).unwrap();
    for name in ["u", "v"] {
        assert!(matches!(believed(&node, submit(name, "m4")).await, Tried::Wrong(_)), "{name}");
        submitted(&node, submit(name, "m4")).await;
    }
    assert_eq!(messages(&node, "u").await, ["m1", "m4"]);
    assert_eq!(messages(&node, "v").await, ["m4"]);
}

#[tokio::test]
async fn what_was_sent_before_is_found_though_it_was_believed_to_be_new() {
    let node = store("optimistic, again").await;
    let run_id = submitted(&node, submit("t", "m1")).await;
    assert!(matches!(believed(&node, submit("t", "m1")).await, Tried::Wrong(_)));
    assert_eq!(submitted(&node, submit("t", "m1")).await, run_id);
    assert_eq!(messages(&node, "t").await, ["m1"]);
}

#[tokio::test]
async fn a_refusal_is_not_believed() {
    let node = store("optimistic, refused").await;
    submitted(&node, submit("t", "m1")).await;
    // Nothing is written, so nothing would be checked.
    let delete = Envelope::new(thread("t"), Command::DeleteThread);
    assert!(matches!(believed(&node, delete).await, Tried::Not));
}

#[tokio::test]
async fn a_time_that_is_far_off_is_not_believed() {
    let node = store("optimistic, late").await;
    submitted(&node, submit("t", "m1")).await;
    let now = node.now().await.unwrap();
    node.shared.server_time.was(Timestamp(now.0 + 3_600_000));
    assert!(matches!(believed(&node, submit("t", "m2")).await, Tried::Wrong(_)));
    assert_eq!(messages(&node, "t").await, ["m1"]);
    submitted(&node, submit("t", "m2")).await;
    assert!(matches!(believed(&node, submit("t", "m3")).await, Tried::Done(_)), "it was set right");
}

#[tokio::test]
async fn who_gives_a_lone_statement_up_leaves_its_connection_to_nobody() {
    let node = store("optimistic, given up").await;
    submitted(&node, submit("t", "m1")).await;
    let other = connection().await;
    let lock = "BEGIN; SELECT FROM \"optimistic, given up\".threads FOR UPDATE";
    other.batch_execute(lock).await.unwrap();
    tokio::select! {
        biased;
        _ = believed(&node, submit("t", "m2")) => panic!("the thread was not locked"),
        () = somebody_waits_for(&other) => {}
    }
    // The statement is still there. Whoever came behind it would wait for the lock too.
    let next = tokio::time::timeout(Duration::from_secs(5), submitted(&node, submit("u", "m1")));
    next.await.expect("the connection of the statement that was given up was used again");
    other.batch_execute("ROLLBACK").await.unwrap();
}

/// Until a transaction waits for a lock that `holder` holds.
async fn somebody_waits_for(holder: &Client) {
    let watch = connection().await;
    let row = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();
    let pid: i32 = row.get(0);
    let sql = "SELECT FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))";
    while watch.query_opt(sql, &[&pid]).await.unwrap().is_none() {}
}
