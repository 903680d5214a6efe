//! Tenants: each sees its own, and of others' not even that it is there.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{
    CancelTarget, ClaimRequest, Command, CreateThread, Enqueue, Envelope, Mode, Outcome, Reply,
    Start, Submit, Submitted, TenantRooms,
};
use postroom_core::dispatch::{DispatchState, Priority};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{AgentId, MessageId, RunId, TenantId, ThreadId};
use postroom_core::message::{Content, Metadata, NewMessage};
use postroom_core::pending::Delivery;
use postroom_core::ports::{Applied, Clock, DispatchFilter, RunFilter, ThreadFilter};
use postroom_core::run::RunState;

use crate::pages;
use crate::world::{World, beginning, delivery, request, said, thread};

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a name")
}

fn default_tenant() -> TenantId {
    TenantId::default()
}

async fn apply_as(
    world: &World,
    caller: &TenantId,
    thread_id: &ThreadId,
    command: Command,
) -> Result<Applied, StoreError> {
    let envelope = Envelope::new(thread_id.clone(), command).on_behalf_of(Some(caller.clone()));
    world.store.apply(vec![envelope]).await.remove(0)
}

async fn submit_as(world: &World, caller: &TenantId, thread_id: &ThreadId) -> Submitted {
    let command = Command::Submit(Box::new(said(Mode::Enqueue, "hello")));
    match apply_as(world, caller, thread_id, command).await.expect("it is accepted").reply {
        Reply::Submitted(submitted) => submitted,
        other => panic!("submit was answered {other:?}"),
    }
}

/// Whose command it is that must be refused, without a trace.
async fn refused(
    world: &World,
    caller: &TenantId,
    thread_id: &ThreadId,
    command: Command,
) -> Refusal {
    let name = command.name();
    let before = world.snapshot(thread_id).await;
    let refusal = match apply_as(world, caller, thread_id, command).await {
        Err(StoreError::Refused(refusal)) => refusal,
        other => panic!("{name} should have been refused, and was answered {other:?}"),
    };
    assert_eq!(before, world.snapshot(thread_id).await, "a refused {name} changed something");
    refusal
}

/// Whoever creates a thread has it, with its runs and dispatches; to others it is unknown, whatever
/// they command.
pub async fn a_thread_is_its_callers(world: World) {
    let (red, t) = (tenant("red"), thread("t"));
    let submitted = submit_as(&world, &red, &t).await;
    assert_eq!(world.thread(&t).await.tenant, red);
    assert_eq!(world.run(&submitted.run_id).await.tenant, red);
    let dispatch_id = submitted.dispatch_id.expect("a dispatch");
    let dispatch = world.store.dispatch(dispatch_id).await.expect("a read").expect("it is there");
    assert_eq!(dispatch.tenant, red);

    let (run_id, message_id) = (submitted.run_id, MessageId::parse("m").expect("a name"));
    let resubmitted = Submit {
        messages: vec![NewMessage {
            id: submitted.message_ids.first().cloned(),
            ..NewMessage::user("hello")
        }],
        ..said(Mode::Enqueue, "hello")
    };
    let commands = [
        Command::CreateThread(CreateThread::default()),
        Command::PatchThread { metadata: Metadata::new() },
        Command::DeleteThread,
        Command::Submit(Box::new(said(Mode::Enqueue, "x"))),
        Command::Submit(Box::new(said(Mode::Interrupt, "x"))),
        Command::Submit(Box::new(resubmitted)),
        Command::Enqueue(Box::new(delivery("r"))),
        Command::Claim(beginning("n")),
        Command::ClaimDispatch { dispatch_id, request: request("n") },
        Command::Cancel { target: CancelTarget::Thread, stop_executing: true },
        Command::Cancel { target: CancelTarget::Run(run_id.clone()), stop_executing: true },
        Command::Cancel { target: CancelTarget::Dispatch(dispatch_id), stop_executing: true },
        Command::Interrupt,
        Command::Requeue { dispatch_id, max_attempts: None },
        Command::Deliver {
            run_id: run_id.clone(),
            messages: Vec::new(),
            delivery: Delivery::default(),
            max_pending: 10,
        },
        Command::EditPending {
            message_id: message_id.clone(),
            content: Content::Text("x".to_owned()),
        },
        Command::RetractPending { message_id: message_id.clone() },
        Command::ReorderPending { message_ids: vec![message_id] },
        Command::Decide { run_id, decisions: Vec::new(), claim: None },
    ];
    for command in commands {
        for caller in [tenant("blue"), default_tenant()] {
            let refusal = refused(&world, &caller, &t, command.clone()).await;
            assert_eq!(refusal, Refusal::UnknownThread { thread_id: t.clone() });
        }
    }
    submit_as(&world, &red, &t).await;
}

