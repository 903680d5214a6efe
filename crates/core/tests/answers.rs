//! A run that waits reads what is said to it in the order in which it was said.

#[expect(dead_code, reason = "the property tests use the rest")]
mod support;

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{
    Begun, ClaimRequest, Command, Delivered, Mode, Outcome, Reply, Settle, Step, Submit,
    TenantRooms, Wait,
};
use postroom_core::id::{MessageId, NodeId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::pending::{Boundary, Delivery, Granularity};
use postroom_core::run::WaitReason;
use support::Tables;

fn message(id: &str) -> NewMessage {
    let id = MessageId::parse(id).expect("a name");
    NewMessage { id: Some(id), ..NewMessage::user("said") }
}

fn submit(mode: Mode, id: &str, delivery: Delivery) -> Command {
    let messages = vec![message(id)];
    Command::Submit(Box::new(Submit { delivery, ..Submit::new(mode, messages) }))
}

/// Steering that a barrier has kept from a run is still unread when the run comes to wait. What is
/// said after it must not be read before it.
#[test]
fn an_answer_does_not_overtake_what_is_pending_for_its_run() {
    let mut tables = Tables::default();
    let thread = ThreadId::parse("t").expect("a name");
    let request = ClaimRequest {
        node: NodeId::parse("n").expect("a name"),
        lease: Duration::from_secs(30),
        begin: true,
        except_agents: Arc::from([]),
        tenants: TenantRooms::default(),
        after_tenant: None,
    };
    let plain = Delivery::default();
    let barrier = Delivery {
        boundary: Some(Boundary::NewRun),
        granularity: Granularity::Batch,
        barrier: true,
    };
    let alone = Delivery { granularity: Granularity::One, ..plain };

    tables.apply(&thread, submit(Mode::Enqueue, "begin", plain)).expect("it starts");
    let claimed = tables.apply(&thread, Command::Claim(request)).expect("it is claimed");
    let Reply::Claimed(Some(delivered)) = claimed else { panic!("nothing to claim") };
    let Delivered { begun: Some(Begun::Started(active)), .. } = *delivered else {
        panic!("it does not begin")
    };
    tables.apply(&thread, submit(Mode::Steer, "first", alone)).expect("it joins");
    tables.apply(&thread, submit(Mode::Enqueue, "other", barrier)).expect("it waits its turn");
    tables.apply(&thread, submit(Mode::Steer, "second", plain)).expect("it joins");
    let settle = Settle {
        claim: active.claim.clone(),
        step: Step::default(),
        outcome: Outcome::Wait(Wait::new(WaitReason::ExternalEvent)),
        next: None,
    };
    tables.apply(&thread, Command::Settle(Box::new(settle))).expect("it waits");
    tables.apply(&thread, submit(Mode::Enqueue, "third", plain)).expect("it goes on");

    let own = |id: &str| {
        let place = tables.messages.iter().position(|(_, row)| {
            row.run_id == active.run.id && row.message.id == MessageId::parse(id).expect("a name")
        });
        place.map_or("pending", |_| "read")
    };
    assert_eq!(
        ["begin", "first", "second", "third"].map(own),
        ["read", "read", "pending", "pending"]
    );
}
