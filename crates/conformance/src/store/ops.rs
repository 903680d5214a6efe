//! Each operation by its name.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{Begun, Mode, Outcome, RunResult, Step};
use postroom_core::dispatch::{Claim, DispatchState};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{DispatchId, InstanceId};
use postroom_core::ops::Operations;
use postroom_core::ports::IdSource;
use postroom_core::run::{Reason, Termination};

use crate::world::{LEASE, World, claim_of, delivery, request, said, thread};

/// One dispatch through its life, by names alone.
pub async fn a_life_by_names(world: World) {
    let (store, t) = (&*world.store, thread("t"));
    let dispatch = store.enqueue(&t, delivery("r")).await.expect("enqueued");
    let loaded = store.load_dispatch(dispatch.id).await.expect("a read");
    assert_eq!(loaded.as_ref(), Some(&*dispatch));
    assert!(store.claim(&t, request("n"), 0).await.expect("a claim").is_empty());
    let claimed = store.claim(&t, request("n"), 10).await.expect("a claim");
    assert_eq!(claimed.len(), 1);
    let claim = claim_of(&claimed[0].dispatch);
    let instance_id = InstanceId::from(world.ids.new_uuid());
    store.record_dispatch_start(dispatch.id, claim.clone(), instance_id).await.expect("recorded");
    let begun = store.begin(dispatch.id, claim.clone()).await.expect("begun");
    assert!(matches!(begun, Begun::Started(_)));
    assert!(store.extend_lease(dispatch.id, claim.clone(), LEASE).await.expect("renewed"));
    store.commit(dispatch.id, claim.clone(), Step::default()).await.expect("committed");
    let result = RunResult {
        termination: Termination::Stopped(Reason::new("max_steps", "")),
        output: Some("so far".into()),
        error: None,
    };
    store.record_run_result(dispatch.id, claim.clone(), result.clone()).await.expect("recorded");
    let settled = store.ack(dispatch.id, claim.clone()).await.expect("acked");
    assert_eq!(settled.dispatch.state(), DispatchState::Acked);
    assert_eq!(settled.run.termination(), Some(&result.termination), "as it was recorded");
    assert_eq!(settled.run.output, result.output);
    assert!(!store.extend_lease(dispatch.id, claim, LEASE).await.expect("an answer"));
    assert_eq!(store.cancel(dispatch.id).await.expect("an answer"), None);
    let terminal = store.list_terminal_dispatches(10, None).await.expect("a page").items;
    assert_eq!(terminal, [Arc::unwrap_or_clone(settled.dispatch)]);
    let counts = store.count_dispatches_by_status().await.expect("a read").counts;
    assert_eq!(counts, [0, 0, 1, 0, 0, 0]);
}

/// The other ends by name: nack, dead letter, requeue, cancel, interrupt, supersede, reclaim.
pub async fn the_other_ends_by_names(world: World) {
    let (store, t) = (&*world.store, thread("t"));
    let submitted = store.submit(&t, said(Mode::Enqueue, "hello")).await.expect("submitted");
    let id = submitted.dispatch_id.expect("a dispatch");
    let claim = async |id: DispatchId| {
        let delivered = store.claim_dispatch(id, request("n")).await.expect("an answer");
        claim_of(&delivered.expect("it is queued").dispatch)
    };
    let settled = store.nack(id, claim(id).await, Duration::ZERO, "x".to_owned()).await;
    assert_eq!(settled.expect("nacked").dispatch.attempt_count, 1);
    let held = claim(id).await;
    store.release(id, held.clone()).await.expect("released");
    let settled = store
        .dead_letter(id, claim(id).await, "code".to_owned(), "error".to_owned())
        .await
        .expect("given up");
    assert_eq!(settled.dispatch.state(), DispatchState::DeadLetter);
    let again = store.requeue(id, None).await.expect("requeued");
    let cancelled = store.cancel(again.id).await.expect("an answer").expect("it was queued");
    assert_eq!(cancelled.state(), DispatchState::Cancelled);

    let next = store.enqueue(&t, delivery("next")).await.expect("enqueued");
    let held = claim(next.id).await;
    let interrupted = store.interrupt(&t).await.expect("interrupted");
    assert_eq!(store.current_dispatch_epoch(&t).await.expect("a read"), Some(interrupted.epoch));
    let superseded = store.supersede_claimed(next.id, held).await.expect("superseded");
    assert_eq!(superseded.state(), DispatchState::Superseded);
    let states = [DispatchState::Cancelled, DispatchState::Superseded];
    let page = store.list_dispatches(&t, &states, 10, None).await.expect("a page");
    assert_eq!(page.items.len(), 2);

    let last = store.enqueue(&t, delivery("last")).await.expect("enqueued");
    claim(last.id).await;
    world.clock.advance(LEASE * 2);
    let reclaimed = store.reclaim_expired_leases(10).await.expect("a sweep");
    assert_eq!((reclaimed.len(), reclaimed[0].id), (1, last.id));
    let held = claim(last.id).await;
    let outcome = Outcome::Ack(RunResult::natural_end(None));
    store.settle(last.id, held, outcome).await.expect("settled");
    world.snapshot(&t).await;
}

/// An unknown dispatch, and a claim that is not the dispatch's own, are told apart.
pub async fn refusals_by_names(world: World) {
    let (store, t) = (&*world.store, thread("t"));
    let first = store.enqueue(&t, delivery("a")).await.expect("enqueued");
    let second = store.enqueue(&t, delivery("b")).await.expect("enqueued");
    let claimed = store.claim(&t, request("n"), 1).await.expect("a claim");
    let claim: Claim = claim_of(&claimed[0].dispatch);
    assert_eq!(claimed[0].dispatch.id, first.id);

    let stale = store.ack(second.id, claim.clone()).await;
    assert!(
        matches!(&stale, Err(StoreError::Refused(Refusal::StaleClaim { .. }))),
        "the claim is another dispatch's: {stale:?}"
    );
    let unknown = DispatchId::from(world.ids.new_uuid());
    let expected = Refusal::UnknownDispatch { dispatch_id: unknown };
    let refused = store.ack(unknown, claim.clone()).await;
    assert_eq!(refused.expect_err("unknown").refusal(), Some(&expected));
    let refused = store.extend_lease(unknown, claim, LEASE).await;
    assert_eq!(refused.expect_err("unknown").refusal(), Some(&expected));
    let refused = store.cancel(unknown).await;
    assert_eq!(refused.expect_err("unknown").refusal(), Some(&expected));
    let none = store.current_dispatch_epoch(&thread("nobody")).await.expect("a read");
    assert_eq!(none, None);
    assert_eq!(world.state(first.id).await, DispatchState::Claimed);
}