/// A run or a dispatch of another tenant is unknown to who names it in a thread of their own; within
/// a tenant it is said where it is.
pub async fn anothers_runs_and_dispatches(world: World) {
    let (red, blue) = (tenant("red"), tenant("blue"));
    let theirs = submit_as(&world, &red, &thread("theirs")).await;
    submit_as(&world, &blue, &thread("ours")).await;
    let named = Submit { run_id: Some(theirs.run_id.clone()), ..said(Mode::Enqueue, "x") };
    let unknown = Refusal::UnknownRun { run_id: theirs.run_id.clone() };
    for t in ["ours", "new"] {
        let command = Command::Submit(Box::new(named.clone()));
        assert_eq!(refused(&world, &blue, &thread(t), command).await, unknown, "{t}");
        let enqueue = Enqueue { run_id: theirs.run_id.clone(), ..delivery("x") };
        let command = Command::Enqueue(Box::new(enqueue));
        assert_eq!(refused(&world, &blue, &thread(t), command).await, unknown, "{t}");
    }
    let dispatch_id = theirs.dispatch_id.expect("a dispatch");
    let enqueue = Enqueue { dispatch_id: Some(dispatch_id), ..delivery("x") };
    let command = Command::Enqueue(Box::new(enqueue));
    let refusal = refused(&world, &blue, &thread("ours"), command).await;
    assert_eq!(refusal, Refusal::UnknownDispatch { dispatch_id });

    // What is expected is compared with the thread's own, whatever else there is.
    let nobody = RunId::parse("nobody").expect("a name");
    for expected in [theirs.run_id.clone(), nobody] {
        let submit = Submit { expected_run_id: Some(expected.clone()), ..said(Mode::Enqueue, "x") };
        let command = Command::Submit(Box::new(submit));
        let refusal = refused(&world, &blue, &thread("ours"), command).await;
        assert!(matches!(refusal, Refusal::UnexpectedRun { .. }), "{refusal:?}");
    }

    let command = Command::Submit(Box::new(named));
    let refusal = refused(&world, &red, &thread("their other"), command).await;
    assert_eq!(refusal, Refusal::RunElsewhere { run_id: theirs.run_id });
}

/// Who is nobody's caller (a claim, a sweep) reaches all threads, and what it creates is the default
/// tenant's.
pub async fn who_has_none_sees_all(world: World) {
    let red = tenant("red");
    submit_as(&world, &red, &thread("t")).await;
    world.say(&thread("t"), "from inside").await;
    assert_eq!(world.thread(&thread("t")).await.tenant, red);
    let runs = world.store.runs(&RunFilter::default(), 10, None).await.expect("a page").items;
    assert!(runs.iter().all(|run| run.tenant == red), "{runs:?}");
    let ready = world.store.claim_ready(beginning("n"), 10).await.expect("a claim");
    assert_eq!(ready.claimed.len(), 1);
    world.say(&thread("u"), "hello").await;
    assert_eq!(world.thread(&thread("u")).await.tenant, default_tenant());
    submit_as(&world, &default_tenant(), &thread("u")).await;
}

