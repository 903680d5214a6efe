//! Decisions: tickets of waiting tool calls are closed, and their run goes on.

use postroom_core::command::{
    Command, Decided, DecidedVia, Mode, Outcome, Reply, Step, Submit, SubmittedStatus, Suspend,
    Take, Wait,
};
use postroom_core::error::Refusal;
use postroom_core::id::{DecisionId, RunId, ThreadId, ToolCallId};
use postroom_core::run::{RunState, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction};
use serde_json::json;

use crate::world::{LEASE, World, beginning, commit, resume, said, started, thread, ticket};

fn decide(run_id: &RunId, decisions: Vec<Decision>) -> Command {
    Command::Decide { run_id: run_id.clone(), decisions, claim: None }
}

async fn decided(world: &World, t: &ThreadId, command: Command) -> Decided {
    match world.apply(t, command).await {
        Reply::Decided(decided) => decided,
        other => panic!("decide was answered {other:?}"),
    }
}

fn call(name: &str) -> ToolCallId {
    ToolCallId::parse(name).expect("a name")
}

/// The last open ticket queues the run's next delivery, and the decision is there for it.
pub async fn the_last_one_resumes_the_run(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let wait = Wait {
        tickets: vec![ticket("one"), ticket("two")],
        ..Wait::new(WaitReason::ToolPermission)
    };
    world.settle(&t, &active.claim, Outcome::Wait(wait)).await;
    let run_id = active.run.id.clone();
    let first = decided(&world, &t, decide(&run_id, vec![resume("one")])).await;
    assert_eq!(first.via, DecidedVia::Partly);
    assert!(world.try_claim(&t, beginning("n")).await.is_none());
    let second = decided(&world, &t, decide(&run_id, vec![resume("two")])).await;
    let DecidedVia::Queued(dispatch_id) = second.via else { panic!("{second:?}") };
    world.snapshot(&t).await;
    let again = world.start(&t).await;
    assert_eq!((again.dispatch.id, &again.run.id), (dispatch_id, &run_id));
    let ticket = again.run.ticket(&call("one")).expect("the ticket");
    assert_eq!(ticket.decision(), Some(&resume("one")));
    let types = world.event_types(&t, 0).await;
    assert!(types.contains(&"tool_call_resumed") && types.contains(&"run_resumed"), "{types:?}");
}

/// The resume dispatch can be claimed and begun in the same transaction.
pub async fn can_be_claimed_at_once(world: World) {
    let t = thread("t");
    let run = world.waiting_for_permission(&t, "call").await;
    let command = Command::Decide {
        run_id: run.id.clone(),
        decisions: vec![resume("call")],
        claim: Some(beginning("n")),
    };
    let answer = decided(&world, &t, command).await;
    let active = started(*answer.claimed.expect("it is claimed"));
    assert_eq!(
        (active.run.id.clone(), active.run.status.clone()),
        (run.id.clone(), postroom_core::run::RunStatus::Running)
    );
    world.snapshot(&t).await;
}

/// A run that is suspended in memory hears of it there; nothing is queued.
pub async fn a_live_run_looks_itself(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let suspend =
        Suspend { reason: WaitReason::ToolPermission, tickets: vec![ticket("call")], lease: LEASE };
    world
        .apply(&t, commit(&active.claim, Step { suspend: Some(suspend), ..Step::default() }))
        .await;
    let answer = decided(&world, &t, decide(&active.run.id, vec![resume("call")])).await;
    assert_eq!(answer.via, DecidedVia::Live);
    assert_eq!(world.thread(&t).await.queued, 0);
    world.snapshot(&t).await;
    let again = decided(&world, &t, decide(&active.run.id, vec![resume("call")])).await;
    assert_eq!(again.via, DecidedVia::Live, "sent again, it is known for the same");
}

/// Sent again it changes nothing; another one for the same ticket is refused.
pub async fn once_for_each_ticket(world: World) {
    let t = thread("t");
    let run = world.waiting_for_permission(&t, "call").await;
    let by_id =
        Decision { decision_id: Some(DecisionId::parse("d").expect("a name")), ..resume("call") };
    let first = decided(&world, &t, decide(&run.id, vec![by_id.clone()])).await;
    let before = world.snapshot(&t).await;
    let again = Decision { reason: Some("retried".to_owned()), ..by_id.clone() };
    assert_eq!(decided(&world, &t, decide(&run.id, vec![again])).await.via, first.via);
    assert_eq!(world.snapshot(&t).await.events, before.events);
    let other = Decision { action: DecisionAction::Cancel, decision_id: None, ..by_id };
    let refusal = world.refused(&t, decide(&run.id, vec![other])).await;
    let closed = Refusal::TicketClosed { run_id: run.id.clone(), tool_call_id: call("call") };
    assert_eq!(refusal, closed);
}

/// All decisions of a command apply, or none.
pub async fn all_or_none(world: World) {
    let t = thread("t");
    let run = world.waiting_for_permission(&t, "call").await;
    let command = decide(&run.id, vec![resume("call"), resume("unknown")]);
    let refusal = world.refused(&t, command).await;
    let unknown = Refusal::UnknownTicket { run_id: run.id.clone(), tool_call_id: call("unknown") };
    assert_eq!(refusal, unknown);
    assert!(world.run(&run.id).await.has_open_ticket());
    let refusal = world.refused(&t, decide(&run.id, Vec::new())).await;
    assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal:?}");
    let nobody = RunId::parse("nobody").expect("a name");
    let refusal = world.refused(&t, decide(&nobody, vec![resume("call")])).await;
    assert_eq!(refusal, Refusal::UnknownRun { run_id: nobody });
}

