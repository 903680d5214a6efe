//! Tenants: a handle sees its tenant's alone, and a run acts on behalf of its thread's.

mod common;

use std::time::Duration;

use common::*;
use futures::StreamExt;
use postroom_core::command::{CreateThread, Mode, Submit};
use postroom_core::dispatch::DispatchState;
use postroom_core::error::Refusal;
use postroom_core::id::{RunId, TenantId};
use postroom_core::message::{Metadata, NewMessage};
use postroom_core::pending::Delivery;
use postroom_core::ports::{ContextError, DispatchFilter, RunFilter, RunOutcome, ThreadFilter};
use postroom_service::{Error, Postroom};

fn of(node: &Postroom, tenant: &str) -> Postroom {
    node.of_tenant(TenantId::parse(tenant).unwrap())
}

/// What is refused as something that is not there.
fn is_unknown<T>(answer: Result<T, Error>) -> bool {
    answer.err().and_then(|error| error.refusal().cloned()).is_some_and(|refusal| {
        matches!(
            refusal,
            Refusal::UnknownThread { .. }
                | Refusal::UnknownRun { .. }
                | Refusal::UnknownDispatch { .. }
        )
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_anothers_is_unknown_to_every_verb_and_read() {
    let mut house = House::alone();
    let node = house.started(until_cancelled()).await;
    let (red, blue) = (of(&node, "red"), of(&node, "blue"));
    let t = thread("t");
    let submitted = red.submit(Some(t.clone()), submit(Mode::Enqueue, "x")).await.unwrap();
    let (run_id, dispatch_id) = (submitted.run_id, submitted.dispatch_id.unwrap());

    for other in [&blue, &of(&node, "default")] {
        let inputs = vec![NewMessage::user("y")];
        assert!(is_unknown(other.submit(Some(t.clone()), submit(Mode::Enqueue, "x")).await));
        assert!(is_unknown(other.submit(Some(t.clone()), submit(Mode::Interrupt, "x")).await));
        let batch = vec![(Some(t.clone()), submit(Mode::Enqueue, "x"))];
        assert!(other.submit_batch(batch).await.into_iter().all(is_unknown));
        assert!(is_unknown(other.deliver(&run_id, inputs, Delivery::default()).await));
        assert!(is_unknown(other.interrupt(&t).await));
        assert!(is_unknown(other.cancel_run(&run_id).await));
        assert!(is_unknown(other.cancel_dispatch(dispatch_id).await));
        assert!(is_unknown(other.cancel_thread(&t).await));
        assert!(is_unknown(other.decide(&run_id, Vec::new()).await));
        assert!(is_unknown(other.requeue(dispatch_id).await));
        assert!(is_unknown(other.create_thread(Some(t.clone()), CreateThread::default()).await));
        assert!(is_unknown(other.patch_thread(&t, Metadata::new()).await));
        assert!(is_unknown(other.delete_thread(&t).await));
        assert!(is_unknown(other.wait(&run_id, Duration::from_secs(1)).await));
        assert!(is_unknown(other.thread(&t).await));
        assert!(is_unknown(other.run(&run_id).await));
        assert!(is_unknown(other.dispatch(dispatch_id).await));
        assert!(is_unknown(other.messages(&t, 0, 10).await));
        assert!(is_unknown(other.pending(&t).await));
        assert!(is_unknown(other.events_after(&t, 0, 10).await));
        assert!(is_unknown(other.events(&t, 0).next().await.unwrap().map_err(Error::from)));
        assert!(other.threads(ThreadFilter::default(), 10, None).await.unwrap().items.is_empty());
        assert!(other.runs(RunFilter::default(), 10, None).await.unwrap().items.is_empty());
        let all = DispatchFilter::default();
        assert!(other.dispatches(all, 10, None).await.unwrap().items.is_empty());
        assert_eq!(other.depth().await.unwrap().get(DispatchState::Claimed), 0);
    }
    // A filter asks for no more than the handle has.
    let filter = RunFilter { tenant: TenantId::parse("red").ok(), ..RunFilter::default() };
    assert!(blue.runs(filter, 10, None).await.unwrap().items.is_empty());

    assert_eq!(red.depth().await.unwrap().get(DispatchState::Claimed), 1);
    assert_eq!(red.thread(&t).await.unwrap().tenant.to_string(), "red");
    assert_eq!(node.thread(&t).await.unwrap().tenant.to_string(), "red");
    red.cancel_run(&run_id).await.unwrap();
    finished(&red, &run_id).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_acts_on_behalf_of_its_threads_tenant() {
    let mut house = House::alone();
    let node = house
        .started(scripted(|activation, context| async move {
            if texts(&activation.input) != "go" {
                return RunOutcome::natural_end(None);
            }
            let to = |text: &str| Submit {
                parent_run_id: Some(activation.run.id.clone()),
                ..submit(Mode::Enqueue, text)
            };
            let refused = context.submit(thread("blues"), to("hello")).await;
            assert!(
                matches!(&refused, Err(ContextError::Store(error))
                    if matches!(error.refusal(), Some(Refusal::UnknownThread { .. }))),
                "{refused:?}"
            );
            let blues = RunId::parse("blues-run").unwrap();
            assert_eq!(context.find_run(&blues).await.unwrap(), None);
            let child = context.submit(thread("child"), to("hello")).await.unwrap();
            assert!(context.find_run(&child.run_id).await.unwrap().is_some());
            context
                .spawn_background(Box::pin(async { Some(NewMessage::user("it is done")) }))
                .await;
            RunOutcome::natural_end(Some(child.run_id.to_string()))
        }))
        .await;
    let (red, blue) = (of(&node, "red"), of(&node, "blue"));
    let named = Submit { run_id: RunId::parse("blues-run").ok(), ..submit(Mode::Enqueue, "x") };
    let of_nobodys = Submit { parent_run_id: RunId::parse("nobodys").ok(), ..named.clone() };
    assert!(is_unknown(blue.submit(Some(thread("blues")), of_nobodys).await));
    blue.submit(Some(thread("blues")), named).await.unwrap();

    let submitted = red.submit(Some(thread("reds")), submit(Mode::Enqueue, "go")).await.unwrap();
    let run = finished(&red, &submitted.run_id).await;
    let child = RunId::parse(run.output.as_deref().unwrap()).unwrap();
    assert_eq!(finished(&red, &child).await.tenant.to_string(), "red");
    assert_eq!(red.thread(&thread("child")).await.unwrap().tenant.to_string(), "red");
    assert!(is_unknown(blue.run(&child).await));
    settle_down().await;
    let said = red.messages(&thread("reds"), 0, 10).await.unwrap();
    assert!(texts(&said).contains("it is done"), "{said:?}");
    assert_eq!(texts(&blue.messages(&thread("blues"), 0, 10).await.unwrap()), "x");
}

#[tokio::test(start_paused = true)]
async fn all_events_are_those_of_the_tenant() {
    let mut house = House::alone();
    let node = house.started(echo()).await;
    let (red, blue) = (of(&node, "red"), of(&node, "blue"));
    let mut blues = blue.all_events();
    let mut everybodys = node.all_events();
    for name in ["a", "b"] {
        let submitted = red.submit(Some(thread(name)), submit(Mode::Enqueue, "x")).await.unwrap();
        finished(&red, &submitted.run_id).await;
    }
    let submitted = blue.submit(Some(thread("c")), submit(Mode::Enqueue, "x")).await.unwrap();
    finished(&blue, &submitted.run_id).await;
    let seen = take(&mut blues, 3).await;
    assert!(seen.iter().all(|event| event.thread_id == thread("c")), "{seen:?}");
    assert_eq!(take(&mut everybodys, 1).await[0].thread_id, thread("a"));
}

#[tokio::test(start_paused = true)]
async fn each_tenant_has_its_own_idempotency_keys() {
    let mut house = House::alone();
    let node = house.started(echo()).await;
    let mut keyed = submit(Mode::Enqueue, "x");
    keyed.idempotency_key = postroom_core::id::IdempotencyKey::parse("same").ok();
    let plain = node.submit(None, keyed.clone()).await.unwrap();
    // The default tenant is who has none: what was submitted before there were tenants is known.
    let again = of(&node, "default").submit(None, keyed.clone()).await.unwrap();
    assert!(again.replayed && again.thread_id == plain.thread_id);
    let red = of(&node, "red").submit(None, keyed.clone()).await.unwrap();
    assert!(!red.replayed && red.thread_id != plain.thread_id);
    let blue = of(&node, "blue").submit(None, keyed).await.unwrap();
    assert!(!blue.replayed && blue.thread_id != red.thread_id);
}