/// A thread's tenant stays, through all that happens to it.
pub async fn is_for_ever(world: World) {
    let (red, t) = (tenant("red"), thread("t"));
    submit_as(&world, &red, &t).await;
    let active = world.start(&t).await;
    world.ack(&t, &active.claim).await;
    let patch = Command::PatchThread { metadata: Metadata::from_iter([("k".into(), 1.into())]) };
    apply_as(&world, &red, &t, patch).await.expect("it is patched");
    let Some(world) = world.reopened().await else { return };
    assert_eq!(world.thread(&t).await.tenant, red);
    assert_eq!(world.run(&active.run.id).await.tenant, red);
    submit_as(&world, &red, &t).await;
}

/// A name is free again for anybody once the thread is deleted.
pub async fn name_what_is_free(world: World) {
    let (red, blue, t) = (tenant("red"), tenant("blue"), thread("t"));
    let create = Command::CreateThread(CreateThread::default());
    apply_as(&world, &red, &t, create.clone()).await.expect("it is created");
    apply_as(&world, &red, &t, Command::DeleteThread).await.expect("it is deleted");
    apply_as(&world, &blue, &t, create).await.expect("it is created");
    assert_eq!(world.thread(&t).await.tenant, blue);
}

/// Each tenant's lists have its own, whatever else is asked for, and a cursor of another's list is
/// but a place.
pub async fn have_lists_of_their_own(world: World) {
    let (red, blue) = (tenant("red"), tenant("blue"));
    let tenants = [red.clone(), default_tenant(), blue.clone()];
    for round in 0..4 {
        for caller in &tenants {
            submit_as(&world, caller, &thread(&format!("{caller}-{round}"))).await;
        }
    }
    // One of each is executing, and one dead.
    for caller in &tenants {
        let executing = thread(&format!("{caller}-1"));
        world.start(&executing).await;
        let dead = thread(&format!("{caller}-2"));
        let active = world.start(&dead).await;
        let bury = Outcome::DeadLetter { code: "c".to_owned(), error: "e".to_owned() };
        world.settle(&dead, &active.claim, bury).await;
    }
    let mut foreign_cursor = None;
    for caller in tenants.iter().chain([&tenant("nobody")]) {
        let is_known = tenants.contains(caller);
        let of_all = |rounds: &[u8]| -> Vec<String> {
            let rounds = rounds.iter().filter(|_| is_known);
            rounds.map(|round| format!("{caller}-{round}")).collect()
        };
        let whose = Some(caller.clone());
        let threads = ThreadFilter { tenant: whose.clone(), ..ThreadFilter::default() };
        assert_eq!(thread_list(&world, &threads).await, of_all(&[3, 2, 1, 0]));
        let runs = RunFilter { tenant: whose.clone(), ..RunFilter::default() };
        assert_eq!(run_list(&world, &runs).await, of_all(&[3, 2, 1, 0]));
        let running = RunFilter { state: Some(RunState::Running), ..runs.clone() };
        assert_eq!(run_list(&world, &running).await, of_all(&[1]));
        let all = DispatchFilter { tenant: whose, ..DispatchFilter::default() };
        assert_eq!(dispatch_list(&world, &all).await, of_all(&[3, 2, 1, 0]));
        for (states, rounds) in [
            (vec![DispatchState::Queued], &[3, 0][..]),
            (vec![DispatchState::Claimed], &[1]),
            (vec![DispatchState::DeadLetter], &[2]),
            (vec![DispatchState::Queued, DispatchState::DeadLetter], &[3, 2, 0]),
            (vec![DispatchState::Acked], &[]),
        ] {
            let filter = DispatchFilter { states, ..all.clone() };
            assert_eq!(dispatch_list(&world, &filter).await, of_all(rounds), "{filter:?}");
        }
        // A thread of another's has nothing for the caller.
        let foreign = if *caller == red { "blue-0" } else { "red-0" };
        let of_foreign = RunFilter { thread_id: Some(thread(foreign)), ..runs.clone() };
        assert!(run_list(&world, &of_foreign).await.is_empty());
        let of_foreign = DispatchFilter { thread_id: Some(thread(foreign)), ..all };
        assert!(dispatch_list(&world, &of_foreign).await.is_empty());

        let page = world.store.runs(&runs, 10, foreign_cursor.as_deref()).await.expect("a page");
        assert!(page.items.iter().all(|run| run.tenant == *caller));
        let page = world.store.runs(&runs, 2, None).await.expect("a page");
        foreign_cursor = page.next_cursor.or(foreign_cursor);
    }
    let everything = world.store.runs(&RunFilter::default(), 100, None).await.expect("a page");
    assert_eq!(everything.items.len(), 12);
}