/// While a run waits for permission a message is kept for its next step, and it goes on waiting.
pub async fn messages_wait_with_the_run(world: World) {
    let t = thread("t");
    let run = world.waiting_for_permission(&t, "call").await;
    let submitted = world.say(&t, "meanwhile").await;
    assert_eq!((submitted.run_id, submitted.status), (run.id.clone(), SubmittedStatus::Waiting));
    assert_eq!(world.pending_texts(&t).await, ["meanwhile"]);
    assert_eq!(world.run(&run.id).await.run_state(), RunState::Waiting);
    world.snapshot(&t).await;
    decided(&world, &t, decide(&run.id, vec![resume("call")])).await;
    let again = world.start(&t).await;
    let step = Step { take: Take::NextStep, ..Step::default() };
    let Reply::Committed(committed) = world.apply(&t, commit(&again.claim, step)).await else {
        panic!("it commits")
    };
    assert_eq!(committed.taken[0].message.content.text(), "meanwhile");
    world.snapshot(&t).await;
}

/// A submission may carry decisions, alone or with messages.
pub async fn in_a_submission(world: World) {
    let t = thread("t");
    let run = world.waiting_for_permission(&t, "call").await;
    let submit =
        Submit { decisions: vec![resume("call")], ..Submit::new(Mode::Enqueue, Vec::new()) };
    let submitted = world.submit(&t, submit).await;
    assert_eq!((submitted.run_id, submitted.status), (run.id.clone(), SubmittedStatus::Queued));
    assert_eq!(world.start(&t).await.run.id, run.id);
    world.snapshot(&t).await;

    let t = thread("u");
    let run = world.waiting_for_permission(&t, "call").await;
    let submit = Submit { decisions: vec![resume("call")], ..said(Mode::Enqueue, "and this") };
    assert_eq!(world.submit(&t, submit).await.run_id, run.id);
    world.snapshot(&t).await;
}

/// A run that ends takes its open tickets with it: they can't be decided any more.
pub async fn too_late(world: World) {
    let t = thread("t");
    let run = world.waiting_for_permission(&t, "call").await;
    world.submit(&t, said(Mode::Interrupt, "never mind")).await;
    let refusal = world.refused(&t, decide(&run.id, vec![resume("call")])).await;
    let closed = Refusal::TicketClosed { run_id: run.id.clone(), tool_call_id: call("call") };
    assert_eq!(refusal, closed);
}

/// A default closes the ticket that nobody has decided, and leaves the one that somebody has.
pub async fn a_default_closes_only_what_is_open(world: World) {
    let t = thread("t");
    let active = world.started(&t).await;
    let suspend = Suspend {
        reason: WaitReason::ToolPermission,
        tickets: vec![ticket("decided"), ticket("open")],
        lease: LEASE,
    };
    let step = Step { suspend: Some(suspend), ..Step::default() };
    world.apply(&t, commit(&active.claim, step)).await;
    let run_id = active.run.id.clone();
    decided(&world, &t, decide(&run_id, vec![resume("decided")])).await;

    let deny = |name| Decision::new(call(name), DecisionAction::Cancel);
    let step = Step {
        by_default: vec![deny("decided"), deny("open"), deny("unknown")],
        resume: true,
        ..Step::default()
    };
    world.apply(&t, commit(&active.claim, step)).await;
    world.snapshot(&t).await;
    let run = world.run(&run_id).await;
    let decision = |name| run.ticket(&call(name)).and_then(|ticket| ticket.decision().cloned());
    assert_eq!(decision("decided"), Some(resume("decided")));
    assert_eq!(decision("open"), Some(deny("open")));
    let late = world.refused(&t, decide(&run_id, vec![resume("open")])).await;
    assert!(matches!(late, Refusal::TicketClosed { .. }), "{late:?}");
}

/// A question that is answered before its run has given up its executor is not waited for.
pub async fn an_answer_before_the_wait_is_not_waited_for(world: World) {
    for reason in [WaitReason::UserInput, WaitReason::ExternalEvent] {
        let t = thread(reason.as_str());
        let active = world.started(&t).await;
        let suspend = Suspend { reason, tickets: vec![ticket("asked")], lease: LEASE };
        let step = Step { suspend: Some(suspend), ..Step::default() };
        world.apply(&t, commit(&active.claim, step)).await;
        decided(&world, &t, decide(&active.run.id, vec![resume("asked")])).await;
        let wait = Wait { tickets: vec![ticket("asked")], ..Wait::new(reason) };
        world.settle(&t, &active.claim, Outcome::Wait(wait)).await;
        assert!(world.try_claim(&t, beginning("n")).await.is_some(), "{reason:?}: it goes on");
    }
}

/// Arguments are for a call that is made, and are an object; else nothing is decided.
pub async fn changed_arguments_go_with_a_call_that_is_made(world: World) {
    let t = thread("t");
    let run = world.waiting_for_permission(&t, "call").await;
    let changed = |arguments| Decision { arguments, ..resume("call") };
    for wrong in [
        changed(json!([1])),
        Decision { action: DecisionAction::Cancel, ..changed(json!({})) },
        Decision { result: json!(1), ..changed(json!({})) },
    ] {
        let refusal = world.refused(&t, decide(&run.id, vec![wrong])).await;
        assert!(matches!(refusal, Refusal::Invalid { .. }), "{refusal:?}");
    }
    let right = changed(json!({"path": "/tmp"}));
    decided(&world, &t, decide(&run.id, vec![right.clone()])).await;
    let run = world.run(&run.id).await;
    assert_eq!(run.ticket(&call("call")).and_then(|ticket| ticket.decision()), Some(&right));
}