async fn thread_list(world: &World, filter: &ThreadFilter) -> Vec<String> {
    pages::threads(world, filter, |thread| thread.id.to_string()).await
}

async fn run_list(world: &World, filter: &RunFilter) -> Vec<String> {
    pages::runs(world, filter, |run| run.thread_id.to_string()).await
}

async fn dispatch_list(world: &World, filter: &DispatchFilter) -> Vec<String> {
    pages::dispatches(world, filter, |row| row.thread_id.to_string()).await
}

async fn depth(world: &World, of: &TenantId) -> [u64; 6] {
    world.store.depth_of(of).await.expect("a read").counts
}

/// The counters of each tenant follow every transition, and together they are those of all.
pub async fn depth_of_each(world: World) {
    let (red, t) = (tenant("red"), thread("t"));
    assert_eq!(depth(&world, &red).await, [0; 6]);
    submit_as(&world, &red, &t).await;
    submit_as(&world, &red, &t).await;
    submit_as(&world, &default_tenant(), &thread("d")).await;
    assert_eq!(depth(&world, &red).await, [2, 0, 0, 0, 0, 0]);
    assert_eq!(depth(&world, &default_tenant()).await, [1, 0, 0, 0, 0, 0]);
    assert_eq!(depth(&world, &tenant("nobody")).await, [0; 6]);
    let active = world.start(&t).await;
    assert_eq!(depth(&world, &red).await, [1, 1, 0, 0, 0, 0]);
    world.ack(&t, &active.claim).await;
    apply_as(&world, &red, &t, Command::Interrupt).await.expect("it is interrupted");
    assert_eq!(depth(&world, &red).await, [0, 0, 1, 0, 1, 0]);
    assert_eq!(world.store.depth().await.expect("a read").counts, [1, 0, 1, 0, 1, 0]);
    apply_as(&world, &red, &t, Command::DeleteThread).await.expect("it is deleted");
    assert_eq!(depth(&world, &red).await, [0; 6]);
    assert_eq!(depth(&world, &default_tenant()).await, [1, 0, 0, 0, 0, 0]);
}

/// A purge of one tenant leaves others' alone.
pub async fn purges_of_each(world: World) {
    let (red, blue) = (tenant("red"), tenant("blue"));
    for caller in [&red, &blue, &default_tenant()] {
        for round in 0..3 {
            let t = thread(&format!("{caller}-{round}"));
            submit_as(&world, caller, &t).await;
            let active = world.start(&t).await;
            world.ack(&t, &active.claim).await;
        }
    }
    world.clock.advance(Duration::from_mins(1));
    let now = world.clock.now();
    let purge = async |of: &TenantId, state, limit| {
        world.store.purge_terminal(Some(of), state, now, limit).await.expect("a purge")
    };
    assert_eq!(purge(&red, Some(DispatchState::Cancelled), 10).await, 0);
    assert_eq!(purge(&red, Some(DispatchState::Acked), 2).await, 2);
    assert_eq!(purge(&red, None, 10).await, 1);
    assert_eq!(purge(&red, None, 10).await, 0);
    assert_eq!(depth(&world, &red).await, [0; 6]);
    assert_eq!(depth(&world, &blue).await, [0, 0, 3, 0, 0, 0]);
    assert_eq!(purge(&default_tenant(), None, 10).await, 3);
    assert_eq!(depth(&world, &default_tenant()).await, [0; 6]);
    assert_eq!(depth(&world, &blue).await, [0, 0, 3, 0, 0, 0]);
    let rest = world.store.purge_terminal(None, None, now, 10).await.expect("a purge");
    assert_eq!(rest, 3);
    assert_eq!(depth(&world, &blue).await, [0; 6]);
}

/// Gives each tenant threads with one run each, the first one's first, named `tenant-1` and on.
async fn queue(world: &World, tenants: &[(&TenantId, usize)]) {
    for (tenant, count) in tenants {
        for number in 1..=*count {
            submit_as(world, tenant, &thread(&format!("{tenant}-{number}"))).await;
            world.clock.advance(Duration::from_millis(1));
        }
    }
}

async fn claim_ready(world: &World, request: ClaimRequest, limit: usize) -> (Vec<String>, bool) {
    let ready = world.store.claim_ready(request, limit).await.expect("a claim");
    let threads = ready.claimed.iter().map(|delivered| delivered.dispatch.thread_id.to_string());
    (threads.collect(), ready.next_due_in == Some(Duration::ZERO))
}

/// Whoever has much ready does not keep others waiting: each tenant in its turn gives its most urgent
/// head, whatever the others' priorities; and what is left of a claim is for who has more.
pub async fn take_turns(world: World) {
    let (red, blue) = (tenant("red"), tenant("blue"));
    queue(&world, &[(&default_tenant(), 40), (&red, 1), (&blue, 2)]).await;
    let urgent = Enqueue { priority: Priority(0), ..delivery("urgent") };
    world.enqueue(&thread("default-30"), urgent).await;

    let mut after = None;
    let mut claimed = Vec::new();
    for _ in 0..6 {
        let request = ClaimRequest { after_tenant: after, ..request("n") };
        let ready = world.store.claim_ready(request, 1).await.expect("a claim").claimed;
        let [delivered] = &ready[..] else { panic!("one is ready: {ready:?}") };
        after = Some(delivered.dispatch.tenant.clone());
        claimed.push(delivered.dispatch.thread_id.to_string());
    }
    assert_eq!(
        claimed,
        ["default-30", "blue-1", "red-1", "default-1", "blue-2", "default-2"],
        "tenants take turns"
    );
    let (rest, _) = claim_ready(&world, request("n"), 100).await;
    assert_eq!(rest.len(), 37, "one tenant alone has all turns");
}

/// A claim of many brings each tenant's share, and says where one tenant has more.
pub async fn share_a_claim(world: World) {
    let red = tenant("red");
    queue(&world, &[(&default_tenant(), 12), (&red, 2)]).await;
    let (first, has_more) = claim_ready(&world, request("n"), 4).await;
    assert_eq!(first, ["default-1", "red-1", "default-2", "red-2"]);
    assert!(!has_more, "it is full: more may be ready");
    queue(&world, &[(&tenant("blue"), 1)]).await;
    let (second, has_more) = claim_ready(&world, request("n"), 6).await;
    assert_eq!(second, ["default-3", "blue-1", "default-4", "default-5"]);
    assert!(has_more, "a tenant has more than its share");
    let (third, _) = claim_ready(&world, request("n"), 20).await;
    assert_eq!(third.len(), 7);
}

/// Of a tenant no more is claimed than there is room for, and it holds nobody up; what it has stays
/// ready.
pub async fn without_room_are_passed_over(world: World) {
    let (red, blue) = (tenant("red"), tenant("blue"));
    queue(&world, &[(&default_tenant(), 5), (&red, 5), (&blue, 5)]).await;
    let named = Arc::from([(default_tenant(), 0), (red.clone(), 2)]);
    let rooms = |named| TenantRooms { named, ..TenantRooms::default() };
    let limited = ClaimRequest { tenants: rooms(named), ..request("n") };
    let t = thread("red-5");
    let (mut claimed, _) = claim_ready(&world, limited.clone(), 20).await;
    claimed.sort();
    let all_blue = (1..=5).map(|number| format!("blue-{number}"));
    let expected: Vec<String> = all_blue.chain(["red-1".to_owned(), "red-2".to_owned()]).collect();
    assert_eq!(claimed, expected);

    let full = ClaimRequest { tenants: rooms(Arc::from([(red, 0)])), ..request("n") };
    match world.apply(&t, Command::Claim(full.clone())).await {
        Reply::Claimed(None) => {}
        other => panic!("there is no room, and a claim was answered {other:?}"),
    }
    let (rest, _) = claim_ready(&world, full, 20).await;
    assert_eq!(rest.len(), 5, "the default tenant's: {rest:?}");
    let others = TenantRooms { others: 1, ..TenantRooms::default() };
    let (one, _) = claim_ready(&world, ClaimRequest { tenants: others, ..request("n") }, 20).await;
    assert_eq!(one, ["red-3"], "who is not named has the room of others");
    assert_eq!(claim_ready(&world, request("n"), 20).await.0, ["red-4", "red-5"]);
    world.snapshot(&t).await;
}

/// An agent without room is passed over in each tenant's turn.
pub async fn take_turns_past_a_full_agent(world: World) {
    let red = tenant("red");
    let agent = AgentId::parse("busy").expect("a name");
    for name in ["red-1", "red-2"] {
        let agent_id = (name == "red-1").then(|| agent.clone());
        let command = Command::Enqueue(Box::new(Enqueue { agent_id, ..delivery(name) }));
        apply_as(&world, &red, &thread(name), command).await.expect("it is queued");
    }
    queue(&world, &[(&default_tenant(), 2)]).await;
    let without = ClaimRequest { except_agents: Arc::from([agent]), ..request("n") };
    let (claimed, _) = claim_ready(&world, without, 10).await;
    assert_eq!(claimed, ["default-1", "red-2", "default-2"]);
    assert_eq!(claim_ready(&world, request("n"), 10).await.0, ["red-1"]);
}

/// What is due of a tenant without room takes its place in the queue, and is not looked at again and
/// again; and much that becomes due at once does not hide another tenant's.
pub async fn take_turns_with_what_is_due(world: World) {
    let (red, blue) = (tenant("red"), tenant("blue"));
    let delayed = |start| Enqueue { start, ..delivery("x") };
    for number in 0..30 {
        let start = Start::In(Duration::from_secs(1));
        let run_id = RunId::parse(&format!("r{number}")).expect("a name");
        let command = Command::Enqueue(Box::new(Enqueue { run_id, ..delayed(start) }));
        let t = thread(&format!("red-{number}"));
        apply_as(&world, &red, &t, command).await.expect("it is queued");
    }
    let start = Start::In(Duration::from_secs(2));
    let command = Command::Enqueue(Box::new(delayed(start)));
    apply_as(&world, &blue, &thread("blue"), command).await.expect("it is queued");
    world.clock.advance(Duration::from_secs(3));

    let named = Arc::from([(red.clone(), 0)]);
    let tenants = TenantRooms { named, ..TenantRooms::default() };
    let full = ClaimRequest { tenants, ..request("n") };
    assert_eq!(claim_ready(&world, full.clone(), 1).await, (vec!["blue".to_owned()], false));
    assert_eq!(claim_ready(&world, full, 1).await, (Vec::new(), false), "nothing is due any more");
    world.snapshot(&thread("red-3")).await;
    assert_eq!(claim_ready(&world, request("n"), 40).await.0.len(), 30);
}
